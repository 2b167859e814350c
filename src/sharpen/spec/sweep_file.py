"""A W&B sweep file to a :class:`Sweep`: a row for each key, then what must hold between keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from sharpen.errors import NotFound, UsageError
from sharpen.hints import refuse
from sharpen.regular_file import read_input
from sharpen.space import Constant, Space
from sharpen.spec import document, partial_configs
from sharpen.spec.command import command
from sharpen.spec.dialects import Dialect, ExtraCheck, Source, dialect_of
from sharpen.spec.metrics import constraints, metric, metrics
from sharpen.spec.model import DEFAULT_COMMAND, Metric, Resources, Sweep
from sharpen.spec.parameters import PARAMETERS, Parameters, definitions
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import (
    ValueReader,
    boolean,
    duration,
    integer,
    line,
    mapping,
    one_of,
    optional_path_name,
    optional_text,
    text,
)
from sharpen.spec.records import Key, record, schema_of
from sharpen.spec.shorthands import SHORTHANDS, constants, resources
from sharpen.spec.stopping import early_terminate
from sharpen.spec.synonyms import nearest

WITHOUT_METRIC = ("grid", "random", "queued")
"""Methods that learn nothing, so that they need no metric; such a sweep has no winner and no verdict."""
METHODS = (
    *("random", "grid", "bayes", "tpe", "gp", "cmaes", "nsga2", "smac", "hebo"),
    *("hyperband", "asha", "bohb", "dehb", "pbt", "pb2"),  # these spend a budget, or train on
    "queued",  # somebody else chooses
)
_WRITTEN_METHODS = (*METHODS, "custom")  # W&B's custom leaves the choice to another key


def load(path: str | Path, also: ExtraCheck | None = None) -> Sweep:
    """Return the sweep that a file describes.

    Args:
        path: The file.
        also: What else to look at; its problems are told with the file's own.

    Raises:
        NotFound: There is no such file.
        UsageError: It cannot be read as text.
        SpecError: It has problems; all of them are listed.
    """
    try:
        written = read_input(path, document.LARGEST_TEXT_BYTES)
    except FileNotFoundError as error:
        raise NotFound(f"{path}: there is no such sweep file", path=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}", path=str(path)) from error
    return parse(written, str(path), also)


def parse(text: str, where: str = "sweep.yaml", also: ExtraCheck | None = None) -> Sweep:
    """Return the sweep that a text describes.

    Args:
        text: YAML in one of the dialects of :data:`DIALECTS`. W&B's is a sweep configuration, beside whose
            keys sharpen's own may stand.
        where: What to call it in messages; its stem is the sweep's name when the text gives none.
        also: What else to look at; its problems are told with the text's own.

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
    loaded = document.read(text, where)
    name = dialect_of(loaded.value, DIALECTS)
    return replace(DIALECTS[name].read(Source(loaded, text, where, also)), dialect=name)


def _read_wandb(source: Source) -> Sweep:
    """Return the sweep that a W&B sweep configuration describes."""
    value, problems, notes = source.document
    where, also = source.where, source.also
    root = Node(value, "$", problems)
    values = record(root, SWEEP, "in a sweep")
    if values is None:
        raise refuse(where, problems)
    combined = _between_keys(root, values)
    name = values["name"] or PurePath(where).stem
    if also is not None:
        problems += also(_draft(name, values, combined))
    if problems:
        raise refuse(where, problems)
    fields: dict[str, Any] = {name: values[name] for name in _AS_READ}
    return Sweep(**fields, **combined, name=name, source_text=source.text, notes=tuple(notes))


def _draft(name: str, values: dict[str, Any], combined: dict[str, Any]) -> Sweep:
    """Return the sweep as far as it could be read, with valid stand-ins for the rest."""
    return Sweep(
        name,
        values["program"] or "",
        values["command"] or DEFAULT_COMMAND,
        combined["method"] or "random",
        combined["metric"] or Metric("metric"),
        combined.get("space", Space({})),
        combined["stop"],
        options=combined["options"] if combined["method"] else {},
    )


