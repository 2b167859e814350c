"""W&B's distributions: one row each, from the keys of a parameter to a dimension of the space.

``inv_log_uniform_values`` draws numbers the logarithm of whose reciprocal is uniform, which is to say numbers
whose own logarithm is: it is ``log_uniform_values``, and ``inv_log_uniform`` is ``log_uniform`` with the
exponents' signs changed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.hints import join
from sharpen.space import Beta, Choice, Constant, Dimension, Float, Int, Normal, Rounded, Weighted
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader, integer, listing, number, number_in, plain
from sharpen.spec.records import Key, clean_record
from sharpen.spec.synonyms import nearest, nearest_of

LARGEST_EXPONENT = 700
MOST_STEPS = 10**9
TAIL_SIGMAS = 5.0  # where the tails of a normal distribution are cut, rounded up
SUM_TOLERANCE = 1e-6
_KINDS_OF_PARAMETER = ("value", "values", "min", "max", "parameters")

Values = Mapping[str, Any]


def dimension(node: Node, beside: Mapping[str, Key]) -> Dimension | None:
    """Read one parameter, its distribution written out or inferred as W&B infers it.

    Bare ``min`` and ``max`` are ``int_uniform`` when both are whole numbers and ``uniform`` otherwise;
    ``values`` is ``categorical``, with ``probabilities`` next to it ``categorical_w_probabilities``;
    ``value`` is ``constant``.

    Args:
        node: The parameter.
        beside: Keys that may stand next to those of the distribution, and are read by others.
    """
    entries = node.children()
    if entries is None:
        return None
    name = _name(node, {key: entry.value for key, entry in entries.items()})
    if name is None:
        return None
    row = DISTRIBUTIONS[name]
    keys = {**row.keys, "distribution": Key(plain), **beside}
    article = "an" if name.startswith("i") else "a"
    values = clean_record(node, keys, f"in {article} {name} parameter")
    return row.make(node, values) if values is not None else None


def _name(node: Node, given: Values) -> str | None:
    if "distribution" in given:
        return _written_name(node.child("distribution", given["distribution"]))
    if "value" in given:
        return "constant"
    if "values" in given:
        return "categorical_w_probabilities" if "probabilities" in given else "categorical"
    bounds = [given[key] for key in ("min", "max") if key in given]
    if bounds:
        whole = all(isinstance(bound, int) for bound in bounds)
        return "int_uniform" if whole else "uniform"
    hints = nearest_of(given, (*_KINDS_OF_PARAMETER, "distribution"))
    return node.wrong(f"does not say what it may be: give value, values, min and max, or parameters{hints}")


def _written_name(node: Node) -> str | None:
    name = node.value
    known = join(DISTRIBUTIONS)
    if not isinstance(name, str):
        return node.wrong(f"must be the name of a distribution: {known}")
    if name in DISTRIBUTIONS:
        return name
    return node.wrong(f"no distribution is called {name!r}{nearest(name, DISTRIBUTIONS)}; known: {known}")


def _read_options(node: Node) -> tuple[Any, ...] | None:
    options = _OPTIONS(node)
    if options is None:
        return None
    seen: set[str] = set()
    for item, option in zip(node.items() or [], options, strict=True):
        written = json.dumps(option, sort_keys=True)
        if written in seen:
            item.wrong(
                f"{written} is listed twice: keep one; for a value that is drawn more often add "
                "probabilities: [0.5, …]"
            )
        seen.add(written)
    return options


def _in_order(node: Node, values: Values) -> bool:
    low, high = values["min"], values["max"]
    if low >= high:
        node.wrong(f"min {low!r} is not below max {high!r}: swap them, or give value for a constant")
        return False
    if not math.isfinite(high - low):
        node.wrong("the distance from min to max is not finite: narrow the range")
        return False
    return True


def _constant(node: Node, values: Values) -> Dimension | None:
    return Constant(values["value"])


def _categorical(node: Node, values: Values) -> Dimension | None:
    return Choice(values["values"])


def _weighted(node: Node, values: Values) -> Dimension | None:
    options, weights = values["values"], values["probabilities"]
    weights_node = node.child("probabilities", weights)
    if len(options) != len(weights):
        return weights_node.wrong(f"has {len(weights)} numbers for {len(options)} values: give one each")
    if abs(sum(weights) - 1) > SUM_TOLERANCE:
        return weights_node.wrong(f"add up to {sum(weights):g}: they must add up to 1")
    return Weighted(options, weights)


def _int_uniform(node: Node, values: Values) -> Dimension | None:
    return Int(values["min"], values["max"]) if _in_order(node, values) else None


def _uniform(node: Node, values: Values) -> Dimension | None:
    return Float(values["min"], values["max"]) if _in_order(node, values) else None


def _log_uniform_values(node: Node, values: Values) -> Dimension | None:
    return Float(values["min"], values["max"], log=True) if _in_order(node, values) else None


def _log_uniform(node: Node, values: Values) -> Dimension | None:
    ends = {"min": math.exp(values["min"]), "max": math.exp(values["max"])}
    return _log_uniform_values(node, ends)


def _inv_log_uniform(node: Node, values: Values) -> Dimension | None:
    if not _in_order(node, values):
        return None
    return _log_uniform(node, {"min": -values["max"], "max": -values["min"]})


def _normal(node: Node, values: Values) -> Dimension | None:
    mu, sigma = values["mu"], values["sigma"]
    if not math.isfinite(abs(mu) + TAIL_SIGMAS * sigma):
        return node.wrong("its tails are not finite: make sigma smaller")
    if mu + sigma == mu:
        return node.wrong(f"sigma {sigma:g} is too small beside mu {mu:g}: give value for a constant")
    return Normal(mu, sigma)


def _log_normal(node: Node, values: Values) -> Dimension | None:
    mu, sigma = values["mu"], values["sigma"]
    if abs(mu) + TAIL_SIGMAS * sigma > LARGEST_EXPONENT:
        return node.wrong(
            f"e to the power of {mu:g} ± {TAIL_SIGMAS * sigma:g} is no usable number: "
            "mu and sigma are those of the logarithm"
        )
    return Normal(mu, sigma, log=True) if _normal(node, values) else None


def _beta(node: Node, values: Values) -> Dimension | None:
    return Beta(values["a"], values["b"])


@dataclass(frozen=True, slots=True)
class Distribution:
    """One row.

    Attributes:
        keys: The keys that it takes.
        make: What it makes of their values.
        is_inferred: Whether its name may be left out.
    """

    keys: Mapping[str, Key]
    make: Callable[[Node, Values], Dimension | None]
    is_inferred: bool = False

    def rounded(self) -> Distribution:
        """Return the same distribution with its values rounded to multiples of ``q``."""

        def make(node: Node, values: Values) -> Dimension | None:
            inner = self.make(node, values)
            if inner is None:
                return None
            step = values["q"]
            steps = (inner.from_unit(1.0) - inner.from_unit(0.0)) / step
            largest = max(abs(inner.from_unit(0.0)), abs(inner.from_unit(1.0))) / step
            if steps > MOST_STEPS or largest > 2**53:
                return node.child("q", step).wrong(
                    f"{step:g} is too small for the range to matter: make it larger, or leave out the "
                    "rounding"
                )
            return Rounded(inner, step)

        return Distribution({**self.keys, "q": _STEP}, make)


def _range(ends: ValueReader, what: str = "") -> Mapping[str, Key]:
    fix = "give min and max"
    return {
        "min": Key(ends, f"The smallest {what or 'value'}.", missing=fix),
        "max": Key(ends, f"The largest {what or 'value'}.", missing=fix),
    }


def _read_step(node: Node) -> float | None:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return integer(1)(node)
    return number_in(above=0)(node)


_OPTIONS = listing(plain, "at least one value")
_VALUES = Key(
    ValueReader(_read_options, _OPTIONS.schema), "What may be taken.", missing="give a list of values"
)
_STEP = Key(
    ValueReader(_read_step, number_in(above=0).schema),
    "Values are rounded to multiples of this; a whole number makes them whole numbers.",
    default=1,
)
_POSITIVE = number_in(above=0, why=" on a logarithmic scale")
_EXPONENT = number_in(
    -LARGEST_EXPONENT,
    LARGEST_EXPONENT,
    why=", being an exponent of e: log_uniform takes exponents, log_uniform_values takes the values "
    "themselves",
)
_BELL = {
    "mu": Key(number, "The mean, of the logarithm in log_normal.", default=0.0),
    "sigma": Key(number_in(above=0), "The standard deviation, of the logarithm in log_normal.", default=1.0),
}
_SHAPES = {
    name: Key(number_in(1e-3, 1e6), f"The exponent of {of}, plus one.", default=1.0)
    for name, of in (("a", "x"), ("b", "1 - x"))
}
_PROBABILITIES = Key(
    listing(number_in(0, 1), "one probability a value"),
    "The probability of each value; they add up to 1.",
    missing="give one probability a value",
)

_UNIFORM = Distribution(_range(number), _uniform, is_inferred=True)
_LOG_UNIFORM = Distribution(_range(_EXPONENT, "exponent of e"), _log_uniform)
_LOG_UNIFORM_VALUES = Distribution(_range(_POSITIVE), _log_uniform_values)
_NORMAL = Distribution(_BELL, _normal)
_LOG_NORMAL = Distribution(_BELL, _log_normal)
_BETA = Distribution(_SHAPES, _beta)

DISTRIBUTIONS: Mapping[str, Distribution] = {
    "constant": Distribution(
        {"value": Key(plain, "The value.", missing="give the value")}, _constant, is_inferred=True
    ),
    "categorical": Distribution({"values": _VALUES}, _categorical, is_inferred=True),
    "categorical_w_probabilities": Distribution(
        {"values": _VALUES, "probabilities": _PROBABILITIES}, _weighted, is_inferred=True
    ),
    "int_uniform": Distribution(_range(integer()), _int_uniform, is_inferred=True),
    "uniform": _UNIFORM,
    "q_uniform": _UNIFORM.rounded(),
    "log_uniform": _LOG_UNIFORM,
    "log_uniform_values": _LOG_UNIFORM_VALUES,
    "q_log_uniform": _LOG_UNIFORM.rounded(),
    "q_log_uniform_values": _LOG_UNIFORM_VALUES.rounded(),
    "inv_log_uniform": Distribution(_range(_EXPONENT, "exponent of 1/e"), _inv_log_uniform),
    "inv_log_uniform_values": _LOG_UNIFORM_VALUES,
    "normal": _NORMAL,
    "q_normal": _NORMAL.rounded(),
    "log_normal": _LOG_NORMAL,
    "q_log_normal": _LOG_NORMAL.rounded(),
    "beta": _BETA,
    "q_beta": _BETA.rounded(),
}
