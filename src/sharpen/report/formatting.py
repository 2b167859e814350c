"""Numbers, times and values as people read them; the same in the page and on the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Any

from sharpen import hints
from sharpen.overfit import Interval

UNKNOWN = "–"
MAX_DECIMALS = 6
ROUNDING = 1e-9  # of a column's largest value: a smaller step is none
VERDICTS = {
    "luck": "Not distinguishable from luck",
    "beta": "Not distinguishable from holding the market",
    "real": "Passes the checks",
    "none": "No verdict",
}


def label(kind: str, is_doubtful: bool) -> str:
    """Return a verdict in a few words.

    >>> label("real", is_doubtful=True)
    'Passes the checks, but is in doubt'
    """
    return VERDICTS[kind] + (", but is in doubt" if is_doubtful and kind in ("beta", "real") else "")


def fixed(value: float | None, decimals: int | None = 2) -> str:
    """Return a number with so many decimals and a true minus sign; a dash when there is none.

    Args:
        value: The number.
        decimals: How many; None for four significant digits instead.

    >>> fixed(-0.161), fixed(None), fixed(1234.5, 1), fixed(1.25e-9, None)
    ('−0.16', '–', '1,234.5', '1.250e−09')
    """
    if value is None or not math.isfinite(value):
        return "∞" if value == math.inf else UNKNOWN
    text = f"{value:#.4g}" if decimals is None else f"{value:,.{decimals}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]  # no minus zero
    return text.replace("-", "−")


def chance(value: float | None) -> str:
    """Return a probability; one too close to certainty for two decimals is given as a bound.

    >>> chance(0.41), chance(0.9999), chance(0.0001), chance(None)
    ('0.41', '> 0.99', '< 0.01', '–')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return "> 0.99" if value > 0.99 else "< 0.01" if value < 0.01 else fixed(value)


def percent(value: float | None) -> str:
    """Return a fraction in per cent.

    >>> percent(0.1234)
    '12.3 %'
    """
    return UNKNOWN if value is None or not math.isfinite(value) else f"{fixed(100 * value, 1)} %"


def span(interval: Interval) -> str:
    """Return an interval as its two ends; a dash when it is not known.

    >>> span(Interval(-0.28, 1.381))
    '−0.28 to 1.38'
    """
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return UNKNOWN
    return f"{fixed(interval.low)} to {fixed(interval.high)}"


def of_seeds(scores: Sequence[float], decimals: int | None = 2) -> str:
    """Return how a mean over seeds came about.

    >>> of_seeds((0.41, 0.65, 0.77))
    'mean of 3 seeds, from 0.41 to 0.77'
    """
    return (
        f"mean of {len(scores)} seeds, from {fixed(min(scores), decimals)} to {fixed(max(scores), decimals)}"
    )


def decimals_for(values: Iterable[float | None], least: int = 2) -> int | None:
    """Return how many decimals a column of values needs; None where four significant digits show more.

    The spread of the values fills 32 to 316 units of the last place, which is three digits about; so does a
    value that is alone. When a few values lie far away from the rest, the median step from one to the next
    still makes a unit.

    Args:
        values: The column, as it is shown; what is unknown or infinite is left out.
        least: There are no fewer than this, and no more than ``MAX_DECIMALS``.

    >>> [decimals_for(values) for values in ([0.41, 1.26], [0.05202, 0.06165], [0.052, 0.0616, 0.071, 9.0])]
    [2, 4, 3]
    >>> [decimals_for(values) for values in ([0.00123], [], [1e-9, 2e-9], [2e7, 5e6])]
    [5, 2, None, None]
    """
    finite = sorted({value for value in values if value is not None and math.isfinite(value)})
    size = max(map(abs, finite), default=0.0)
    if size == 0.0:
        return least
    steps = [b - a for a, b in pairwise(finite) if b - a > ROUNDING * size] or [size]
    spread = math.fsum(steps) if math.isfinite(2.0 * size) else size
    decimals = max(round(2.0 - math.log10(spread)), -math.floor(math.log10(min(median(steps), size))))
    is_small = decimals > MAX_DECIMALS and size < 0.01
    is_large = size >= 1e6 and spread >= 0.1 * size
    return None if is_small or is_large else min(max(least, decimals), MAX_DECIMALS)


def setting(value: Any) -> str:
    """Return a parameter's value, real numbers to four figures.

    >>> setting(0.0123456), setting(True), setting("hist"), setting([1, 2])
    ('0.01235', 'true', 'hist', '[1, 2]')
    """
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−", 1) if value < 0 else f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def when(seconds: float | None) -> str:
    """Return a Unix time as a minute in UTC; a dash without one.

    >>> when(0.0)
    '1970-01-01 00:00 UTC'
    """
    try:
        return UNKNOWN if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):  # a row that was changed by hand
        return UNKNOWN


def duration(seconds: float | None) -> str:
    """Return a length of time in words; a dash for one that is not known.

    >>> duration(None), duration(61)
    ('–', '1m01s')
    """
    return UNKNOWN if seconds is None else hints.duration(seconds)


def visible(value: Any) -> Any:
    r"""Return a value of a template; text with the control characters written out that it holds.

    Markup is a template's own, and stays.

    >>> print(visible("\x1b[2Jgone"), visible(1.5))
    \x1b[2Jgone 1.5
    """
    return hints.printable(value) if type(value) is str else value
