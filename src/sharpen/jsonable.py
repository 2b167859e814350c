"""Values as JSON holds them: compact text, logged numbers, and what JSON has no number for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from sharpen.errors import UsageError

DEEPEST = 100

HALF_LETTER = re.compile(rb"\\u[dD][89a-fA-F]")

LARGEST_INTEGER = 2**53
"""The largest whole number that every reader of JSON keeps exactly."""


def dumps(value: Any) -> str:
    """Return compact JSON; numbers that JSON lacks become ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.

    >>> dumps({"a": float("nan"), "b": 1.5})
    '{"a":"NaN","b":1.5}'
    """
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return json.dumps(_without_nan(value), separators=(",", ":"), default=_plain)


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


def refuse_deep(what: str, value: Any) -> None:
    """Refuse a value that nests so deep that what reads it may break.

    Raises:
        UsageError: It nests deeper than 100 levels.

    >>> refuse_deep("summary", {"a": [1, {"b": 2}]})
    """
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _within(one)]
        if not level:
            return
    raise UsageError(f"{what}: a value nests deeper than {DEEPEST} levels: keep it as a file")


def _within(value: Any) -> Iterable[Any]:
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