def _between_keys(root: Node, values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a sweep that several keys, or keys of another name, decide."""
    if not values["program"] and "${program}" in (values["command"] or ()) and "program" not in root.value:
        root.child("program", None).wrong("is missing: name the training script")
    method, options = _method(root, values)
    if method == "grid":
        _check_grid(values["parameters"])
    space = _space(root, values)
    return {
        "method": method,
        "options": options,
        "stop": values["early_terminate"],
        "time_cap_s": values["time_cap"],
        "ignored": tuple(name for name in IGNORED if name in root.value),
        **_metrics(root, values, method),
        **space,
    }


def _method(root: Node, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    options = dict(values["optimizer"] or {})
    has_type = "type" in options
    name = text(root.child("optimizer.type", options.pop("type"))) if has_type else values["method"]
    if name != "custom":
        return name or "", options
    if values["metrics"] and not has_type:
        return "nsga2", options
    root.child("optimizer.type" if has_type else "method", None).wrong(
        "'custom' does not say which: write optimizer: {type: tpe}, or a method by its name"
    )
    return "", options


def _metrics(root: Node, values: dict[str, Any], method: str) -> dict[str, Any]:
    several = values["metrics"] or ()
    given = [name for name in ("metric", "metrics") if name in root.value]
    may_lack = values["method"] in WITHOUT_METRIC or method == "queued"
    if not given and may_lack and not values["early_terminate"]:
        return {"metric": Metric(""), "metrics": ()}
    if not given:
        root.child("metric", None).wrong("is missing: give the metric's name and goal")
    elif len(given) > 1:
        root.child("metrics", None).wrong("stands beside metric: keep one")
    return {"metric": several[0] if several else values["metric"], "metrics": several}


def _space(root: Node, values: dict[str, Any]) -> dict[str, Any]:
    parameters: Parameters | None = values["parameters"]
    if parameters is None:
        return {}
    added = dict(constants(root, values, parameters.nodes))
    space = Space({**parameters.space.dimensions, **added}, parameters.space.conditions)
    if len(space.dimensions) < len(parameters.nodes) + len(added):
        return {}  # what is said of a parameter that cannot be read would only confuse
    combinations = partial_configs.forbidden(values["forbidden"] or [], space)
    space = Space(space.dimensions, space.conditions, combinations)
    if partial_configs.is_empty(space):
        root.child("forbidden", None).wrong(
            "leaves no configuration: whatever is chosen, one of the combinations is in it; remove one"
        )
        return {}
    space = _with_budget(root, values, space)
    prior = partial_configs.prior(values["prior"] or [], space)
    _one_lockbox(root, space)
    _check_on_oom(root, values["on_oom"] or "", space)
    return {"space": space, "prior": prior, "dotted": parameters.dotted}


def _with_budget(root: Node, values: dict[str, Any], space: Space) -> Space:
    """Return the space with the parameter that holds a run's budget, when a method has one."""
    options: Mapping[str, Any] = values["optimizer"] or {}
    name, whole = options.get("budget_variable"), options.get("max_fidelity")
    if not isinstance(name, str) or not name:
        return space
    if name not in space.dimensions:
        return replace(space, dimensions={**space.dimensions, name: Constant(whole)})
    if not isinstance(space.dimensions[name], Constant):
        root.child("optimizer.budget_variable", None).wrong(
            f"is {name!r}, which $.parameters searches: runs get their budget there; remove it there"
        )
    return space


def _one_lockbox(root: Node, space: Space) -> None:
    share = space.dimensions.get("lockbox_share")
    share_node = root.child("parameters.lockbox_share", None)
    if share is not None and not isinstance(share, Constant):
        share_node.wrong("must be a constant, {value: …}: the lockbox is the same for all runs of a sweep")
    elif isinstance(share, Constant) and share.value == 0:
        share_node.wrong("must be above 0: without a lockbox nothing is left that the sweep has not seen")


def _check_on_oom(root: Node, rule: str, space: Space) -> None:
    how, _, name = rule.partition(":")
    node = root.child("on_oom", None)
    if rule and (how != "halve" or not name):
        node.wrong(f"is {rule!r}: write halve: and a parameter's name, as in halve:batch_size")
    elif name and name not in space.dimensions:
        hint = nearest(name, space.dimensions) or ": give it a value or a range under parameters"
        node.wrong(f"halves {name!r}, which is no parameter of this sweep{hint}")


def _check_grid(parameters: Parameters | None) -> None:
    if parameters is None:
        return
    for name, dimension in parameters.space.dimensions.items():
        if dimension.grid() is None:
            parameters.nodes[name].wrong(
                "grid search cannot count real numbers: give values: [a, b, …], or a q to round to"
            )


def _configurations() -> ValueReader:
    """Return the reader of lists of configurations, which are read when the space is known."""
    return ValueReader(lambda node: node.items(), {"type": "array", "items": {"type": "object"}})


_OWN = {
    "seed": Key(integer(0), "The root of every random stream."),
    "optimizer": Key(
        mapping, "Settings of the search method; its type, if given, replaces method here.", default={}
    ),
    "forbidden": Key(_configurations(), "Combinations of values that no run may have."),
    "prior": Key(
        _configurations(), "Configurations to try first; what one leaves out is its range's middle."
    ),
    "constraints": Key(
        constraints, 'Bounds that runs must keep to count: {val/n_trades: ">= 30"}.', default=()
    ),
    "cost_metric": Key(
        line, "A metric that says what a step of a run costs: bayes then looks for most per cost.", default=""
    ),
    "repeats": Key(integer(1), "Runs of each configuration, each with a seed of its own.", default=1),
    "max_failures": Key(integer(1), "How many failed runs end the sweep."),
    "max_attempts": Key(integer(1), "How often a run whose program is killed is started in all.", default=2),
    "on_oom": Key(
        line, "What to halve in a run that ran out of memory, to try it again: halve:batch_size.", default=""
    ),
    "time_cap": Key(duration, "No new runs after this long: 2h, 90m, or seconds."),
    "resume": Key(boolean, "Whether an interrupted run continues from its newest checkpoint.", default=False),
    "resources": Key(resources, "What one run needs.", default=Resources()),
}
IGNORED = {
    "controller": Key(mapping, "W&B's choice of where the search runs: only a server heeds it."),
    "scheduler": Key(mapping, "W&B's sweep scheduler: only a server heeds it; see optimizer."),
    "apiVersion": Key(text, "W&B's version of the format: no effect here."),
    "kind": Key(one_of(("sweep",)), "W&B's name of the format: no effect here."),
    "job": Key(text, "W&B Launch: no effect here; name a program."),
    "image_uri": Key(text, "W&B Launch: no effect here; name a program."),
    "launch": Key(mapping, "W&B Launch: no effect here; name a program."),
}
SWEEP = {
    "name": Key(line, "What people call the sweep; the file's name when it is missing."),
    "description": Key(optional_text, "For people.", default=""),
    "program": Key(text, "The training script.", default=""),
    "command": Key(command, "The words that start a run.", default=DEFAULT_COMMAND),
    "method": Key(one_of(_WRITTEN_METHODS), "How to search.", missing=f"give one of {', '.join(METHODS)}"),
    "metric": Key(metric, "What to optimise."),
    "metrics": Key(metrics, "Several metrics to optimise, instead of metric."),
    "parameters": Key(PARAMETERS, "What may vary.", missing="give at least one parameter"),
    "early_terminate": Key(early_terminate, "When to end runs early."),
    "run_cap": Key(integer(1), "How many runs at most."),
    "project": Key(optional_path_name, "For people.", default=""),
    "entity": Key(optional_text, "For people.", default=""),
    **{name: Key(key.reader, key.doc, key.default, is_extension=True) for name, key in _OWN.items()},
    **SHORTHANDS,
    **IGNORED,
}
_AS_READ = (
    *("program", "command", "description", "project", "entity", "run_cap", "seed"),
    *("constraints", "cost_metric", "repeats", "max_failures", "max_attempts", "on_oom", "resume"),
    "resources",
)


def schema() -> dict[str, Any]:
    """Return the JSON schema of sweep files."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "sharpen sweep",
        "description": "A search: W&B's sweep configuration, and keys of sharpen's own beside it.",
        **schema_of(SWEEP),
        "anyOf": [
            {"required": ["metric"]},
            {"required": ["metrics"]},
            {"properties": {"method": {"enum": list(WITHOUT_METRIC)}}},
        ],
        "definitions": definitions(),
    }


DIALECTS: Mapping[str, Dialect] = {"wandb": Dialect(lambda value: True, _read_wandb)}
"""Who reads which sweep files. The first that recognises a file reads it; W&B's, the last, takes all."""
