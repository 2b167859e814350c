"""A value of a sweep file and its place: every problem is noted where it is, and none stops the reading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from sharpen.hints import Problem, describe

LONGEST_KEY = 1000  # letters
SHOWN = 60
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


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
            if isinstance(key, str) and CONTROL.search(key):
                self.wrong(f"the key {key!r:.{SHOWN}} holds control characters: take them out")
            elif isinstance(key, str) and len(key) > LONGEST_KEY:
                n, most = f"{len(key):,}", f"{LONGEST_KEY:,}"
                self.wrong(f"the key {key[:SHOWN]!r}… has {n} letters, and the limit is {most}: shorten it")
            elif isinstance(key, str) and key:
                entries[key] = self.child(key, value)
            else:
                self.wrong(_no_name(key))
        return entries

    def items(self) -> list[Node] | None:
        """Return the items of a list."""
        items = cast("list[Any]", self.value)
        if not isinstance(self.value, list):
            return self.wrong(f"must be a list, not {describe(items)}: write [a, b]")
        return [Node(item, f"{self.path}[{i}]", self.problems) for i, item in enumerate(items)]


def _no_name(key: Any) -> str:
    if key == "":
        return "has an empty name: give it a name or remove it"
    return f"the key {key!r} is {describe(key)}, not a name: put it in quotes or rename it"
