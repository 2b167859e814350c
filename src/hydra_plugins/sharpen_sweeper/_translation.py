"""A Hydra sweep as the sweep file that is stored: any face of sharpen reads it from there."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import yaml

from hydra_plugins.sharpen_sweeper._settings import Settings
from sharpen import spec
from sharpen.errors import NotFound, UsageError
from sharpen.optimizers.generations import Plan
from sharpen.space import Space

METRIC = "performance"
EVALUATION = "evaluation"
"""What a job gave, beside the mean over the jobs so far under :data:`METRIC`."""
MOST_WARM = 10


def sweep_text(settings: Settings, name: str, program: str, command: Sequence[str]) -> str:
    """Return the text of the sweep file; how many runs is left out, for it may change.

    Raises:
        UsageError: A file to start from cannot be used.
    """
    document: dict[str, Any] = {
        "name": name,
        "description": "A Hydra sweep; its files are in the folder that hydra.sweep.dir names below.",
        "program": program,
        "command": list(command),
        "metric": {"name": METRIC, "goal": "maximize" if settings.maximize else "minimize"},
        "parameters": {name: dict(value) for name, value in settings.space.parameters.items()},
    }
    document |= {"optimizer": {"type": settings.method, **settings.options}, "method": "custom"}
    if settings.seed is not None:
        document["seed"] = int(settings.seed)
    if settings.space.forbidden:
        document["forbidden"] = [dict(one) for one in settings.space.forbidden]
    if settings.early_terminate:
        document["early_terminate"] = dict(settings.early_terminate)
    space = spec.parse(_dump(document), where="hydra.sweeper").space if settings.space.default else None
    prior = first_configurations(settings, space)
    if prior:
        document["prior"] = [dict(one) for one in prior]
    return _dump(document)


def _dump(document: Mapping[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def run_cap(settings: Settings) -> int | None:
    """Return how many runs there are at most; of a population that is one for each interval of each member.

    Who writes the population's size as ``n_trials`` means whole trainings, so the intervals are counted then.

    >>> from sharpen.spec.configspace import SearchSpace
    >>> members = {"population": 20, "interval": 50000, "max_fidelity": 500000}
    >>> run_cap(Settings("pb2", SearchSpace({}), 20, options=members))
    200
    >>> run_cap(Settings("pb2", SearchSpace({}), 30, options=members))
    30
    """
    n, options = settings.n_trials, settings.options
    interval, most = options.get("interval"), options.get("max_fidelity")
    if n is None or n != options.get("population") or not interval or not most:
        return n
    plan = Plan(n, float(interval), float(most), 0.5)
    n_intervals = next(at for at in count() if plan.is_over(at))
    return n * n_intervals + len(first_configurations(settings))


class _Dumper(yaml.SafeDumper):
    """Writes texts such that no reader takes them for numbers: YAML 1.1 and 1.2 differ on ``1e-3``."""


def _text(dumper: Any, text: str) -> yaml.ScalarNode:
    style = "'" if text[:1] in "+-.0123456789" and text.isprintable() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def whole_default(settings: Settings, space: Space) -> Mapping[str, Any]:
    """Return the configuration of the defaults; empty where none is given.

    A parameter without one has the value that the program's own configuration has. Where that is none of the
    space, it has the first of its choices; a number is left out, which is its middle.
    """
    given = settings.space.default
    if not all(name in space.dimensions and space.dimensions[name].contains(given[name]) for name in given):
        return given  # what is wrong with it is told where the sweep is read
    default = dict(given)
    for name in [name for name in space.dimensions if name not in given]:
        values = [settings.own[name]] if name in settings.own else []
        values += cast("list[Any]", settings.space.parameters.get(name, {}).get("values") or [])[:1]
        fit = [value for value in values if space.dimensions[name].contains(value)]
        default |= {name: fit[0]} if fit else {}
    config = space.complete(default)
    fitting = {name: value for name, value in default.items() if name in config or name in given}
    return fitting if space.allows(config) else given


def first_configurations(settings: Settings, space: Space | None = None) -> list[Mapping[str, Any]]:
    """Return the configurations to try first: the defaults, then those to start warm from.

    Without the space the defaults are those that are given.
    """
    default = settings.space.default if space is None else whole_default(settings, space)
    configs = [default] if default else []
    configs += settings.warmstart
    if settings.warmstart_file:
        configs += best_of_file(Path(settings.warmstart_file), settings, MOST_WARM)
    unique = {repr(sorted(one.items())): one for one in configs}
    return list(unique.values())


def best_of_file(path: Path, settings: Settings, n: int) -> list[Mapping[str, Any]]:
    """Return the best configurations of a runhistory, by their mean performance, without the unknown columns.

    Raises:
        UsageError: There is no such file, or it has no column of a parameter.
    """
    rows = read_runhistory(path)
    names = [name for name in settings.space.parameters if rows and name in rows[0]]
    if not names:
        raise UsageError(f"{path}: no column is called as a parameter of the search space")
    values: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        values.setdefault(tuple(row[name] for name in names), []).append(
            float(row["performance"] or math.nan)
        )
    sign = -1.0 if settings.maximize else 1.0
    means = {key: sign * math.fsum(scores) / len(scores) for key, scores in values.items()}
    order = sorted((key for key in means if math.isfinite(means[key])), key=means.__getitem__)
    options = {name: _options(settings.space.parameters[name]) for name in names}
    return [
        {
            name: options[name].get(text, typed_value(text))
            for name, text in zip(names, key, strict=True)
            if text != "" or "" in options[name]
        }
        for key in order[:n]
    ]


def _options(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a parameter's options are by how a table spells them; of two alike the first."""
    values = cast("list[Any]", parameter.get("values") or [])
    return {"" if value is None else str(value): value for value in reversed(values)}


def typed_value(text: str) -> Any:
    """Return the value that a cell of a table spells.

    >>> typed_value("1e-05"), typed_value("7"), typed_value("True"), typed_value("relu")
    (1e-05, 7, True, 'relu')
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"True": True, "False": False}.get(text, text)


def read_runhistory(path: Path) -> list[dict[str, str]]:
    """Return the rows of a runhistory, texts by column.

    Raises:
        NotFound: There is no such file.
    """
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    except OSError as problem:
        raise NotFound(f"{path}: {problem.strerror}: name the runhistory.csv of a sweep") from problem
