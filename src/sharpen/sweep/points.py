"""Configurations that a person names, checked against the space and made whole."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.space import Dimension, Space

MOST_SHOWN = 8


def complete(space: Space, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the whole configuration of which some parameters are given, and what is wrong with those.

    Parameters that are left out get the middle of their range; names may be dotted or nested. Problems are
    (path, sentence) pairs; the configuration means something only when there are none.

    >>> from sharpen.space import Choice, Int
    >>> space = Space({"depth": Int(3, 7), "model.kind": Choice(("a", "b", "c"))})
    >>> complete(space, {"model": {"kind": "c"}})
    ({'depth': 5, 'model.kind': 'c'}, [])
    >>> complete(space, {"dept": 3, "model.kind": "d"})[1]
    [('$.dept', 'no such parameter; did you mean depth?'), ('$.model.kind', "takes 'a', 'b', 'c', not 'd'")]
    """
    flat = _flat(space, given)
    problems = [(f"$.{name}", words) for name, value in flat.items() if (words := _wrong(space, name, value))]
    if problems:
        return {}, problems
    point = [
        dimension.to_unit(flat[name]) if name in flat else 0.5 for name, dimension in space.dimensions.items()
    ]
    drawn = space.from_unit(point)
    problems = [(f"$.{name}", _absent(space, name)) for name in flat if name not in drawn]
    config = drawn | {name: value for name, value in flat.items() if name in drawn}
    if not space.allows(config):
        problems.append(("$", "the sweep file forbids this combination"))
    return config, problems


def complete_all(space: Space, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the whole configurations of several of which some parameters are given.

    Raises:
        UsageError: Something is wrong with one of them; it says all that is wrong with any.

    >>> from sharpen.space import Int
    >>> complete_all(Space({"depth": Int(3, 7)}), [{}, {"depth": 3}])
    [{'depth': 5}, {'depth': 3}]
    """
    found = [complete(space, point) for point in given]
    wrong = [
        (f"point {n}: {path}" if len(found) > 1 else path, words)
        for n, (_, problems) in enumerate(found, 1)
        for path, words in problems
    ]
    if wrong:
        raise UsageError("\n  ".join(["nothing was added:", *map(": ".join, wrong)]), problems=wrong)
    return [config for config, _ in found]


def _flat(space: Space, given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in space.dimensions:
            flat |= _flat(space, cast("Mapping[str, Any]", value), f"{name}.")
        else:
            flat[name] = value
    return flat


def _wrong(space: Space, name: str, value: Any) -> str:
    dimension = space.dimensions.get(name)
    if dimension is None:
        close = difflib.get_close_matches(name, space.dimensions, n=1)
        return "no such parameter" + (f"; did you mean {close[0]}?" if close else "")
    if dimension.contains(value):
        return ""
    hint = f"; write the number {number:g}" if (number := _number_in(value)) is not None else ""
    return f"takes {_possible(dimension)}, not {value!r}{hint}"


def _number_in(value: Any) -> float | None:
    """Return the number that a text spells, as YAML's 1e-2 does without a point; None without one."""
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _absent(space: Space, name: str) -> str:
    """Return why a parameter is not there next to the others' values."""
    condition = space.conditions[name]
    return f"is only there when {condition.parent} is {' or '.join(map(repr, condition.values))}"


def _possible(dimension: Dimension) -> str:
    values = dimension.grid()
    if values is not None and len(values) <= MOST_SHOWN:
        return ", ".join(map(repr, values))
    low, high = dimension.from_unit(0.0), dimension.from_unit(1.0)
    kind = "whole numbers" if isinstance(low, int) else "numbers"
    return f"{kind} from {low:g} to {high:g}" if isinstance(low, int | float) else "other values"
