"""Values as JSON holds them: compact text, logged numbers, and what JSON has no number for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from sharpen.errors import UsageError

DEEPEST = 100
MOST_BITS = 14_000  # of a whole number: Python neither writes nor reads one of more than 4,300 digits
MOST_VALUES = 2**25  # each takes two bytes at least, and a message has 64 MiB

HALF_LETTER = re.compile(rb"\\u[dD][89a-fA-F]")

LARGEST_INTEGER = 2**53
"""The largest whole number that every reader of JSON keeps exactly."""


def dumps(value: Any) -> str:
    """Return compact JSON; numbers that JSON lacks become ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.

    Raises:
        UsageError: It nests too deep to be written.

    >>> dumps({"a": float("nan"), "b": 1.5, "c": -(10**5000)})
    '{"a":"NaN","b":1.5,"c":"-Infinity"}'
    """
    try:
        return _ENCODER.encode(value)
    except RecursionError:
        raise _too_deep("a value") from None
    except ValueError:  # a number that JSON lacks or Python does not write, or a list that holds itself
        try:
            return json.dumps(_without_nan(value), separators=(",", ":"), default=_plain)
        except RecursionError:
            raise _too_deep("a value") from None


def refuse_half_letters(text: bytes, value: Any) -> None:
    r"""Refuse what escapes half of a surrogate pair: no database and no page can hold such text.

    Args:
        text: JSON.
        value: What it says.

    Raises:
        UsageError: So it does.

    >>> refuse_half_letters(rb'"\ud83d\ude00"', "😀")
    """
    if HALF_LETTER.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise UsageError("text that is not UTF-8: it holds half of a surrogate pair") from None


def number(value: Any) -> float | None:
    """Return a logged value as a float, the names of :func:`dumps` included; None when it is no number.

    >>> number("-Infinity"), number(True), number("fast")
    (-inf, 1.0, None)
    """
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:  # an integer of more than 308 digits
            return math.inf if value > 0 else -math.inf
    is_name = isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity")
    return float(value) if is_name else None


def refuse_deep(where: str, value: Any) -> None:
    """Refuse a value that nests so deep, or holds so much, that what writes or reads it may break.

    Raises:
        UsageError: It nests deeper than 100 levels, or holds more than 2**25 values: a list that is in
            another many times counts as often.

    >>> refuse_deep("summary", {"a": [1, {"b": 2}]})
    """
    level, times, n_values = {id(value): value}, {id(value): 1}, 0
    for _ in range(DEEPEST):
        below: dict[int, Any] = {}
        times_below: dict[int, int] = {}
        for key, container in level.items():
            inner = _within(container)
            n_values += times[key] * len(inner)
            if n_values > MOST_VALUES:
                raise UsageError(f"{where}: holds more than {MOST_VALUES:,} values: keep it as a file")
            for one in inner:
                if isinstance(one, Mapping | list | tuple):
                    below[id(one)] = one  # pyright: ignore[reportUnknownArgumentType]
                    times_below[id(one)] = times_below.get(id(one), 0) + times[key]  # pyright: ignore[reportUnknownArgumentType]
        if not below:
            return
        level, times = below, times_below
    raise _too_deep(f"{where}: a value")


def _too_deep(noun: str) -> UsageError:
    return UsageError(f"{noun} nests deeper than {DEEPEST} levels: keep it as a file")


def _within(value: Any) -> Collection[Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[Any, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list | tuple) else ()


def null_for_nan(value: Any, depth: int = 0) -> Any:
    """Return a value whose numbers that JSON lacks are null, for readers that know no names for them.

    What an older version stored deeper than any now may be is left out.

    >>> null_for_nan({"a": [float("nan"), 1.5]})
    {'a': [None, 1.5]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if depth > DEEPEST:
        return f"nested deeper than {DEEPEST} levels"
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(key): null_for_nan(item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [null_for_nan(item, depth + 1) for item in cast("list[Any]", value)]
    return value


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(k): _without_nan(v) for k, v in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in cast("list[Any]", value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    plain = _plain(value)
    return _without_nan(plain) if isinstance(plain, float) else plain


def _plain(value: Any) -> Any:
    """Turn scalars of numpy and torch, also those in arrays of one, into Python's; show the rest as text."""
    try:
        scalar = value.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return str(value)
    return scalar if isinstance(scalar, bool | int | float | str) else str(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain)
