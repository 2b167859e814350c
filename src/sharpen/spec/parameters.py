"""The parameters of a sweep file: groups, dotted names, and parameters that wait for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

from sharpen.hints import describe
from sharpen.space import Condition, Dimension, Space, When
from sharpen.spec.distributions import DISTRIBUTIONS, dimension
from sharpen.spec.partial_configs import fit
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader, mapping
from sharpen.spec.records import Key, reject_key, schema_of
from sharpen.spec.synonyms import nearest
from sharpen.spec.when import MOST_LETTERS
from sharpen.spec.when import read as expression

LONGEST_CHAIN = 30
MOST_SHOWN = 60  # letters


def _when(node: Node) -> Any:
    return node.value if isinstance(node.value, str) else mapping(node)


WHEN = Key(
    ValueReader(_when, {"anyOf": [mapping.schema, {"type": "string", "maxLength": MOST_LETTERS}]}),
    "Only there when another parameter has this value, or one of a list: {booster: dart}; or when an "
    "expression holds: \"booster == 'dart' and depth > 3\".",
    is_extension=True,
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the file says of its parameters.

    Attributes:
        space: All of them, without forbidden combinations.
        nodes: Where each is.
        dotted: The names whose dots are not nesting.
    """

    space: Space
    nodes: Mapping[str, Node]
    dotted: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Declared:
    """What has been read so far, by the parameters' full names."""

    dimensions: dict[str, Dimension] = field(default_factory=dict[str, Dimension])
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    whens: dict[str, tuple[Node, ...]] = field(default_factory=dict[str, tuple[Node, ...]])
    dotted: set[str] = field(default_factory=set[str])

    def add(self, name: str, node: Node, whens: tuple[Node, ...]) -> None:
        if name in self.nodes:
            node.wrong(f"is also at {self.nodes[name].path}: keep one")
        self.nodes[name] = node
        self.whens[name] = whens
        read = dimension(node, {"when": WHEN})
        if read is not None:
            self.dimensions[name] = read


def _read(node: Node) -> Parameters | None:
    entries = node.children()
    if entries is None:
        return None
    if not node.value:
        return node.wrong("is empty: give at least one parameter")
    declared = _Declared()
    _entries(entries, "", (), declared)
    conditions = dict(_conditions(declared))
    _check_circles(conditions, declared)
    _check_nesting(conditions, declared)
    return Parameters(Space(declared.dimensions, conditions), declared.nodes, frozenset(declared.dotted))


def _entries(entries: Mapping[str, Node], prefix: str, whens: tuple[Node, ...], declared: _Declared) -> None:
    for name, entry in entries.items():
        if "." in name and prefix:
            first, _, rest = name.partition(".")
            entry.wrong(f"a name in a group has no dots: nest it, as {first}: {{parameters: {{{rest}: …}}}}")
        elif not entry.is_mapping:
            entry.wrong(_bare(entry.value))
        else:
            own = [entry.child("when", entry.value["when"])] if "when" in entry.value else []
            if "parameters" in entry.value:
                _group(entry, f"{prefix}{name}.", (*whens, *own), declared)
                continue
            if "." in name:
                declared.dotted.add(name)
            declared.add(f"{prefix}{name}", entry, (*whens, *own))


def _group(node: Node, prefix: str, whens: tuple[Node, ...], declared: _Declared) -> None:
    for name, entry in (node.children() or {}).items():
        if name == "when":
            continue
        if name != "parameters":
            reject_key(entry, name, _GROUP, "beside nested parameters")
        elif inner := entry.children():
            _entries(inner, prefix, whens, declared)
        elif inner is not None:
            entry.wrong("is empty: give at least one parameter")


def _bare(value: Any) -> str:
    """Return what is wrong with a parameter that is no mapping, with the fix for what was meant."""
    if isinstance(value, list):
        shown = ", ".join(map(str, cast("list[Any]", value)))
        return f"is a list: write {{values: [{shown if len(shown) <= MOST_SHOWN else '…'}]}}"
    return f"is {describe(value)}: write {{value: …}} for a constant"


def _conditions(declared: _Declared) -> Iterator[tuple[str, When]]:
    read: dict[str, When | None] = {}
    for name, whens in declared.whens.items():
        for when in whens:
            if when.path not in read:
                read[when.path] = _condition(when, name, declared)
        last = read[whens[-1].path] if whens else None
        if last is not None:
            yield name, last


def _condition(when: Node, name: str, declared: _Declared) -> When | None:
    if isinstance(when.value, str):
        return expression(when, lambda written, node: _known(written, name, node, declared))
    entries = when.children()
    if entries is None:
        return None
    if len(entries) != 1:
        return when.wrong(
            "names one parameter and its value or values; for several write an expression: "
            "\"booster == 'dart' and depth > 3\""
        )
    ((written, wanted),) = entries.items()
    known = _known(written, name, wanted, declared)
    return None if known is None else _waiting_for(*known, wanted)


