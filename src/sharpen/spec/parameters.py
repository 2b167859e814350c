"""The parameters of a sweep file: groups, dotted names, and parameters that wait for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

from sharpen.hints import describe
from sharpen.space import Condition, Dimension, Space
from sharpen.spec.distributions import DISTRIBUTIONS, dimension
from sharpen.spec.partial_configs import fit
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader, mapping
from sharpen.spec.records import Key, reject_key, schema_of
from sharpen.spec.synonyms import nearest

LONGEST_CHAIN = 30
MOST_SHOWN = 60  # letters

WHEN = Key(
    mapping,
    "Only there when another parameter has this value, or one of a list: {booster: dart}.",
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
class _Found:
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
    found = _Found()
    _entries(entries, "", (), found)
    conditions = dict(_conditions(found))
    _check_circles(conditions, found)
    _check_nesting(conditions, found)
    return Parameters(Space(found.dimensions, conditions), found.nodes, frozenset(found.dotted))


def _entries(entries: Mapping[str, Node], prefix: str, whens: tuple[Node, ...], found: _Found) -> None:
    for name, entry in entries.items():
        if "." in name and prefix:
            first, _, rest = name.partition(".")
            entry.wrong(f"a name in a group has no dots: nest it, as {first}: {{parameters: {{{rest}: …}}}}")
        elif not entry.is_mapping:
            entry.wrong(_bare(entry.value))
        else:
            own = [entry.child("when", entry.value["when"])] if "when" in entry.value else []
            if "parameters" in entry.value:
                _group(entry, f"{prefix}{name}.", (*whens, *own), found)
                continue
            if "." in name:
                found.dotted.add(name)
            found.add(f"{prefix}{name}", entry, (*whens, *own))


def _group(node: Node, prefix: str, whens: tuple[Node, ...], found: _Found) -> None:
    for name, entry in (node.children() or {}).items():
        if name == "when":
            continue
        if name != "parameters":
            reject_key(entry, name, _GROUP, "beside nested parameters")
        elif inner := entry.children():
            _entries(inner, prefix, whens, found)
        elif inner is not None:
            entry.wrong("is empty: give at least one parameter")


def _bare(value: Any) -> str:
    """Return what is wrong with a parameter that is no mapping, with the fix for what was meant."""
    if isinstance(value, list):
        shown = ", ".join(map(str, cast("list[Any]", value)))
        return f"is a list: write {{values: [{shown if len(shown) <= MOST_SHOWN else '…'}]}}"
    return f"is {describe(value)}: write {{value: …}} for a constant"


def _conditions(found: _Found) -> Iterator[tuple[str, Condition]]:
    read: dict[str, Condition | None] = {}
    for name, whens in found.whens.items():
        for when in whens:
            if when.path not in read:
                read[when.path] = _condition(when, name, found)
        last = read[whens[-1].path] if whens else None
        if last is not None:
            yield name, last


def _condition(when: Node, name: str, found: _Found) -> Condition | None:
    entries = when.children()
    if entries is None:
        return None
    if len(entries) != 1:
        return when.wrong(
            "names one parameter and its value or values; to wait for a second one, give the first a when "
            "of its own"
        )
    ((written, wanted),) = entries.items()
    parent = _parent(written, name, found)
    if parent is None:
        if written in (name, name.rpartition(".")[2]):
            return wanted.wrong(f"{name!r} would wait for itself: name another parameter")
        known = [other for other in found.nodes if other != name]
        return wanted.wrong(f"there is no parameter {written!r}{nearest(written, known)}")
    over = found.dimensions.get(parent)
    return None if over is None else _waiting_for(parent, over, wanted)


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


def _parent(written: str, name: str, found: _Found) -> str | None:
    """Return the parameter that a name means: the one nearest to where it is written."""
    rooms = name.split(".")[:-1] if name not in found.dotted else []
    for n in range(len(rooms), -1, -1):
        candidate = ".".join([*rooms[:n], written])
        if candidate in found.nodes and candidate != name:
            return candidate
    return None


def _chain(name: str, conditions: Mapping[str, Condition]) -> list[str]:
    """Return a parameter and those that it waits for, nearest first, the first of a circle twice."""
    found = [name]
    while (condition := conditions.get(found[-1])) is not None:
        found.append(condition.parent)
        if condition.parent in found[:-1] or len(found) > LONGEST_CHAIN:
            break
    return found


def _check_circles(conditions: dict[str, Condition], found: _Found) -> None:
    for name in list(conditions):
        chain = _chain(name, conditions)
        if chain[-1] in chain[:-1]:
            found.whens[name][-1].wrong(f"waits for itself: {' waits for '.join(chain)}")
            del conditions[name]
        elif len(chain) > LONGEST_CHAIN:
            found.whens[name][-1].wrong(
                f"is the end of a chain of more than {LONGEST_CHAIN} parameters, each of which waits for the "
                "next: let it wait for one nearer to the chain's other end"
            )
            del conditions[name]


def _check_nesting(conditions: Mapping[str, Condition], found: _Found) -> None:
    """Note parameters that would have to wait for two others at once."""
    for name, whens in found.whens.items():
        waited = {found.whens[other][-1].path for other in _chain(name, conditions) if found.whens[other]}
        for outer, inner in pairwise(whens):
            if outer.path not in waited and name in conditions:
                inner.wrong(
                    f"waits for {conditions[name].parent!r} while its group waits for another: "
                    f"give {conditions[name].parent!r} the group's when"
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
