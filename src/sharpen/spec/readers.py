"""Readers of the values that a sweep file holds, and the JSON schema of each.

A reader is a function ``(node) -> value``; it notes what is wrong and then returns None. The schema is what
an editor checks while the file is being written: it refuses nothing that the reader takes, and may be less
strict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.hints import describe, join
from sharpen.jsonable import LARGEST_INTEGER
from sharpen.names import LONGEST_NAME, fault_of_path
from sharpen.spec.problem_node import CONTROL, Node
from sharpen.spec.synonyms import nearest

_EXPONENT = re.compile(r"([-+]?\d+)(\.\d*)?[eE]([-+]?)(\d+)")
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "min": 60.0, "m": 60.0, "s": 1.0}
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
LONGEST_DURATION = 100  # letters
_PART = re.compile(rf"({_NUMBER})\s*(d|h|min|m|s)")
_DURATION = re.compile(rf"(?:{_NUMBER}\s*(?:d|h|min|m|s)\s*)+")
_SECONDS_ALONE = re.compile(rf"{_NUMBER}(?:[eE][-+]?\d+)?")
LONGEST_YEARS = 100
_NO_TIME = "must be a length of time such as 2h, 90m or 1h 30m, or seconds, not "


@dataclass(frozen=True, slots=True)
class ValueReader:
    """Reads a value and notes what is wrong with it.

    Attributes:
        read: The function: what it notes is wrong, it returns as None.
        schema: Its JSON schema.
    """

    read: Callable[[Node], Any]
    schema: Mapping[str, Any]

    def __call__(self, node: Node) -> Any:
        """Read a value."""
        return self.read(node)


def reads(**schema: Any) -> Callable[[Callable[[Node], Any]], ValueReader]:
    """Return a decorator that makes a function a reader with that schema."""
    return lambda read: ValueReader(read, schema)


@reads(type="string", pattern=r"\S")
def text(node: Node) -> str | None:
    """Read a text that is not empty."""
    if isinstance(node.value, str):
        return node.value if node.value.strip() else node.wrong("is empty text: write a word or remove it")
    return node.wrong(f"must be text, not {describe(node.value)}: put it in quotes")


@reads(type="string", pattern=r"\S")
def line(node: Node) -> str | None:
    """Read a text of one line that is not empty."""
    value: str | None = text(node)
    if value is not None and CONTROL.search(value):
        return node.wrong("must be one line without control characters: take them out")
    return value


@reads(type=["string", "null"])
def optional_text(node: Node) -> str | None:
    """Read a text that may be empty."""
    return "" if node.value in ("", None) else text(node)


@reads(type=["string", "null"], maxLength=LONGEST_NAME)
def optional_path_name(node: Node) -> str | None:
    """Read a name that may be empty, and that leads nowhere when it is taken for a path."""
    name = optional_text(node)
    if name and (fault := fault_of_path(name)):
        return node.wrong(f"is no name: {fault}")
    return name


@reads(type="boolean")
def boolean(node: Node) -> bool | None:
    """Read true or false."""
    if isinstance(node.value, bool):
        return node.value
    return node.wrong(f"must be true or false, not {describe(node.value)}")


@reads(type="number")
def number(node: Node) -> float | None:
    """Read a finite number; a text that looks like one is a problem whose fix is shown."""
    if isinstance(node.value, str):
        return _number_as_text(node, node.value)
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return node.wrong(f"must be a number, not {describe(node.value)}")
    try:
        value = float(node.value)
    except OverflowError:
        return node.wrong("is too large for a number")
    return value if math.isfinite(value) else node.wrong(f"must be finite, not {node.value}")


def _number_as_text(node: Node, written: str) -> None:
    try:
        value = float(written)
    except ValueError:
        return node.wrong(f"must be a number, not {describe(written)}")
    exponent = _EXPONENT.fullmatch(written.strip())
    if exponent:
        whole, fraction, sign, power = exponent.groups()
        fix = f"{whole}{fraction or '.0'}e{sign or '+'}{power}"
        return node.wrong(f"must be a number, not {describe(written)}: write {fix} without quotes")
    whole = re.fullmatch(r"[-+]?\d+", written.strip())  # a point would make a whole range one of all numbers
    return node.wrong(
        f"must be a number, not {describe(written)}: write {int(written) if whole else repr(value)} "
        "without quotes"
    )


def number_in(
    least: float = -math.inf, most: float = math.inf, *, above: float | None = None, why: str = ""
) -> ValueReader:
    """Return the reader of numbers in [least, most], or above a number; ``why`` ends the message."""
    schema: dict[str, Any] = {"type": "number"}
    bounds = {"minimum": least, "maximum": most, "exclusiveMinimum": above}
    schema |= {name: bound for name, bound in bounds.items() if bound is not None and math.isfinite(bound)}

    def read(node: Node) -> float | None:
        value = number(node)
        if value is None:
            return None
        if above is not None and value <= above:
            return node.wrong(f"must be above {above:g}{why}, not {node.value}")
        if least <= value <= most:
            return value
        bound = f"at least {least:g}" if value < least else f"at most {most:g}"
        return node.wrong(f"must be {bound}{why}, not {node.value}")

    return ValueReader(read, schema)


def integer(least: int = -LARGEST_INTEGER, most: int = LARGEST_INTEGER) -> ValueReader:
    """Return the reader of whole numbers in [least, most]."""

    def read(node: Node) -> int | None:
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            whole = isinstance(node.value, float) and node.value.is_integer()
            fix = f": write {int(node.value)}" if whole else ""
            return node.wrong(f"must be a whole number, not {describe(node.value)}{fix}")
        if least <= node.value <= most:
            return node.value
        bound = f"at least {least}" if node.value < least else f"at most {most}"
        return node.wrong(f"must be {bound}, not {describe(node.value)}")

    schema: dict[str, Any] = {"type": "integer"}
    schema |= {"minimum": least} if least > -LARGEST_INTEGER else {}
    schema |= {"maximum": most} if most < LARGEST_INTEGER else {}
    return ValueReader(read, schema)


def one_of(options: Collection[str]) -> ValueReader:
    """Return the reader of one of a few words."""

    def read(node: Node) -> str | None:
        value = node.value
        if isinstance(value, str) and value in options:
            return value
        hint = nearest(value, options) if isinstance(value, str) else ""
        return node.wrong(f"must be one of {join(options)}, not {describe(value)}{hint}")

    return ValueReader(read, {"enum": list(options)})


def listing(item: ValueReader, what: str, n_least: int = 1) -> ValueReader:
    """Return the reader of lists of at least so many items; ``what`` says what to give."""

    def read(node: Node) -> tuple[Any, ...] | None:
        items = node.items()
        if items is None:
            return None
        if len(items) < n_least:
            return node.wrong(f"is {'too short' if items else 'empty'}: give {what}")
        n_problems = len(node.problems)
        values = tuple(item(entry) for entry in items)
        return None if len(node.problems) > n_problems else values

    return ValueReader(read, {"type": "array", "items": dict(item.schema), "minItems": n_least})


@reads()
def plain(node: Node) -> Any:
    """Read anything that JSON can hold: null, true, numbers, text, lists and mappings of them."""
    match node.value:
        case None | bool() | str():
            return node.value
        case int():
            return integer()(node)
        case float():
            return number(node)
        case list():
            return [plain(item) for item in node.items() or []]
        case dict():
            return {key: plain(entry) for key, entry in (node.children() or {}).items()}
        case _:
            return node.wrong(f"is {describe(node.value)}: put it in quotes to make it text")


@reads(type="object")
def mapping(node: Node) -> dict[str, Any] | None:
    """Read a mapping of names to anything."""
    return None if node.children() is None else plain(node)


def seconds_of(text: str) -> float:
    """Return a length of time as seconds: ``2h``, ``90m``, ``1h 30m``, or a number of seconds.

    Raises:
        ValueError: The text says none, or one that is not above 0 and at most 100 years; its words say so.

    >>> seconds_of("1h 30m"), seconds_of("90min"), seconds_of("5400")
    (5400.0, 5400.0, 5400.0)
    """
    written = text.strip()
    if len(written) > LONGEST_DURATION:
        raise ValueError(f"{_NO_TIME}a text of {len(written)} letters")
    if _SECONDS_ALONE.fullmatch(written):
        return _sensible(float(written))
    if not _DURATION.fullmatch(written):
        raise ValueError(_NO_TIME + describe(text))
    parts = _PART.findall(written)
    return _sensible(sum(float(count) * _SECONDS[unit] for count, unit in parts))


def _sensible(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than 0")
    if seconds > LONGEST_YEARS * 365.25 * _SECONDS["d"]:
        raise ValueError(f"must be at most {LONGEST_YEARS} years")
    return seconds


@reads(type=["string", "number"])
def duration(node: Node) -> float | None:
    """Read a length of time as seconds, by the rules of :func:`seconds_of`."""
    try:
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            seconds = node.value if node.value == math.inf else number(node)
            return None if seconds is None else _sensible(seconds)
        if not isinstance(node.value, str):
            return node.wrong(_NO_TIME + describe(node.value))
        return seconds_of(node.value)
    except ValueError as error:
        return node.wrong(str(error))
