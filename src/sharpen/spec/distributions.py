"""W&B's distributions: one row each, from the keys of a parameter to a dimension of the space."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.space import Choice, Constant, Dimension, Float, Int
from sharpen.spec.reader import Key, Node, integer, join, nearest, number, plain, record

LATER = frozenset(
    {
        "categorical_w_probabilities",
        "inv_log_uniform",
        "inv_log_uniform_values",
        "beta",
        "log_normal",
        "normal",
    }
    | {
        f"q_{name}"
        for name in ("beta", "log_normal", "log_uniform", "log_uniform_values", "normal", "uniform")
    }
)
LATER_KEYS = frozenset({"a", "b", "mu", "probabilities", "q", "sigma"})


def dimension(node: Node) -> Dimension | None:
    """Read one parameter, its distribution written out or inferred as W&B infers it.

    Bare ``min`` and ``max`` are ``int_uniform`` when both are whole numbers and ``uniform`` otherwise;
    ``values`` is ``categorical``; ``value`` is ``constant``.
    """
    entries = node.children()
    if entries is None:
        return None
    name = _name(node, {key: entry.value for key, entry in entries.items()})
    if name is None:
        return None
    row = DISTRIBUTIONS[name]
    n_problems = len(node.problems)
    keys = {**row.keys, "distribution": Key(plain)}
    values = record(node, keys, later=LATER_KEYS, what=f"in a {name} parameter")
    if values is None or len(node.problems) > n_problems:
        return None
    return row.make(node, values)


def _name(node: Node, given: Mapping[str, Any]) -> str | None:
    if "distribution" in given:
        return _written_name(node.child("distribution", given["distribution"]))
    for key, name in (("value", "constant"), ("values", "categorical")):
        if key in given:
            return name
    bounds = [given[key] for key in ("min", "max") if key in given]
    if bounds:
        whole = all(isinstance(bound, int) for bound in bounds)
        return "int_uniform" if whole else "uniform"
    known = ["value", "values", "min", "max", "parameters"]
    hints = [*filter(None, (nearest(key, known) for key in given)), ""]
    return node.wrong(
        f"does not say what it may be: give value, values, min and max, or parameters{hints[0]}"
    )


def _written_name(node: Node) -> str | None:
    name = node.value
    supported = join(DISTRIBUTIONS)
    if isinstance(name, str):
        if name in DISTRIBUTIONS:
            return name
        if name in LATER:
            return node.wrong(f"{name!r} is not supported yet; supported: {supported}")
        return node.wrong(
            f"no distribution is called {name!r}{nearest(name, DISTRIBUTIONS)}; supported: {supported}"
        )
    return node.wrong(f"must be the name of a distribution: {supported}")


def _values(node: Node) -> tuple[Any, ...] | None:
    items = node.items()
    if items is None:
        return None
    if not items:
        return node.wrong("is empty: give at least one value")
    n_problems = len(node.problems)
    options = tuple(plain(item) for item in items)
    if len(node.problems) > n_problems:
        return None
    seen: set[str] = set()
    for item, option in zip(items, options, strict=True):
        written = json.dumps(option, sort_keys=True)
        if written in seen:
            item.wrong(f"{written} is listed twice: keep one")
        seen.add(written)
    return options


def _positive(node: Node) -> float | None:
    value = number(node)
    if value is None or value > 0:
        return value
    return node.wrong(f"must be above 0 on a logarithmic scale, not {node.value}")


def _exponent(node: Node) -> float | None:
    value = number(node)
    if value is None or abs(value) <= 700:
        return value
    return node.wrong(
        f"is an exponent of e, and e to the power of {node.value} is no usable number: "
        "log_uniform takes exponents, log_uniform_values takes the values themselves"
    )


def _in_order(node: Node, values: Mapping[str, Any]) -> bool:
    low, high = values["min"], values["max"]
    if low >= high:
        node.wrong(f"min {low!r} is not below max {high!r}: swap them, or give value for a constant")
        return False
    if not math.isfinite(high - low):
        node.wrong("the distance from min to max is not finite: narrow the range")
        return False
    return True


def _constant(node: Node, values: Mapping[str, Any]) -> Dimension | None:
    return Constant(values["value"])


def _categorical(node: Node, values: Mapping[str, Any]) -> Dimension | None:
    return Choice(values["values"])


def _int_uniform(node: Node, values: Mapping[str, Any]) -> Dimension | None:
    return Int(values["min"], values["max"]) if _in_order(node, values) else None


def _uniform(node: Node, values: Mapping[str, Any]) -> Dimension | None:
    return Float(values["min"], values["max"]) if _in_order(node, values) else None


def _log_uniform_values(node: Node, values: Mapping[str, Any]) -> Dimension | None:
    return Float(values["min"], values["max"], log=True) if _in_order(node, values) else None


def _log_uniform(node: Node, values: Mapping[str, Any]) -> Dimension | None:
    low, high = math.exp(values["min"]), math.exp(values["max"])
    return Float(low, high, log=True) if _in_order(node, {"min": low, "max": high}) else None


@dataclass(frozen=True, slots=True)
class Distribution:
    """One row: the keys that a distribution takes, and what it makes of their values."""

    keys: Mapping[str, Key]
    make: Callable[[Node, Mapping[str, Any]], Dimension | None]


def _range(read: Callable[[Node], Any]) -> Mapping[str, Key]:
    fix = "give min and max"
    return {"min": Key(read, missing=fix), "max": Key(read, missing=fix)}


DISTRIBUTIONS: Mapping[str, Distribution] = {
    "constant": Distribution({"value": Key(plain, missing="give the value")}, _constant),
    "categorical": Distribution({"values": Key(_values, missing="give a list of values")}, _categorical),
    "int_uniform": Distribution(_range(integer()), _int_uniform),
    "uniform": Distribution(_range(number), _uniform),
    "log_uniform_values": Distribution(_range(_positive), _log_uniform_values),
    "log_uniform": Distribution(_range(_exponent), _log_uniform),
}
