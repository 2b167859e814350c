"""A value of a sweep file and its place: every problem is noted where it is, and none stops the reading."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from sharpen.errors import SpecError
from sharpen.spec.synonyms import Hint, hint

LARGEST_INTEGER = 2**53

Problem = tuple[str, str]

_KINDS = {"dict": "mapping"}


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


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for a word that is nearly a known one or another library's, else nothing.

    >>> nearest("methd", ["metric", "method"])
    "; did you mean 'method'?"
    >>> nearest("max", ["minimize", "maximize"])
    "; did you mean 'maximize'?"
    >>> nearest("seeds", ["seed", "repeats"])
    "; did you mean 'repeats'?"
    """
    return nearest_of([word], known)


def nearest_of(words: Iterable[str], known: Iterable[str]) -> str:
    """Return what :func:`nearest` does, of several words together.

    >>> nearest_of(["low", "high"], ["min", "max"])
    "; did you mean 'min' and 'max'?"
    """
    names = list(known)
    found = list(dict.fromkeys(filter(None, (_meant(word, names) for word in words))))
    asked = sorted((name for name, sentence in found if not sentence), key=names.index)
    said = [f"did you mean {' and '.join(map(repr, asked))}?"] if asked else []
    return "".join(f"; {sentence}" for sentence in (*said, *(sentence for _, sentence in found if sentence)))


def _meant(word: str, names: list[str]) -> Hint | None:
    elsewhere = hint(word, names)
    if elsewhere is not None:
        return elsewhere
    begun = [name for name in names if len(word) > 1 and name.startswith(word)]
    close = begun or difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return (close[0], "") if close else None


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


def printable(text: str) -> str:
    r"""Return a text with what is no character written out, so that it can be printed.

    >>> print(printable("p\ud800"))
    p\ud800
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def refuse(where: str, problems: Iterable[Problem]) -> SpecError:
    """Return the error that shows every problem of a file, one a line."""
    found = list(dict.fromkeys((_line(path), _line(said)) for path, said in problems))
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    lines = [f"{where} has {count}:", *(f"  {path}: {sentence}" for path, sentence in found)]
    return SpecError("\n".join(lines), problems=found, where=where)


def _line(text: str) -> str:
    return " ".join(printable(text).split())
