"""YAML text to plain values, with the checks that YAML itself leaves out."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import yaml

from sharpen.hints import Problem, printable, refuse

LARGEST_DOCUMENT = 100_000
LARGEST_TEXT = 4_000_000  # letters
LARGEST_TEXT_BYTES = 4 * LARGEST_TEXT
DEEPEST_DOCUMENT = 100
_SURROGATE = re.compile("[\ud800-\udfff]")
_POWER_OF_TEN = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+\Z")
_YAML_1_1_FLOAT = re.compile(r"[-+]?\d[\d_]*\.[\d_]*[eE][-+]\d+")
_CLOCK = re.compile(r"[-+]?\d+(:\d+)+(\.\d*)?")
_OCTAL = re.compile(r"[-+]?0\d+")
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class Document(NamedTuple):
    """A YAML document.

    Attributes:
        value: What it holds.
        problems: What is wrong with it: keys written twice, text that is no Unicode, numbers that look like
            a time of day or begin with 0.
        notes: What was read otherwise than YAML 1.1 has it, as (path, sentence) pairs.
    """

    value: Any
    problems: list[Problem]
    notes: list[Problem]


class _Loader(yaml.SafeLoader):
    """YAML 1.1, in which ``1e-3`` is a number too, as it is in YAML 1.2."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _POWER_OF_TEN, list("-+0123456789"))


def read(text: str, where: str, n_most: int = LARGEST_DOCUMENT) -> Document:
    """Return a document's value, its problems and the notes on it.

    Args:
        text: The YAML.
        where: What to call it in messages.
        n_most: How many values it may hold, aliases followed.

    Raises:
        SpecError: The text is not one YAML document, or it is built to exhaust memory.
    """
    _refuse_too_much(text, where, n_most)
    try:
        root = cast("yaml.Node | None", yaml.compose(text, _Loader))
        problems: list[Problem] = []
        notes: list[Problem] = []
        if root is not None:
            _Walk(where, problems, notes, n_most).visit(root, "$", 0)
        return Document(yaml.load(text, _Loader), problems, notes)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        position = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise refuse(where, [("$", f"is not YAML: {position}{message}")]) from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        raise refuse(where, [("$", f"is not YAML: {error}")]) from error
    except RecursionError as error:
        raise refuse(where, [("$", f"is nested deeper than {DEEPEST_DOCUMENT} levels")]) from error


def _refuse_too_much(text: str, where: str, n_most: int) -> None:
    """Refuse a text that would take long to read, before it is read.

    Raises:
        SpecError: It is too long, nests too deep, or holds too many values.
    """
    if len(text) > LARGEST_TEXT:
        raise refuse(where, [("$", f"has {len(text):,} letters, and the limit is {LARGEST_TEXT:,}")])
    n_values = depth = 0
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in cast("Iterator[object]", yaml.parse(text, loader)):
            n_values += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST_DOCUMENT:
                raise refuse(where, [("$", f"is nested deeper than {DEEPEST_DOCUMENT} levels")])
            if n_values > n_most:
                raise refuse(where, [("$", f"holds more than {n_most} values")])
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        return  # the reading itself will say what is wrong


class _Walk:
    """A look at every node, aliases followed, so that what comes after may recurse without care."""

    def __init__(self, where: str, problems: list[Problem], notes: list[Problem], n_most: int) -> None:
        self._where = where
        self._n_most = n_most
        self._problems = problems
        self._notes = notes
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
            self._scalar(node, str(cast("object", node.value)), path)

    def _scalar(self, node: yaml.Node, written: str, path: str) -> None:
        if node.tag in _NUMBERS:
            self._number(written, path)
        match = _SURROGATE.search(written)
        if match:
            self._problems.append(
                (path, f"holds {printable(match[0])}, half of a character: write the character itself")
            )

    def _number(self, written: str, path: str) -> None:
        if _CLOCK.fullmatch(written):
            sentence = f'is {written}, which YAML counts to the base 60: put it in quotes, "{written}"'
            self._problems.append((path, sentence))
        elif _OCTAL.fullmatch(written):
            sentence = f'is {written}, which YAML counts to the base 8: put it in quotes, "{written}"'
            plain = written.replace("0", "", 1) if written.strip("+-0") else "0"
            self._problems.append((path, f"{sentence}, or write {plain.lstrip('+')} for the number"))
        elif _POWER_OF_TEN.fullmatch(written) and not _YAML_1_1_FLOAT.fullmatch(written):
            sentence = f"{written} is read as the number {float(written):g}; in quotes it would be text"
            self._notes.append((path, sentence))

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
