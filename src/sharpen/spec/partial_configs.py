"""Values and partial configurations that must fit the space: ``when``, ``forbidden`` and ``prior``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from sharpen.hints import join
from sharpen.space import Constant, Dimension, Space
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import plain
from sharpen.spec.synonyms import nearest

MOST_SHOWN = 8
MOST_TRIED = 10_000
MOST_COMPARED = 2_000_000


def fit(node: Node, dimension: Dimension) -> Any:
    """Return a value as the dimension writes it, ``3`` and ``3.0`` being one; None when it cannot take it."""
    n_problems = len(node.problems)
    value = plain(node)
    if len(node.problems) > n_problems:
        return None
    is_real = isinstance(dimension.from_unit(0.5), float)
    for candidate in _spellings(value, is_real):
        if dimension.contains(candidate):
            return candidate
    hint = f"; write {number:g} without quotes" if (number := _number_in(value)) is not None else ""
    return node.wrong(f"cannot be {value!r}: {_possible(dimension)}{hint}")


def _number_in(value: Any) -> float | None:
    """Return the number that a text spells, as YAML's 1e-2 does without a point; None without one."""
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _spellings(value: Any, is_real: bool) -> Iterator[Any]:
    if isinstance(value, int) and not isinstance(value, bool):
        yield from (float(value), value) if is_real else (value, float(value))
    else:
        yield value
        if isinstance(value, float) and value.is_integer():
            yield int(value)


def _possible(dimension: Dimension) -> str:
    values = dimension.grid()
    if values is not None and len(values) <= MOST_SHOWN:
        return f"the parameter takes {join(map(repr, values))}"
    low, high = dimension.from_unit(0.0), dimension.from_unit(1.0)
    if isinstance(dimension, Constant) or isinstance(low, bool) or not isinstance(low, int | float):
        return "the parameter takes other values"
    return f"the parameter goes from {low:g} to {high:g}"


def partial(node: Node, space: Space, read: Callable[[Node, Dimension], Any] = fit) -> dict[str, Any]:
    """Return a configuration that need not be whole, by full names; what does not fit is noted and left out.

    Names may be dotted (``optimizer.lr: 0.1``) or nested (``optimizer: {lr: 0.1}``).

    Args:
        node: The configuration as written.
        space: Whose parameters it names.
        read: Returns what an entry says of a parameter.
    """
    config: dict[str, Any] = {}
    for name, entry in _leaves(node, "", space):
        if name not in space.dimensions:
            entry.wrong(f"there is no parameter {name!r}{nearest(name, space.dimensions)}")
            continue
        if name in config:
            entry.wrong(f"{name!r} is given twice: keep one")
        n_problems = len(node.problems)
        value = read(entry, space.dimensions[name])
        if len(node.problems) == n_problems:
            config[name] = value
    return config


def _leaves(node: Node, prefix: str, space: Space) -> Iterator[tuple[str, Node]]:
    for name, entry in (node.children() or {}).items():
        full = f"{prefix}{name}"
        is_group = entry.is_mapping and any(known.startswith(f"{full}.") for known in space.dimensions)
        if is_group and full not in space.dimensions:
            yield from _leaves(entry, f"{full}.", space)
        else:
            yield full, entry


def forbidden(nodes: list[Node], space: Space) -> tuple[Mapping[str, Any], ...]:
    """Return the combinations that no configuration may have; a list of values stands for any of them."""
    combinations: list[Mapping[str, Any]] = []
    for node in nodes:
        n_problems = len(node.problems)
        combination = partial(node, space, _alternatives)
        for name in combination:
            if space.dimensions[name].grid() is None:
                node.child(name, None).wrong(
                    "takes any number of a range, which is never exactly one: forbid listed values or whole "
                    "numbers"
                )
        is_always = all(isinstance(space.dimensions[name], Constant) for name in combination)
        if is_always and len(node.problems) == n_problems:
            node.wrong("would forbid every configuration: name values that do not go together")
        if len(node.problems) == n_problems:
            combinations += [
                dict(zip(combination, values, strict=True)) for values in product(*combination.values())
            ]
    return tuple(combinations)


def _alternatives(node: Node, dimension: Dimension) -> list[Any]:
    """Return the values that an entry names: one, or each of a list that is not a value itself."""
    if not isinstance(node.value, list) or dimension.contains(plain(node)):
        return [fit(node, dimension)]
    items = node.items() or []
    if not items:
        node.wrong("is empty: list the values that do not go together with the others")
    return [fit(item, dimension) for item in items]


def is_empty(space: Space) -> bool:
    """Return whether every configuration has a forbidden combination; False where they are too many to try.

    >>> from sharpen.space import Choice
    >>> choice = Choice((1, 2))
    >>> is_empty(Space({"a": choice, "b": choice}, forbidden=({"a": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 2})))
    True
    """
    named = {name for combination in space.forbidden for name in combination}
    named |= {parent for name in named for parent in space.needed(name)}
    dimensions = {name: space.dimensions[name] for name in space.dimensions if name in named}
    grids = [dimension.grid() or () for dimension in dimensions.values()]
    n_tries = math.prod(map(len, grids))
    if not named or n_tries > MOST_TRIED or n_tries * len(space.forbidden) > MOST_COMPARED:
        return False
    conditions = {name: waits for name, waits in space.conditions.items() if name in named}
    part = Space(dimensions, conditions, space.forbidden)
    configs = (dict(zip(dimensions, values, strict=True)) for values in product(*grids))
    return not any(part.allows({name: config[name] for name in part.active(config)}) for config in configs)


def whole(node: Node, space: Space) -> dict[str, Any]:
    """Return a configuration with the middle of what it leaves out; what is wrong with it is noted.

    It means something only when nothing is wrong.
    """
    n_problems = len(node.problems)
    given = partial(node, space)
    if len(node.problems) > n_problems:
        return {}
    config = space.complete(given)
    for name in [name for name in given if name not in config]:
        node.child(name, None).wrong(f"is only there when {space.conditions[name]}: remove it")
    if not space.allows(config):
        node.wrong("has a forbidden combination")
    return config


def prior(nodes: list[Node], space: Space) -> tuple[Mapping[str, Any], ...]:
    """Return the configurations to try first, each completed with the middle of what it leaves out."""
    by_key: dict[str, Mapping[str, Any]] = {}
    for node in nodes:
        n_problems = len(node.problems)
        config = whole(node, space)
        if len(node.problems) > n_problems:
            continue
        if space.key(config) in by_key:
            node.wrong("is the same configuration as one above: keep one")
        by_key[space.key(config)] = config
    return tuple(by_key.values())
