"""A W&B sweep file to a :class:`Sweep`: a row for each key, then what must hold between keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from sharpen.errors import NotFound, UsageError
from sharpen.space import Constant, Dimension, Space
from sharpen.spec import document
from sharpen.spec.command import command
from sharpen.spec.distributions import dimension
from sharpen.spec.model import DEFAULT_COMMAND, EarlyTerminate, Metric, Sweep
from sharpen.spec.reader import (
    Key,
    Node,
    boolean,
    describe,
    integer,
    number,
    one_of,
    record,
    refuse,
    reject_key,
    text,
    words,
)

METHODS = ("random", "grid", "bayes")


def load(path: str | Path) -> Sweep:
    """Return the sweep that a file describes.

    Raises:
        NotFound: There is no such file.
        UsageError: It cannot be read as text.
        SpecError: It has problems; all of them are listed.
    """
    try:
        written = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"{path}: there is no such sweep file", path=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}", path=str(path)) from error
    return parse(written, str(path))


def parse(text: str, where: str = "sweep.yaml") -> Sweep:
    """Return the sweep that a text describes.

    Args:
        text: A W&B sweep configuration in YAML; ``seed`` may stand beside W&B's own keys.
        where: What to call it in messages; its stem is the sweep's name when the text gives none.

    Raises:
        SpecError: It has problems; ``facts["problems"]`` holds all of them as (path, sentence).

    >>> parse('''
    ... program: train.py
    ... method: random
    ... metric: {name: loss}
    ... parameters: {lr: {min: 0.1, max: 0.01}, depth: {vales: [3, 5]}}
    ... ''')
    Traceback (most recent call last):
    sharpen.errors.SpecError: sweep.yaml has 2 problems:
      $.parameters.lr: min 0.1 is not below max 0.01: swap them, or give value for a constant
      $.parameters.depth: does not say what it may be: give value, values, min and max, or parameters; \
did you mean 'values'?
    """
    value, problems = document.read(text, where)
    root = Node(value, "$", problems)
    values = record(root, _SWEEP, later=_LATER, what="in a sweep")
    if values is not None:
        _between_keys(root, values)
    if problems or values is None:
        raise refuse(where, problems)
    return Sweep(
        space=values.pop("parameters"),
        stop=values.pop("early_terminate"),
        name=values.pop("name") or PurePath(where).stem,
        source_text=text,
        **values,
    )


def _between_keys(root: Node, values: Mapping[str, Any]) -> None:
    if not values["program"] and "${program}" in (values["command"] or ()) and "program" not in root.value:
        root.child("program", None).wrong("is missing: name the training script")
    _one_lockbox(root, values["parameters"])
    if values["method"] == "grid" and values["parameters"] is not None:
        for name, dim in values["parameters"].dimensions.items():
            if dim.grid() is None:
                place = root.child("parameters." + ".parameters.".join(name.split(".")), None)
                place.wrong("grid search cannot count real numbers: give values: [a, b, …]")


def _one_lockbox(root: Node, space: Space | None) -> None:
    share = space.dimensions.get("lockbox_share") if space else None
    place = root.child("parameters.lockbox_share", None)
    if share is not None and not isinstance(share, Constant):
        place.wrong("must be a constant, {value: …}: the lockbox is the same for all runs of a sweep")
    elif share is not None and share.value == 0:
        place.wrong("must be above 0: without a lockbox nothing is left that the sweep has not seen")


def _metric(node: Node) -> Metric | None:
    values = record(node, _METRIC, later=_LATER_METRIC, what="in metric")
    return Metric(values["name"], values["goal"]) if values and values["name"] and values["goal"] else None


def _space(node: Node) -> Space | None:
    entries = node.children()
    if entries is None:
        return None
    if not node.value:
        return node.wrong("is empty: give at least one parameter")
    return Space(dict(_dimensions(entries, "")))


def _dimensions(entries: Mapping[str, Node], prefix: str) -> Iterator[tuple[str, Dimension]]:
    for name, entry in entries.items():
        if "." in name:
            first, _, rest = name.partition(".")
            entry.wrong(f"a name has no dots: nest it, as {first}: {{parameters: {{{rest}: …}}}}")
        elif not entry.is_mapping:
            entry.wrong(f"is {describe(entry.value)}: write {{value: …}} for a constant")
        elif "parameters" in entry.value:
            yield from _group(entry, f"{prefix}{name}.")
        elif (found := dimension(entry)) is not None:
            yield f"{prefix}{name}", found


def _group(node: Node, prefix: str) -> Iterator[tuple[str, Dimension]]:
    for name, entry in (node.children() or {}).items():
        if name != "parameters":
            reject_key(entry, name, ["parameters"], what="beside nested parameters")
        elif inner := entry.children():
            yield from _dimensions(inner, prefix)
        elif inner is not None:
            entry.wrong("is empty: give at least one parameter")


def _early_terminate(node: Node) -> EarlyTerminate | None:
    n_problems = len(node.problems)
    values = record(node, _EARLY_TERMINATE, what="in early_terminate")
    if values is None or len(node.problems) > n_problems:
        return None
    stop = EarlyTerminate(**values)
    if (stop.min_iter is None) == (stop.max_iter is None):
        return node.wrong("needs either min_iter, or max_iter with s")
    if stop.max_iter is not None and stop.s is None:
        return node.child("s", None).wrong("is missing: max_iter needs s, the number of bands")
    if stop.max_iter is not None and stop.max_iter < stop.eta:
        return node.child("max_iter", None).wrong(
            f"{stop.max_iter} leaves no band, as max_iter / eta is below 1: raise it to {stop.eta:g} or more"
        )
    return stop


def _eta(node: Node) -> float | None:
    value = number(node)
    if value is None or value > 1:
        return value
    return node.wrong(f"must be above 1, not {node.value}: of the runs at a band the best 1/eta go on")


_METRIC = {
    "name": Key(text, missing="name what the program logs"),
    "goal": Key(one_of(("maximize", "minimize")), default="minimize"),
}
_LATER_METRIC = frozenset({"impute", "impute_while_running", "target"})

_EARLY_TERMINATE = {
    "type": Key(one_of(("hyperband",), later=("envelope",)), missing="give hyperband"),
    "min_iter": Key(integer(1)),
    "max_iter": Key(integer(1)),
    "s": Key(integer(1)),
    "eta": Key(_eta, default=3.0),
    "strict": Key(boolean, default=True),
}


_SWEEP = {
    "name": Key(text),
    "program": Key(text, default=""),
    "command": Key(command, default=DEFAULT_COMMAND),
    "method": Key(one_of(METHODS, later=("custom",)), missing=f"give one of {', '.join(METHODS)}"),
    "metric": Key(_metric, missing="give the metric's name and goal"),
    "parameters": Key(_space, missing="give at least one parameter"),
    "early_terminate": Key(_early_terminate),
    "run_cap": Key(integer(1)),
    "seed": Key(integer(0)),
    "description": Key(words, default=""),
    "project": Key(words, default=""),
    "entity": Key(words, default=""),
}
_LATER = frozenset({"apiVersion", "controller", "image_uri", "job", "kind", "launch", "metrics", "scheduler"})