def _known(written: str, name: str, node: Node, declared: _Declared) -> tuple[str, Dimension] | None:
    """Return the parameter that a name means in a condition of another one; what is wrong is noted."""
    parent = _parent(written, name, declared)
    if parent is None:
        if written in (name, name.rpartition(".")[2]):
            return node.wrong(f"{name!r} would wait for itself: name another parameter")
        names = [other for other in declared.nodes if other != name]
        return node.wrong(f"there is no parameter {written!r}{nearest(written, names)}")
    over = declared.dimensions.get(parent)
    return None if over is None else (parent, over)


def _waiting_for(parent: str, over: Dimension, wanted: Node) -> Condition | None:
    if over.grid() is None:
        return wanted.wrong(f"{parent!r} takes any number of a range: wait for one that takes listed values")
    written: Any = wanted.value
    is_value = not isinstance(written, list) or over.contains(cast("object", written))
    options = [wanted] if is_value else wanted.items()
    if not options:
        return wanted.wrong("is empty: give at least one value")
    n_problems = len(wanted.problems)
    values = tuple(fit(option, over) for option in options)
    return Condition(parent, values) if len(wanted.problems) == n_problems else None


def _parent(written: str, name: str, declared: _Declared) -> str | None:
    """Return the parameter that a name means: the one nearest to where it is written."""
    groups = name.split(".")[:-1] if name not in declared.dotted else []
    for n in range(len(groups), -1, -1):
        candidate = ".".join([*groups[:n], written])
        if candidate in declared.nodes and candidate != name:
            return candidate
    return None


def _check_circles(conditions: dict[str, When], declared: _Declared) -> None:
    depths: dict[str, int] = {}
    for name in list(conditions):
        if circle := _circle(name, conditions):
            declared.whens[name][-1].wrong(f"waits for itself: {' waits for '.join(circle)}")
            del conditions[name]
    for name in list(conditions):
        if _depth(name, conditions, depths) >= LONGEST_CHAIN:
            declared.whens[name][-1].wrong(
                f"is the end of a chain of more than {LONGEST_CHAIN} parameters, each of which waits for the "
                "next: let it wait for one nearer to the chain's other end"
            )
            del conditions[name]


def _circle(name: str, conditions: Mapping[str, When]) -> list[str]:
    """Return a parameter, those that it waits for until it comes back to itself, and itself; or nothing."""
    came_from: dict[str, str] = {}
    waiting = [name]
    while waiting:
        child = waiting.pop(0)
        condition = conditions.get(child)
        for parent in condition.parents if condition else ():
            if parent == name:
                path = [name, child]
                while path[-1] != name:
                    path.append(came_from[path[-1]])
                return path[::-1] if child != name else [name, name]
            if parent not in came_from:
                came_from[parent] = child
                waiting.append(parent)
    return []


def _depth(name: str, conditions: Mapping[str, When], known: dict[str, int]) -> int:
    """Return how many parameters wait for one another from a parameter on; there is no circle."""
    waiting = [name]
    while waiting:
        top = waiting[-1]
        condition = conditions.get(top)
        parents = condition.parents if condition else ()
        missing = [parent for parent in parents if parent not in known]
        if missing:
            waiting += missing
        else:
            known[top] = 1 + max((known[parent] for parent in parents), default=-1)
            waiting.pop()
    return known[name]


def _check_nesting(conditions: Mapping[str, When], declared: _Declared) -> None:
    """Note parameters that would have to wait for two others at once."""
    for name, whens in declared.whens.items():
        names = (name, *Space({}, conditions).needed(name))
        waited = {declared.whens[other][-1].path for other in names if declared.whens[other]}
        for outer, inner in pairwise(whens):
            if outer.path not in waited and name in conditions:
                waits = " and ".join(map(repr, conditions[name].parents))
                inner.wrong(
                    f"waits for {waits} while its group waits for another: give {waits} the group's when"
                )


_GROUP = {
    "parameters": Key(
        ValueReader(_read, {"$ref": "#/definitions/parameters"}), missing="give the parameters"
    ),
    "when": WHEN,
}
PARAMETERS = ValueReader(_read, {"$ref": "#/definitions/parameters"})


def definitions() -> dict[str, Any]:
    """Return the parts of the JSON schema that refer to one another."""
    forms = [
        schema_of(
            {**row.keys, "distribution": Key(ValueReader(lambda node: None, {"const": name})), "when": WHEN},
            required=() if row.is_inferred else ("distribution",),
        )
        for name, row in DISTRIBUTIONS.items()
    ]
    return {
        "parameters": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [schema_of(_GROUP), *forms]},
        }
    }
