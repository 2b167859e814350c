"""The filters and orders of the client's public API: Mongo's words over the fields of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.jsonable import number

MISSING = object()
DEEPEST = 20
LONGEST_PATTERN = 500


def _compared(op: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(found: Any, wanted: Any) -> bool:
        try:
            return found is not MISSING and found is not None and op(found, wanted)
        except TypeError:  # of two kinds, which have no order
            return False

    return compare


def _matches(found: Any, wanted: Any) -> bool:
    if len(str(wanted)) > LONGEST_PATTERN:
        raise UsageError(f"$regex has at most {LONGEST_PATTERN} letters")
    try:
        return isinstance(found, str) and re.search(str(wanted), found) is not None
    except re.error as problem:
        raise UsageError(f"$regex {wanted!r}: {problem}") from problem


def _equals(found: Any, wanted: Any) -> bool:
    if isinstance(found, list) and not isinstance(wanted, list):
        return wanted in found
    return (None if found is MISSING else found) == wanted


def _is_among(found: Any, wanted: Any) -> bool:
    return any(_equals(found, one) for one in cast("list[Any]", wanted if isinstance(wanted, list) else []))


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": _equals,
    "$ne": lambda found, wanted: not _equals(found, wanted),
    "$in": _is_among,
    "$nin": lambda found, wanted: not _is_among(found, wanted),
    "$gt": _compared(lambda a, b: a > b),
    "$gte": _compared(lambda a, b: a >= b),
    "$lt": _compared(lambda a, b: a < b),
    "$lte": _compared(lambda a, b: a <= b),
    "$regex": _matches,
    "$exists": lambda found, wanted: (found is not MISSING) == bool(wanted),
}


def fits(facts: Mapping[str, Any], wanted: Any, depth: int = 0) -> bool:
    """Return whether a run's facts fit a filter.

    Args:
        facts: ``name``, ``state``, ``config``, ``summary_metrics``, …
        wanted: The filter, read from its JSON.
        depth: How deep it is in another.

    Raises:
        UsageError: It uses a word that is not known, or nests too deep.

    >>> run = {"state": "finished", "config": {"lr": 0.1}}
    >>> fits(run, {"$and": [{"state": "finished"}, {"config.lr.value": {"$gt": 0.05}}]})
    True
    """
    if depth > DEEPEST or not isinstance(wanted, dict):
        raise UsageError("a filter is an object, nested not too deep, as in {'state': 'finished'}")
    return all(_one(facts, key, value, depth) for key, value in cast("dict[str, Any]", wanted).items())


def _one(facts: Mapping[str, Any], key: str, wanted: Any, depth: int) -> bool:
    if key in ("$and", "$or", "$nor"):
        if not isinstance(wanted, list):
            raise UsageError(f"{key} of a filter is a list")
        parts = [fits(facts, part, depth + 1) for part in cast("list[Any]", wanted)]
        return all(parts) if key == "$and" else any(parts) == (key == "$or")
    if key == "$not":
        return not fits(facts, wanted, depth + 1)
    found = value_at(facts, key)
    if not isinstance(wanted, dict) or not any(
        str(op).startswith("$") for op in cast("dict[str, Any]", wanted)
    ):
        return _equals(found, wanted)
    return all(_compare(op, found, value) for op, value in cast("dict[str, Any]", wanted).items())


def _compare(op: str, found: Any, wanted: Any) -> bool:
    if op == "$not":
        if not isinstance(wanted, dict):
            raise UsageError("$not of a filter is an object")
        inner = cast("dict[str, Any]", wanted)
        return not all(_compare(word, found, value) for word, value in inner.items())
    if op not in COMPARISONS:
        raise UsageError(f"no {op!r} in filters; there are: {', '.join(COMPARISONS)}, $and, $or, $nor, $not")
    return COMPARISONS[op](found, wanted)


ALIASES = {
    "displayName": "display_name",
    "createdAt": "created_at",
    "summaryMetrics": "summary_metrics",
    "jobType": "job_type",
}


def value_at(facts: Mapping[str, Any], key: str) -> Any:
    """Return the fact of a dotted key; names may have dots themselves.

    >>> value_at({"summary_metrics": {"val/a.b": 1}}, "summary_metrics.val/a.b")
    1
    """
    head, _, rest = key.partition(".")
    head = ALIASES.get(head, head)
    found = facts.get(head, MISSING)
    if not rest:
        return found
    if head == "config":
        rest = rest.removesuffix(".value")
    return _inside(found, rest)


def _inside(found: Any, rest: str) -> Any:
    if not isinstance(found, dict):
        return MISSING
    inner = cast("dict[str, Any]", found)
    if rest in inner:
        return inner[rest]
    head, _, tail = rest.partition(".")
    if head in inner:
        return _inside(inner[head], tail) if tail else inner[head]
    return MISSING


def in_order(runs: Sequence[Mapping[str, Any]], order: str | None) -> list[Mapping[str, Any]]:
    """Return runs in an order such as ``-summary_metrics.loss``; what has no number there comes last.

    >>> [run["n"] for run in in_order([{"n": 1}, {"n": float("nan")}, {"n": 3}], "-n")]
    [3, 1, nan]
    """
    word = (order or "-created_at").split(",")[0].strip()
    sign, key = (-1.0 if word.startswith("-") else 1.0), word.lstrip("+-")

    def place(run: Mapping[str, Any]) -> tuple[bool, float, str]:
        found = value_at(run, key)
        as_number = number(found) if found is not MISSING else None
        if as_number is None:
            return (found is MISSING or found is None, 0.0, str(found))
        return (math.isnan(as_number), 0.0 if math.isnan(as_number) else sign * as_number, "")

    return sorted(runs, key=place)
