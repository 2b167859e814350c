"""The filters and orders of the client's public API: Mongo's words over the fields of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.extras import require
from sharpen.jsonable import number
from sharpen.store.run_filters import ALIASES as FACTS
from sharpen.store.run_filters import TIMES, timestamp

MISSING = object()
DEEPEST = 20
LONGEST_PATTERN = 500
PATTERN_S = 0.2  # for one text


def _compared(op: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(actual: Any, wanted: Any) -> bool:
        try:
            return actual is not MISSING and actual is not None and op(actual, wanted)
        except TypeError:  # of two kinds, which have no order
            return False

    return compare


def _matches(actual: Any, wanted: Any) -> bool:
    """Return whether a text has a pattern; one that takes too long to tell is refused.

    >>> _matches("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaX", "(a|aa)+$")
    Traceback (most recent call last):
    sharpen.errors.UsageError: $regex '(a|aa)+$' takes too long: write it without repeats of repeats
    """
    if len(str(wanted)) > LONGEST_PATTERN:
        raise UsageError(f"$regex has at most {LONGEST_PATTERN} letters")
    require("regex", "server")
    import regex  # noqa: PLC0415 - an extra; the library of Python has no limit of time

    try:
        return isinstance(actual, str) and regex.search(str(wanted), actual, timeout=PATTERN_S) is not None
    except regex.error as problem:
        raise UsageError(f"$regex {wanted!r}: {problem}") from problem
    except TimeoutError as problem:
        raise UsageError(
            f"$regex {wanted!r} takes too long: write it without repeats of repeats"
        ) from problem


def _equals(actual: Any, wanted: Any) -> bool:
    if isinstance(actual, list) and not isinstance(wanted, list):
        return wanted in actual
    return (None if actual is MISSING else actual) == wanted


def _is_among(actual: Any, wanted: Any) -> bool:
    return any(_equals(actual, one) for one in cast("list[Any]", wanted if isinstance(wanted, list) else []))


def _has_all(actual: Any, wanted: Any) -> bool:
    elements = cast("list[Any]", wanted if isinstance(wanted, list) else [])
    return bool(elements) and all(_equals(actual, one) for one in elements)


def _has_size(actual: Any, wanted: Any) -> bool:
    return isinstance(actual, list) and len(cast("list[Any]", actual)) == wanted


COMPARATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": _equals,
    "$ne": lambda actual, wanted: not _equals(actual, wanted),
    "$in": _is_among,
    "$all": _has_all,
    "$size": _has_size,
    "$nin": lambda actual, wanted: not _is_among(actual, wanted),
    "$gt": _compared(lambda a, b: a > b),
    "$gte": _compared(lambda a, b: a >= b),
    "$lt": _compared(lambda a, b: a < b),
    "$lte": _compared(lambda a, b: a <= b),
    "$regex": _matches,
    "$exists": lambda actual, wanted: (actual is not MISSING) == bool(wanted),
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
    actual = value_at(facts, key)
    if not isinstance(wanted, dict) or not any(
        str(op).startswith("$") for op in cast("dict[str, Any]", wanted)
    ):
        return _equals(actual, wanted)
    return all(
        _compare(ALIASES.get(key, key), op, actual, value)
        for op, value in cast("dict[str, Any]", wanted).items()
    )


def _compare(key: str, op: str, actual: Any, wanted: Any) -> bool:
    if op == "$not":
        if not isinstance(wanted, dict):
            raise UsageError("$not of a filter is an object")
        inner = cast("dict[str, Any]", wanted)
        return not all(_compare(key, word, actual, value) for word, value in inner.items())
    if key in TIMES and isinstance(wanted, str):
        wanted = timestamp(wanted)
    if op not in COMPARATORS:
        raise UsageError(f"no {op!r} in filters; there are: {', '.join(COMPARATORS)}, $and, $or, $nor, $not")
    return COMPARATORS[op](actual, wanted)


ALIASES = {**FACTS, "summaryMetrics": "summary_metrics"}


def value_at(facts: Mapping[str, Any], key: str) -> Any:
    """Return the fact of a dotted key; names may have dots themselves.

    >>> value_at({"summary_metrics": {"val/a.b": 1}}, "summary_metrics.val/a.b")
    1
    >>> value_at({"config": {"opt.adam": {"lr": 2}, "opt": {"name": "adam"}}}, "config.opt.adam.lr")
    2
    """
    head, _, tail = key.partition(".")
    head = ALIASES.get(head, head)
    fact = facts.get(head, MISSING)
    if not tail:
        return fact
    if head == "config":
        tail = tail.removesuffix(".value")
    return _inside(fact, tail)


def _inside(fact: Any, tail: str) -> Any:
    if not isinstance(fact, dict):
        return MISSING
    inner = cast("dict[str, Any]", fact)
    if tail in inner:
        return inner[tail]
    for dot in (index for index, letter in enumerate(tail) if letter == "."):
        deeper = _inside(inner.get(tail[:dot]), tail[dot + 1 :])
        if deeper is not MISSING:
            return deeper
    return MISSING


def in_order(runs: Sequence[Mapping[str, Any]], order: str | None) -> list[Mapping[str, Any]]:
    """Return runs in an order such as ``-summary_metrics.loss``; what has no number there comes last.

    >>> [run["n"] for run in in_order([{"n": 1}, {"n": float("nan")}, {"n": 3}], "-n")]
    [3, 1, nan]
    """
    sign, key = order_word(order)
    numbers: list[tuple[float, Mapping[str, Any]]] = []
    texts: list[tuple[str, Mapping[str, Any]]] = []
    nans: list[Mapping[str, Any]] = []
    without: list[Mapping[str, Any]] = []
    for run in runs:
        fact = value_at(run, key)
        as_number = None if fact is MISSING else number(fact)
        if fact is MISSING or fact is None:
            without.append(run)
        elif as_number is None:
            texts.append((str(fact), run))
        elif math.isnan(as_number):
            nans.append(run)
        else:
            numbers.append((as_number, run))
    by_size = sorted(numbers, key=lambda pair: pair[0], reverse=sign < 0)
    by_letter = sorted(texts, key=lambda pair: pair[0], reverse=sign < 0)
    return [run for _, run in by_size] + [run for _, run in by_letter] + nans + without


def order_word(order: str | None) -> tuple[int, str]:
    """Return the sign and the fact of an order; the newest first for None.

    >>> order_word("-summary_metrics.loss"), order_word(None)
    ((-1, 'summary_metrics.loss'), (-1, 'created_at'))
    """
    word = (order or "-created_at").split(",")[0].strip()
    key = word.lstrip("+-")
    return (-1 if word.startswith("-") else 1), ALIASES.get(key, key)
