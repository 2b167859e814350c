"""What a look at the lockbox found: worked out when it is taken, read back when it is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np

from sharpen.facts import LOCKBOX_BASELINE, LOCKBOX_SHARPE
from sharpen.jsonable import number
from sharpen.metrics import sharpe
from sharpen.overfit import Interval, compare, sharpe_interval
from sharpen.report.model import Estimate, LockboxSide, Look
from sharpen.report.returns import yearly
from sharpen.seeds import rng_for
from sharpen.store.blobs import checked_path
from sharpen.store.rows import OpeningRow
from sharpen.views import savings
from sharpen.views.returns import read_file

REPEATED = (LOCKBOX_SHARPE, LOCKBOX_BASELINE)  # a program's own words for what is worked out here


def lockbox_figures(home: Path, digest: str, seed: int) -> dict[str, Any]:
    """Return what to store of a configuration's returns on the lockbox.

    That is its annual ``sharpe`` with the bootstrap ``interval`` (low, high), ``baseline_sharpe`` of
    buy-and-hold on the same bars with its own ``baseline_interval``, and ``n_bars``.

    Args:
        home: The store's folder.
        digest: Of the returns among its blobs.
        seed: Of the sweep.

    Raises:
        DataError: The returns cannot be used.
        StoreError: Their blob is missing or damaged.
    """
    series = read_file(checked_path(home, digest))
    per_year = yearly(series)
    own = sharpe_interval(series.returns, per_year, rng_for(seed, "lockbox", "interval"))
    holding = sharpe_interval(series.baseline, per_year, rng_for(seed, "lockbox", "baseline"))
    return {
        "sharpe": sharpe(series.returns, per_year),
        "interval": [own.low, own.high],
        "baseline_sharpe": sharpe(series.baseline, per_year),
        "baseline_interval": [holding.low, holding.high],
        "n_bars": len(series.time),
    }


def lockbox_savings(home: Path, digest: str, seed: int) -> list[dict[str, Any]]:
    """Return what to store of a policy beside each baseline on the lockbox: it alone was looked at there.

    Args:
        home: The store's folder.
        digest: Of what it saved, among its blobs.
        seed: Of the sweep.

    Raises:
        DataError: The savings cannot be used.
        StoreError: Their blob is missing or damaged.
    """
    comparisons = compare([savings.read_file(checked_path(home, digest))], 0, seed)
    return [{**asdict(one), "sentence": one.sentence} for one in comparisons]


def other_bars(home: Path, digest: str, other: str) -> list[str]:
    """Return which of the columns time and baseline differ between two configurations' returns.

    Args:
        home: The store's folder.
        digest: Of the one's returns among its blobs.
        other: Of the other's.

    Raises:
        DataError: The returns cannot be used.
        StoreError: Their blob is missing or damaged.
    """
    one, two = (read_file(checked_path(home, blob)) for blob in (digest, other))
    pairs = {"time": (one.time, two.time), "baseline": (one.baseline, two.baseline)}
    return [name for name, (a, b) in pairs.items() if not np.array_equal(a, b)]


def read_look(row: OpeningRow) -> Look:
    """Return a stored look with what it found of each configuration.

    >>> row = OpeningRow("l1", "s", "s-1", "ann", 0.0, {"chosen": {"sharpe": 0.4, "interval": [-0.2, 1.0]}})
    >>> read_look(row).sides[0].sharpe
    Estimate(value=0.4, interval=Interval(low=-0.2, high=1.0, level=0.95))
    """
    results = {
        name: cast("Mapping[str, Any]", side)
        for name, side in (row.result or {}).items()
        if isinstance(side, Mapping)
    }
    sides = [_side(name, side) for name, side in results.items() if "error" not in side]
    return Look(
        row, tuple(sides), {name: str(side["error"]) for name, side in results.items() if "error" in side}
    )


def _side(name: str, side: Mapping[str, Any]) -> LockboxSide:
    logged = cast("Mapping[str, Any]", side.get("metrics", {}))
    sharpe_ratio = _estimate(side, "sharpe", "interval")
    repeated = REPEATED if sharpe_ratio else ()
    figures = {key: number(value) for key, value in logged.items() if key not in repeated}
    return LockboxSide(
        name=name,
        sharpe=sharpe_ratio,
        baseline=_estimate(side, "baseline_sharpe", "baseline_interval"),
        n_bars=int(side.get("n_bars", 0)),
        metrics={key: value for key, value in figures.items() if value is not None},
    )


def _estimate(side: Mapping[str, Any], name: str, interval: str) -> Estimate | None:
    ratio = number(side.get(name))
    low, high = (_float(end) for end in side.get(interval, (None, None)))
    return None if ratio is None else Estimate(ratio, Interval(low, high))


def _float(value: Any) -> float:
    as_number = number(value)
    return math.nan if as_number is None else as_number
