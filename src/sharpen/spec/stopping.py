"""``early_terminate``: W&B's Hyperband, and rules of sharpen's own.

Source: Hyperband: Li et al. (2018), JMLR 18, as W&B runs it. ASHA: Li et al. (2020), A System for Massively
Parallel Hyperparameter Tuning, MLSys, whose r, R, s and eta are ``min_iter``, ``max_iter``, ``s`` and
``eta``. Median: Golovin et al. (2017), Google Vizier, KDD, section 3.2.2. Racing: Lopez-Ibanez et al. (2016),
The irace package, Operations Research Perspectives 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharpen.spec.model import EarlyTerminate
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader, boolean, integer, mapping, number_in, one_of, reads, text
from sharpen.spec.records import Key, clean_record, schema_of

FIELDS = frozenset({"min_iter", "max_iter", "s", "eta", "strict"})
"""The settings that :class:`EarlyTerminate` has itself; a rule's others are its options."""


@reads(type="number", exclusiveMinimum=1)
def _eta(node: Node) -> float | None:
    value = number_in()(node)
    if value is None or value > 1:
        return value
    return node.wrong(f"must be above 1, not {node.value}: of the runs at a band the best 1/eta go on")


_MIN_ITER = Key(
    integer(1), "The first iteration at which runs are compared; an iteration is one logged value."
)
_ETA = Key(_eta, "Of the runs compared, the best 1/eta go on.", default=3.0)
_MIN_RUNS = Key(integer(1), "How many runs must have come as far before one is ended.", default=5)
_VALUES = Key(
    one_of(("running_mean", "each")),
    "Whether a logged value is the mean of the folds so far, or the fold's own.",
    default="running_mean",
)

STOP_RULES: Mapping[str, Mapping[str, Key]] = {
    "hyperband": {
        "min_iter": _MIN_ITER,
        "max_iter": Key(integer(1), "Instead of min_iter: the longest run; needs s."),
        "s": Key(integer(1), "How many bands below max_iter; without effect next to min_iter."),
        "eta": _ETA,
        "strict": Key(
            boolean, "Compare the value at the band; otherwise the best value so far.", default=True
        ),
    },
    "asha": {
        "min_iter": Key(integer(1), _MIN_ITER.doc, default=1),
        "max_iter": Key(integer(1), "The longest run: no comparison from here on."),
        "s": Key(integer(0), "How many of the first rungs are left out.", default=0),
        "eta": _ETA,
    },
    "median": {
        "min_iter": Key(integer(1), "No run is ended before this iteration.", default=1),
        "min_runs": _MIN_RUNS,
        "interval": Key(integer(1), "Judge at every so many iterations.", default=1),
        "values": _VALUES,
    },
    "racing": {
        "min_iter": Key(integer(2), "No run is ended before this fold.", default=2),
        "min_runs": _MIN_RUNS,
        "level": Key(
            number_in(1e-6, 0.5),
            "Of the runs that would have beaten the best one, at most this share is ended.",
            default=0.05,
        ),
        "prior_folds": Key(
            number_in(0.0), "How many folds the noise seen in other runs counts for.", default=8.0
        ),
        "values": _VALUES,
    },
    "custom": {
        "name": Key(text, "The rule's name in the package that brings it.", missing="name the rule"),
        "options": Key(mapping, "What the rule takes.", default={}),
    },
}
_TYPE = Key(one_of(tuple(STOP_RULES)), missing=f"give one of {', '.join(STOP_RULES)}")


def _read(node: Node) -> EarlyTerminate | None:
    entries = node.children()
    if entries is None:
        return None
    if "type" not in entries:
        return node.child("type", None).wrong(f"is missing: {_TYPE.missing}")
    rule = _TYPE.reader(entries["type"])
    if rule is None:
        return None
    values = clean_record(node, {"type": _TYPE, **STOP_RULES[rule]}, f"in early_terminate of type {rule}")
    if values is None:
        return None
    if rule == "custom":
        return _custom(node, values)
    return _made(node, rule, values)


def _custom(node: Node, values: Mapping[str, Any]) -> EarlyTerminate | None:
    """Return a rule of another package; one of sharpen's own by its name is read as if it were the type."""
    name = values["name"]
    if name == "custom":
        return node.child("name", name).wrong("'custom' does not say which: name the rule")
    if name not in STOP_RULES:
        return EarlyTerminate(type=name, options=values["options"])
    inner = node.child("options", values["options"])
    own = clean_record(inner, STOP_RULES[name], f"in the options of {name}")
    return None if own is None else _made(inner, name, own)


def _made(node: Node, rule: str, values: Mapping[str, Any]) -> EarlyTerminate | None:
    options = {name: values[name] for name in STOP_RULES[rule] if name not in FIELDS}
    stop = EarlyTerminate(
        **{name: values[name] for name in values if name in FIELDS}, type=rule, options=options
    )
    return _hyperband(node, stop) if rule == "hyperband" else _in_order(node, stop)


def _in_order(node: Node, stop: EarlyTerminate) -> EarlyTerminate | None:
    if stop.max_iter is not None and stop.min_iter is not None and stop.max_iter <= stop.min_iter:
        return node.child("max_iter", None).wrong(
            f"{stop.max_iter} must be above min_iter {stop.min_iter}: no run would ever be compared"
        )
    return stop


def _hyperband(node: Node, stop: EarlyTerminate) -> EarlyTerminate | None:
    if (stop.min_iter is None) == (stop.max_iter is None):
        return node.wrong("needs either min_iter, or max_iter with s")
    if stop.max_iter is not None and stop.s is None:
        return node.child("s", None).wrong("is missing: max_iter needs s, the number of bands")
    if stop.max_iter is not None and stop.max_iter < stop.eta:
        return node.child("max_iter", None).wrong(
            f"{stop.max_iter} leaves no band, as max_iter / eta is below 1: raise it to {stop.eta:g} or more"
        )
    return stop


def _schema() -> dict[str, Any]:
    def of(rule: str) -> dict[str, Any]:
        description = "W&B's." if rule == "hyperband" else "sharpen's own; W&B refuses it."
        return schema_of(
            {"type": Key(ValueReader(_read, {"const": rule}), description, missing="x"), **STOP_RULES[rule]}
        )

    return {"anyOf": [of(rule) for rule in STOP_RULES]}


early_terminate = ValueReader(_read, _schema())
