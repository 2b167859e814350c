"""YAML text to plain values, with the checks that YAML itself leaves out."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from sharpen.hints import Problem, printable, refuse

LARGEST_DOCUMENT = 100_000
DEEPEST_DOCUMENT = 100
_SURROGATE = re.compile("[\ud800-\udfff]")


def read(text: str, where: str, n_most: int = LARGEST_DOCUMENT) -> tuple[Any, list[Problem]]:
    """Return the document's value, and what is wrong with it: keys written twice, text that is no Unicode.

    Args:
        text: The YAML.
        where: What to call it in messages.
        n_most: How many values it may hold, aliases followed.

    Raises:
        SpecError: The text is not one YAML document, or it is built to exhaust memory.
    """
    try:
        root = cast("yaml.Node | None", yaml.compose(text, yaml.SafeLoader))
        problems: list[Problem] = []
        if root is not None:
            _Walk(where, problems, n_most).visit(root, "$", 0)
        return yaml.safe_load(text), problems
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        place = f"line {at.line + 1}, column {at.column + 1}: " if at else ""
        raise refuse(where, [("$", f"is not YAML: {place}{said}")]) from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        raise refuse(where, [("$", f"is not YAML: {error}")]) from error
    except RecursionError as error:
        raise refuse(where, [("$", f"is nested deeper than {DEEPEST_DOCUMENT} levels")]) from error


class _Walk:
    """A look at every node, aliases followed, so that what comes after may recurse without care."""

    def __init__(self, where: str, problems: list[Problem], n_most: int) -> None:
        self._where = where
        self._n_most = n_most
        self._problems = problems
        self._n_seen = 0

    def visit(self, node: yaml.Node, path: str, depth: int) -> None:
        self._n_seen += 1
        if depth > DEEPEST_DOCUMENT:
            sentence = f"is nested deeper than {DEEPEST_DOCUMENT} levels, or an alias contains itself"
            raise refuse(self._where, [("$", sentence)])
        if self._n_seen > self._n_most:
            raise refuse(self._where, [("$", f"holds more than {self._n_most} values")])
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path, depth)
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(cast("list[yaml.Node]", node.value)):
                self.visit(item, f"{path}[{i}]", depth + 1)
        else:
            self._scalar(str(cast("object", node.value)), path)

    def _scalar(self, written: str, path: str) -> None:
        found = _SURROGATE.search(written)
        if found:
            self._problems.append(
                (path, f"holds {printable(found[0])}, half of a character: write the character itself")
            )

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> None:
        lines: dict[tuple[str, str], int] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            self.visit(key, path, depth + 1)
            line = key.start_mark.line + 1
            name = str(cast("object", key.value)) if isinstance(key, yaml.ScalarNode) else "?"
            written = (str(key.tag), name)
            if name != "?" and written in lines:
                self._twice(path, name, lines[written], line)
            lines.setdefault(written, line)
            self.visit(value, f"{path}.{name}", depth + 1)

    def _twice(self, path: str, name: str, first: int, second: int) -> None:
        sentence = f"is written twice, on lines {first} and {second}: keep one"
        self._problems.append((f"{path}.{name}", sentence))
