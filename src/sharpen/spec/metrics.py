"""What a sweep is after: its metric or metrics, and the bounds that others must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from sharpen.hints import describe, join
from sharpen.spec.model import OPERATORS, Constraint, Metric
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader, boolean, line, listing, number, one_of, reads
from sharpen.spec.records import Key, clean_record, schema_of

_BOUND = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*")
_IMPUTE = ("latest", "best", "worst")


@reads(enum=[*_IMPUTE, "false", False])
def _impute_while_running(node: Node) -> str | None:
    if isinstance(node.value, bool) and boolean(node):
        return node.wrong(f"must be false or {join(_IMPUTE)}")
    if node.value in (False, "false"):  # YAML makes the bare word a truth value
        return None
    return one_of((*_IMPUTE, "false"))(node)


METRIC: Mapping[str, Key] = {
    "name": Key(line, "The key under which the program logs it.", missing="name what the program logs"),
    "goal": Key(one_of(("maximize", "minimize")), "Which way is better.", default="minimize"),
    "target": Key(number, "Once a run ends at this value or better, no new runs start."),
    "impute": Key(one_of(_IMPUTE), "What the search takes for the value of a failed run."),
    "impute_while_running": Key(_impute_while_running, "The same for a run that has not ended."),
}


def _read_metric(node: Node) -> Metric | None:
    values = clean_record(node, METRIC, "in a metric")
    return None if values is None else Metric(**values)


metric = ValueReader(_read_metric, schema_of(METRIC))
_SEVERAL = listing(metric, "two metrics or more, or use metric for a single one", n_least=2)


def _read_metrics(node: Node) -> tuple[Metric, ...] | None:
    metrics: tuple[Metric, ...] | None = _SEVERAL(node)
    names = [one.name for one in metrics or ()]
    for i, name in enumerate(names):
        if name in names[:i]:
            node.wrong(f"lists {name!r} twice: keep one")
    return metrics


metrics = ValueReader(_read_metrics, _SEVERAL.schema)


@reads(
    type="object",
    additionalProperties={"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1},
)
def constraints(node: Node) -> tuple[Constraint, ...] | None:
    """Read bounds on metrics: ``{val/n_trades: ">= 30", val/turnover: [">= 0.01", "<= 0.5"]}``."""
    entries = node.children()
    if entries is None:
        return None
    all_bounds: list[Constraint | None] = []
    for name, entry in entries.items():
        bounds = (entry.items() or []) if isinstance(entry.value, list) else [entry]
        if not bounds:
            entry.wrong('is empty: give a bound such as ">= 30"')
        all_bounds += [_constraint(name, bound) for bound in bounds]
    return tuple(one for one in all_bounds if one is not None)


def _constraint(name: str, node: Node) -> Constraint | None:
    written: Any = node.value
    match = _BOUND.fullmatch(written) if isinstance(written, str) else None
    if match is None or not math.isfinite(float(match[2])):
        return node.wrong(
            f'must be a bound such as ">= 30" in quotes, with one of {join(OPERATORS)}, '
            f"not {describe(written)}"
        )
    return Constraint(name, match[1], float(match[2]))
