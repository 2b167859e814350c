"""What a Hydra configuration says of its sweep, in whichever of the known forms, as one value."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from hydra_plugins.sharpen_sweeper import registration
from hydra_plugins.sharpen_sweeper._command_line import CommandLine
from hydra_plugins.sharpen_sweeper._options import POPULATIONS, method_options
from sharpen import optimizers
from sharpen.hints import Problem, join, nearest, refuse
from sharpen.spec.configspace import SearchSpace, read_search_space

log = logging.getLogger("sharpen.hydra")

ANALYSES = ("lpi", "ablation")
CONSTRUCTORS = {
    "rs": "random",
    **{name: name for name in ("random", "smac", "dehb", "pbt", "pb2", "hebo", *ANALYSES)},
}
"""What comes after ``make_`` in the name of a constructor, and which method that is."""
_CANONICAL = {
    "hydra_plugins.hyper_pbt.hyper_pbt.make_pb2": "hydra_plugins.hyper_pbt.hyper_pb2.make_pb2",
}
WITHOUT_EFFECT = {
    **dict.fromkeys(("wandb_project", "wandb_entity", "wandb_tags"), "sharpen stores the sweep itself"),
    **dict.fromkeys(("slurm", "slurm_timeout"), "choose a launcher: hydra/launcher: submitit_slurm"),
    **dict.fromkeys(("job_array_size_limit", "max_parallelization"), "say how many at once with n_workers"),
    "resume": "-m with the same hydra.sweep.dir goes on with its sweep",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """A sweep as a Hydra configuration describes it.

    Attributes:
        method: The search method, or an analysis of a sweep that has been.
        space: What may vary.
        n_trials: How many configurations; None when nothing says it.
        n_workers: Runs at a time; None for one a core.
        options: Settings of the method.
        folds: Values of the fold's keyword that a configuration is averaged over; empty to leave it alone.
        fold_keyword: The key that says which fold.
        seeds: The same of the seed.
        seed_keyword: The key that says the seed.
        maximize: Whether a larger value is better.
        seed: The root of every random choice of the search.
        budget_variable: The key that says how much to spend on a configuration; empty for none.
        saving_variable: The key that says where a job saves its checkpoint; empty for none.
        loading_variable: The same of the checkpoint that it goes on from.
        checkpoint_suffix: How the names of checkpoints end.
        warmstart: Configurations to try first.
        warmstart_file: A runhistory to take such configurations from.
        early_terminate: When to end a configuration before its last fold, as in a sweep file.
        on_oom: What to do about a job that runs out of memory: ``halve:KEY``, or nothing.
        data_path: The runhistory of an analysis.
        own: What the program's configuration has, by its full names, and which option of each group.
        notes: What was read in another spelling: (place, sentence).
    """

    method: str
    space: SearchSpace
    n_trials: int | None = None
    n_workers: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    folds: tuple[Any, ...] = ()
    fold_keyword: str = "fold_id"
    seeds: tuple[Any, ...] = ()
    seed_keyword: str = "seed"
    maximize: bool = False
    seed: int | None = None
    budget_variable: str = ""
    saving_variable: str = ""
    loading_variable: str = ""
    checkpoint_suffix: str = ""
    warmstart: tuple[Mapping[str, Any], ...] = ()
    warmstart_file: str = ""
    early_terminate: Mapping[str, Any] | None = None
    on_oom: str = ""
    data_path: str = ""
    own: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[Problem, ...] = ()


def asks_for_a_search(config: DictConfig) -> bool:
    """Return whether anything in a configuration says how to search."""
    sections = _sections(config, [])
    return any(
        section.get(key) is not None for section, _ in sections for key in ("opt_constructor", "method")
    )


def read_settings(
    config: DictConfig, base: Mapping[str, Any], command_line: CommandLine, *, is_run: bool = False
) -> Settings:
    """Return the settings of a sweep.

    Args:
        config: The whole configuration, with its ``hydra`` key.
        base: The configuration of a job before the search chooses anything.
        command_line: What the command line sets: it wins over the search space.
        is_run: Whether this is for one run of it, which need not know how many there are.

    Raises:
        SpecError: It has problems; all of them are listed.
    """
    reading = _Reading([], [], is_run)
    flat = _flat(_sections(config, reading.notes), reading)
    space = _as_typed(_space(config, flat, command_line, reading), command_line, reading)
    settings = _settings(flat, space, (base, command_line), reading)
    if reading.problems:
        raise refuse("the sweeper's configuration", reading.problems)
    chosen = _plain(OmegaConf.select(config, "hydra.runtime.choices"))
    return replace(settings, own={**chosen, **dict(flat_values(base))})


def flat_values(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a configuration by their full names.

    >>> dict(flat_values({"net": {"dims": [64, 32]}, "lr": 0.1}))
    {'net.dims': [64, 32], 'lr': 0.1}
    """
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from flat_values(cast("Mapping[str, Any]", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _as_typed(space: SearchSpace, command_line: CommandLine, reading: _Reading) -> SearchSpace:
    """Return the space without what the command line fixes, and with what it sweeps over."""
    for name in command_line.fixed:
        if name in space.parameters:
            reading.note(
                f"hydra.sweeper.search_space.{name}", "is set on the command line, so that it stays fixed"
            )
    kept = {name: one for name, one in space.parameters.items() if name not in command_line.fixed}
    default = {
        name: one for name, one in space.default.items() if name in kept and name not in command_line.swept
    }
    return replace(space, parameters={**kept, **command_line.swept}, default=default)


@dataclass
class _Reading:
    """What has been found so far: problems, and notes on spellings."""

    problems: list[Problem]
    notes: list[Problem]
    is_run: bool = False

    def note(self, path: str, sentence: str) -> None:
        if (path, sentence) not in self.notes:
            self.notes.append((path, sentence))

    def wrong(self, path: str, sentence: str) -> None:
        self.problems.append((path, sentence))


Section = tuple[Mapping[str, Any], str]


def _sections(config: DictConfig, notes: list[Problem]) -> list[Section]:
    """Return the places that describe the sweep, the weakest first, each with its path."""
    sections: list[Section] = []
    misplaced = OmegaConf.select(config, "sweeper.hydra.sweeper")
    if isinstance(misplaced, DictConfig):
        notes.append(
            (
                "sweeper.hydra.sweeper",
                "is read as hydra.sweeper: begin the file with the line '# @package _global_'",
            )
        )
        sections.append((_plain(misplaced), "sweeper.hydra.sweeper"))
    proper = OmegaConf.select(config, "hydra.sweeper")
    sections.append((_plain(proper), "hydra.sweeper"))
    return sections


def _plain(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", OmegaConf.to_container(value, resolve=True)) if value is not None else {}


_TOP = (*registration.HYPERSWEEPER_KEYS, *registration.OWN_KEYS, "max_batch_size", "params")
_KNOWN_TOP = ("_target_", "opt_constructor", *_TOP, "sweeper_kwargs")


def _flat(sections: list[Section], reading: _Reading) -> dict[str, tuple[Any, str]]:
    """Return every setting with where it stands, those of the lower levels beside those of the top."""
    by_name: dict[str, tuple[Any, str]] = {}
    for section, path in sections:
        _known(section, path, _KNOWN_TOP, reading)
        kwargs: dict[str, Any] = section.get("sweeper_kwargs") or {}
        _take(by_name, section, path, _KNOWN_TOP)
        within = f"{path}.sweeper_kwargs"
        options: dict[str, Any] = dict(kwargs.get("optimizer_kwargs") or {})
        for key, value in kwargs.items():
            if key in registration.OPTIMIZER_KEYS and value is not None:
                reading.note(f"{within}.{key}", f"is read as sweeper_kwargs.optimizer_kwargs.{key}")
                options[key] = value
        allowed = (*registration.KWARGS_KEYS, *registration.OPTIMIZER_KEYS, "optimizer_kwargs")
        _known(kwargs, within, allowed, reading)
        _take(by_name, kwargs, within, registration.KWARGS_KEYS)
        for key, value in options.items():
            if value is not None:
                by_name[f"option {key}"] = (value, f"{within}.optimizer_kwargs.{key}")
    return by_name


def _known(section: Mapping[str, Any], path: str, known: tuple[str, ...], reading: _Reading) -> None:
    for key, value in section.items():
        if key not in known:
            reading.wrong(f"{path}.{key}", f"no such key{nearest(key, known)}")
        elif key in WITHOUT_EFFECT and value not in (None, False):
            reading.note(f"{path}.{key}", f"has no effect: {WITHOUT_EFFECT[key]}")


def _take(
    by_name: dict[str, tuple[Any, str]], section: Mapping[str, Any], path: str, keys: tuple[str, ...]
) -> None:
    for key in keys:
        if section.get(key) is not None and key != "sweeper_kwargs":
            by_name[key] = (section[key], f"{path}.{key}")


def _space(
    config: DictConfig, flat: dict[str, tuple[Any, str]], command_line: CommandLine, reading: _Reading
) -> SearchSpace:
    value, path = flat.get("search_space", (None, ""))
    if value is None and OmegaConf.select(config, "search_space") is not None:
        value, path = _plain(config.search_space), "search_space"
        reading.note("search_space", "is read as hydra.sweeper.search_space: set it to ${search_space}")
    if value is None:
        constructor = str(flat.get("opt_constructor", ("", ""))[0])
        if constructor.rpartition("make_")[2] not in ANALYSES and not command_line.swept:
            reading.wrong("hydra.sweeper.search_space", "is missing: give it, or set it to ${search_space}")
        return SearchSpace({})
    space = read_search_space(value, path, reading.problems)
    for note_path, sentence in space.notes:
        reading.note(note_path, sentence)
    return space


def _settings(
    flat: dict[str, tuple[Any, str]],
    space: SearchSpace,
    given: tuple[Mapping[str, Any], CommandLine],
    reading: _Reading,
) -> Settings:
    base, command_line = given

    def get(key: str, default: Any = None) -> Any:
        return flat.get(key, (default, ""))[0]

    method = _method(flat, reading)
    scenario = cast("dict[str, Any]", get("option scenario", {}) or {})
    design = cast("dict[str, Any]", get("option initial_design", {}) or {})
    fold_keyword = str(get("fold_keyword", "fold_id"))
    folds = () if fold_keyword in command_line.fixed else _listed(get("folds"))
    is_free = fold_keyword not in command_line.fixed and get("seed_keyword") != fold_keyword
    if not folds and is_free and {fold_keyword, "n_folds"} <= set(base):
        folds = tuple(range(int(base["n_folds"])))
    budget = str(get("budget_variable", ""))
    if budget and budget in command_line.fixed and method not in POPULATIONS:
        reading.note(f"hydra.sweeper.budget_variable: {budget}", BUDGET_TYPED)
    n_trials = get("n_trials", scenario.get("n_trials"))
    if n_trials is None and method not in ANALYSES and not reading.is_run:
        reading.wrong("hydra.sweeper.n_trials", "is missing: say how many configurations to try")
    if n_trials is not None and (type(n_trials) is not int or n_trials < 1):
        reading.wrong("hydra.sweeper.n_trials", f"is {n_trials!r}: give a whole number, 1 or more")
        n_trials = None
    _check_on_oom(str(get("on_oom", "")), flat, reading)
    return Settings(
        method=method,
        space=space,
        n_trials=n_trials,
        n_workers=get("n_workers", scenario.get("n_workers")),
        options=method_options(method, flat, base, reading.note),
        folds=folds,
        fold_keyword=fold_keyword,
        seeds=_listed(get("seeds")),
        seed_keyword=str(get("seed_keyword", "seed")),
        maximize=bool(get("maximize", False)),
        seed=get("seed", scenario.get("seed")),
        budget_variable=budget,
        saving_variable=str(get("saving_variable", "")),
        loading_variable=str(get("loading_variable", "")),
        checkpoint_suffix=str(get("checkpoint_path_typing", "")),
        warmstart=tuple(get("warmstart", ())),
        warmstart_file=str(get("warmstart_file", design.get("warmstart_file", ""))),
        early_terminate=get("early_terminate"),
        on_oom=str(get("on_oom", "")),
        data_path=str(get("option data_path", "")),
        notes=tuple(reading.notes),
    )


def _check_on_oom(rule: str, flat: dict[str, tuple[Any, str]], reading: _Reading) -> None:
    how, _, name = rule.partition(":")
    if rule and (how != "halve" or not name):
        sentence = f"is {rule!r}: write halve: and a parameter's name, as in halve:batch_size"
        reading.wrong(flat["on_oom"][1], sentence)


BUDGET_TYPED = (
    "is set on the command line, but a run's budget takes its place: set max_fidelity for the most of it"
)


def _listed(value: Any) -> tuple[Any, ...]:
    """Return the values of a keyword: a list's, or the whole numbers below a number."""
    if value is None:
        return ()
    return tuple(range(value)) if isinstance(value, int) else tuple(value)


def _method(flat: dict[str, tuple[Any, str]], reading: _Reading) -> str:
    if "method" in flat:
        method, path = flat["method"]
    else:
        written, path = flat.get("opt_constructor", ("", "hydra.sweeper.opt_constructor"))
        canonical = _CANONICAL.get(written, written)
        if canonical != written:
            reading.note(path, f"{written} is read as {canonical}")
        match = re.search(r"make_(\w+)$", str(canonical))
        name = match[1] if match else str(canonical).rpartition(".")[2]
        method = CONSTRUCTORS.get(name)
        if method is None:
            reading.wrong(path, f"{written!r} is no search method here; known: {join(CONSTRUCTORS)}")
            return ""
    if method not in optimizers.names() and method not in ANALYSES:
        meant, known = nearest(str(method), optimizers.names()), join(optimizers.names())
        sentence = (
            f"there is no search method {method!r} here yet{meant}: set hydra.sweeper.method to one of "
        )
        reading.wrong(path, sentence + known)
    return str(method)
