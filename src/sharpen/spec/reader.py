"""Typed access to what a file holds: every problem is noted with its place, and none stops the reading.

A reader is a function ``(node) -> value``; it notes what is wrong and then returns None.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sharpen.errors import SpecError

LARGEST_INTEGER = 2**53

Problem = tuple[str, str]
Reader = Callable[["Node"], Any]

_KINDS = {"dict": "mapping"}
_EXPONENT = re.compile(r"([-+]?\d+)(\.\d*)?[eE]([-+]?)(\d+)")


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file and its place.

    Attributes:
        value: What YAML made of it.
        path: Where it is, ``$`` being the file: ``$.parameters.lr.min``.
        problems: Where problems are noted; all nodes of a file share it.
    """

    value: Any
    path: str
    problems: list[Problem]

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.value, dict)

    def wrong(self, sentence: str) -> None:
        """Note a problem at this place."""
        self.problems.append((self.path, sentence))

    def child(self, key: str, value: Any) -> Node:
        """Return the value under a key of this mapping."""
        return Node(value, f"{self.path}.{key}", self.problems)

    def children(self) -> dict[str, Node] | None:
        """Return the entries of a mapping; a key that is not text is a problem."""
        if not self.is_mapping:
            return self.wrong(f"must be a mapping of names to values, not {describe(self.value)}")
        entries: dict[str, Node] = {}
        for key, value in cast("dict[Any, Any]", self.value).items():
            if isinstance(key, str) and key:
                entries[key] = self.child(key, value)
            else:
                self.wrong(f"the key {key!r} is {describe(key)}, not a name: put it in quotes or rename it")
        return entries

    def items(self) -> list[Node] | None:
        """Return the items of a list."""
        items = cast("list[Any]", self.value)
        if not isinstance(self.value, list):
            return self.wrong(f"must be a list, not {describe(items)}: write [a, b]")
        return [Node(item, f"{self.path}[{i}]", self.problems) for i, item in enumerate(items)]


@dataclass(frozen=True, slots=True)
class Key:
    """How one key of a mapping is read.

    Attributes:
        read: Its reader.
        default: Its value where the file does not have the key.
        missing: What is wrong without it; empty where it may be left out.
    """

    read: Reader
    default: Any = None
    missing: str = ""


def record(
    node: Node, keys: Mapping[str, Key], *, later: Collection[str] = (), what: str = "here"
) -> dict[str, Any] | None:
    """Return the values of a mapping's keys by the rows of a table; None when it is no mapping.

    Args:
        node: The mapping.
        keys: A row for each key that it may have.
        later: Keys that W&B knows and that are not supported yet.
        what: Where these keys belong, for the message about one that does not.
    """
    entries = node.children()
    if entries is None:
        return None
    for name, entry in entries.items():
        if name not in keys:
            reject_key(entry, name, keys, later=later, what=what)
    values: dict[str, Any] = {}
    for name, key in keys.items():
        if name in entries:
            values[name] = key.read(entries[name])
        else:
            values[name] = key.default
            if key.missing:
                node.child(name, None).wrong(f"is missing: {key.missing}")
    return values


def reject_key(
    entry: Node, name: str, known: Iterable[str], *, later: Collection[str] = (), what: str = "here"
) -> None:
    """Note that a key has no business where it is, with the nearest that has."""
    known = list(known)
    if name in later:
        return entry.wrong(f"{name!r} is not supported yet: remove it (supported {what}: {join(known)})")
    return entry.wrong(f"unknown key{nearest(name, known)} (known {what}: {join(known)})")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for a word that is nearly a known one, else nothing.

    >>> nearest("methd", ["metric", "method"])
    "; did you mean 'method'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def join(words: Iterable[str]) -> str:
    """Return words as a list for people.

    >>> join(["a", "b"])
    'a, b'
    """
    return ", ".join(words)


def describe(value: Any) -> str:
    """Return what a value is, for people.

    >>> describe({}), describe("x"), describe(None), describe(True)
    ('a mapping', "the text 'x'", 'empty', 'true')
    """
    if value is None or isinstance(value, bool):
        return "empty" if value is None else str(value).lower()
    if isinstance(value, str | int | float):
        return f"the {'text' if isinstance(value, str) else 'number'} {_shortened(value)}"
    name = type(value).__name__
    return f"a {_KINDS.get(name, name)}"


def _shortened(value: Any) -> str:
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return f"of {value.bit_length()} bits"
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}…"


def text(node: Node) -> str | None:
    """Read a text that is not empty."""
    if isinstance(node.value, str):
        return node.value if node.value.strip() else node.wrong("is empty text: write a word or remove it")
    return node.wrong(f"must be text, not {describe(node.value)}: put it in quotes")


def words(node: Node) -> str | None:
    """Read a text that may be empty."""
    return "" if node.value in ("", None) else text(node)


def boolean(node: Node) -> bool | None:
    """Read true or false."""
    if isinstance(node.value, bool):
        return node.value
    return node.wrong(f"must be true or false, not {describe(node.value)}")


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
        return node.wrong(
            f"must be a number, not {describe(written)}: write {fix} "
            "(in YAML a power of ten needs a point and a sign)"
        )
    return node.wrong(f"must be a number, not {describe(written)}: write {value!r} without quotes")


def integer(least: int = -LARGEST_INTEGER, most: int = LARGEST_INTEGER) -> Callable[[Node], int | None]:
    """Return a reader of whole numbers in [least, most]."""

    def read(node: Node) -> int | None:
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            whole = isinstance(node.value, float) and node.value.is_integer()
            fix = f": write {int(node.value)}" if whole else ""
            return node.wrong(f"must be a whole number, not {describe(node.value)}{fix}")
        if least <= node.value <= most:
            return node.value
        bound = f"at least {least}" if node.value < least else f"at most {most}"
        return node.wrong(f"must be {bound}, not {describe(node.value)}")

    return read


def one_of(options: Collection[str], later: Collection[str] = ()) -> Callable[[Node], str | None]:
    """Return a reader of a word out of a few, some of which are not supported yet."""

    def read(node: Node) -> str | None:
        value = node.value
        if isinstance(value, str) and value in options:
            return value
        if isinstance(value, str) and value in later:
            return node.wrong(f"{value!r} is not supported yet; supported: {join(options)}")
        hint = nearest(value, options) if isinstance(value, str) else ""
        return node.wrong(f"must be one of {join(options)}, not {describe(value)}{hint}")

    return read


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


def refuse(where: str, problems: Iterable[Problem]) -> SpecError:
    """Return the error that shows every problem of a file, one a line."""
    found = list(dict.fromkeys((" ".join(path.split()), " ".join(said.split())) for path, said in problems))
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    lines = [f"{where} has {count}:", *(f"  {path}: {sentence}" for path, sentence in found)]
    return SpecError("\n".join(lines), problems=found, where=where)
