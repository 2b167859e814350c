"""What a program logs, as the store takes it: flat names, plain numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.jsonable import refuse_deep
from sharpen.names import check_n_names, check_name, check_text

DEEPEST = 20


def plain_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics by flat names, with every exact number, such as a fraction, as a float.

    Raises:
        UsageError: They are no mapping, a name is no text of one line, one metric comes twice, there are
            more than 10,000, or they are nested deeper than 20 levels.

    >>> plain_metrics({"loss": Fraction(1, 2), "eval": {"loss": 0.25, "rank": {"ic": 0.1}}})
    {'loss': 0.5, 'eval.loss': 0.25, 'eval.rank.ic': 0.1}
    """
    if not isinstance(metrics, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"log({metrics!r}): metrics are a mapping of names to values: log({{'loss': 0.1}})")
    flat: dict[str, Any] = {}
    for name, value in _leaves(metrics, "", 0):
        if name in flat:
            raise UsageError(f"log: {name!r} comes twice, nested and with a dot: rename one of them")
        flat[name] = value if type(value) is float else _plain(name, value)  # most are floats
    check_n_names("log", flat)
    return flat


def _leaves(metrics: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise UsageError(f"log: {prefix[:40]}… is nested deeper than {DEEPEST} levels")
    for name, value in metrics.items():
        check_name("log", "a metric", name)
        if type(value) is not float and isinstance(value, Mapping):
            yield from _leaves(cast("Mapping[str, Any]", value), f"{prefix}{name}.", depth + 1)
            continue
        if prefix:
            check_name("log", "a metric", f"{prefix}{name}")
        yield f"{prefix}{name}", value


def _plain(name: str, value: Any) -> Any:
    check_text(f"log: {name}", value)
    if isinstance(value, Decimal | Fraction):
        return float(value)
    if isinstance(value, list | tuple):
        refuse_deep(f"log: {name}", cast("object", value))
    return cast("Any", value)
