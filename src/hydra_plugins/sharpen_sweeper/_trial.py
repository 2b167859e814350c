"""One run: its configuration on every fold and seed, as jobs of Hydra's launcher."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.sharpen_sweeper._checkpoints import Checkpoints
from hydra_plugins.sharpen_sweeper._command_line import CommandLine, read_command_line
from hydra_plugins.sharpen_sweeper._in_process import InProcess
from hydra_plugins.sharpen_sweeper._job_result import RETURNS_FILE, JobResult, job_result, join_returns, means
from hydra_plugins.sharpen_sweeper._overrides import override, overrides_of
from hydra_plugins.sharpen_sweeper._settings import Settings, flat_values, read_settings
from hydra_plugins.sharpen_sweeper._translation import EVALUATION, METRIC, typed_value
from sharpen import tracking
from sharpen.agents.forkserver.ahead import wait_for_run
from sharpen.errors import UsageError
from sharpen.facts import INFEASIBLE, NO_STAGE, OUT_OF_MEMORY, RETURNS, SMALLER
from sharpen.run_ids import split_last_dash
from sharpen.sweep.out_of_memory import halved, reason
from sharpen.tracking.assignment import read_assignment

log = logging.getLogger("sharpen.hydra")

IN_PROCESS = "BasicLauncher"
MEMORY_ERRORS = ("MemoryError", "OutOfMemoryError")
STAGE, PERMUTATION = "stage", "permutation_seed"
"""Keys of a program that is to know the lockbox and permuted bars."""


def evaluate(context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]) -> None:
    """Carry out the run that the agent assigns: its mean over the jobs so far is the run's metric.

    Raises:
        UsageError: A job gives no number, or the program does not know the stage.
    """
    command_line = read_command_line(arguments, config.hydra.sweeper.get("params"))
    composed = composed_for(context, config, command_line)
    base = without_hydra(composed)
    settings = read_settings(config, base, command_line, is_run=True)
    groups = groups_of(context, settings.space.parameters, command_line)
    launcher: Launcher | InProcess = _launcher(context, task, config)
    if type(launcher).__name__ == IN_PROCESS:
        launcher = InProcess(context, task, config, composed, command_line.overrides, groups)
    wait_for_run()  # until here all runs of the sweep are alike
    assigned = read_assignment(os.environ)
    with tracking.init() as run:
        chosen = dict(flat_values(run.config))
        if settings.budget_variable and run.fidelity is not None:
            chosen[settings.budget_variable] = _whole(run.fidelity)
        number = split_last_dash(assigned.run_id)[1]
        if (
            assigned.token is None
        ):  # outside of the search: at the lockbox, on permuted bars, with fresh seeds
            settings = _with_seed(settings, base, run.seed)
            chosen |= _staged(run, base)
            number = _place(run, chosen)
        elif STAGE not in base:
            run.summary[NO_STAGE] = True
        if run.stage == "lockbox":
            settings = replace(settings, folds=())
        checkpoints = Checkpoints.of(settings, run, Path(config.hydra.sweep.dir), number)
        jobs = Jobs(launcher, command_line.overrides, chosen, groups, settings, base, number, checkpoints)
        _report(run, jobs)
        checkpoints.keep(run)


def _report(run: tracking.Run, jobs: Jobs) -> None:
    """Report each job; the returns are kept, too, where the sweep ends the run before its last job."""
    results: list[JobResult] = []
    try:
        for step, (fold_and_seed, one) in enumerate(jobs.results(run)):
            results.append(one)
            if step == 0 and one.summary:
                run.summary.update(dict(one.summary))
            if not math.isfinite(one.value) and INFEASIBLE not in run.summary:
                run.summary[INFEASIBLE] = f"job {step}: {one.summary.get(INFEASIBLE, _gave(one.value))}"
            numbers = {name: value for name, value in fold_and_seed.items() if isinstance(value, int | float)}
            about = {f"{EVALUATION}/{name}": value for name, value in numbers.items()}
            mean = math.fsum(result.value for result in results) / len(results)
            own = {} if run.stage == "lockbox" else {EVALUATION: one.value, **about}
            run.log({**means(results), METRIC: mean, **own}, step=step)
    finally:
        if join_returns(results, run.dir / RETURNS_FILE):
            run.log_artifact(run.dir / RETURNS_FILE, name=RETURNS, type=RETURNS)


def _gave(value: float) -> str:
    return f"it gave {'NaN' if math.isnan(value) else value}"


def _with_seed(settings: Settings, base: Mapping[str, Any], seed: int) -> Settings:
    """Return the settings with a seed from outside in the place of their own, where the program takes one."""
    return replace(settings, seeds=(seed,)) if settings.seeds or settings.seed_keyword in base else settings


def _staged(run: tracking.Run, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells the program of its stage.

    Raises:
        UsageError: Its configuration has no key for that.
    """
    if run.stage == "search":
        return {}
    stage_values = {STAGE: run.stage} | (
        {PERMUTATION: run.permutation_seed} if run.stage == "permuted" else {}
    )
    for name in stage_values:
        if name not in base:
            raise UsageError(
                f"the program's configuration has no key {name!r}, so it does not know the {run.stage} stage:"
                f" add 'stage: search' and 'permutation_seed: null', and when stage is {run.stage!r} "
                + _ASKED[run.stage]
            )
    return stage_values


_ASKED = {
    "lockbox": "train on all development data and return the figures of the lockbox",
    "permuted": "permute the development bars by permutation_seed and return what a search returns",
}


def _place(run: tracking.Run, chosen: Mapping[str, Any]) -> str:
    about = hashlib.sha256(repr((sorted(chosen.items()), run.seed)).encode()).hexdigest()
    return f"stages/{run.stage}-{about[:8]}"


def base_of(context: HydraContext, config: DictConfig, command_line: CommandLine) -> Mapping[str, Any]:
    """Return the configuration of a job, before the search chooses anything, without Hydra's own keys."""
    return without_hydra(composed_for(context, config, command_line))


def composed_for(context: HydraContext, config: DictConfig, command_line: CommandLine) -> DictConfig:
    """Return the configuration of a job, before the search chooses anything, as Hydra composes it."""
    return context.config_loader.load_sweep_config(config, list(command_line.overrides))


def without_hydra(composed: DictConfig) -> Mapping[str, Any]:
    """Return a configuration's values but Hydra's own, interpolations as they are written."""
    plain = cast("dict[str, Any]", OmegaConf.to_container(composed))
    return {key: value for key, value in plain.items() if key != "hydra"}


def groups_of(context: HydraContext, names: Iterable[str], command_line: CommandLine) -> dict[str, str]:
    """Return which names are configuration groups, each with the sign that it was typed with."""
    loader = context.config_loader
    groups = {name: name.partition("@")[0] for name in names}
    listed = {parent: loader.list_groups(parent) for parent in {_parent(group) for group in groups.values()}}
    group_names = [
        name for name, group in groups.items() if group.rpartition("/")[2] in listed[_parent(group)]
    ]
    return {
        name: command_line.signs.get(name, "")
        for name in group_names
        if loader.get_group_options(groups[name])
    }


def _parent(group: str) -> str:
    return group.rpartition("/")[0]


def folds_and_seeds(settings: Settings) -> list[dict[str, Any]]:
    """Return what to set for each job: the fold and the seed, all folds of the first seed first.

    A keyword that the sweep is not to average over is left alone.
    """
    keywords = [(settings.seed_keyword, settings.seeds), (settings.fold_keyword, settings.folds)]
    given = [(keyword, values) for keyword, values in keywords if values]
    return [
        dict(zip([k for k, _ in given], combination, strict=True))
        for combination in product(*(v for _, v in given))
    ]


@dataclass(frozen=True)
class Jobs:
    """The jobs of one configuration.

    Attributes:
        launcher: Who carries them out.
        overrides: What the command line sets.
        chosen: What the search has chosen.
        groups: Which of that are configuration groups, see :func:`groups_of`.
        settings: The sweep's.
        base: The configuration of a job before the search chooses anything.
        number: The run's, which names the folder.
        checkpoints: Where they save and load.
        smaller: What a job has had to do with less of: so do those after it.
    """

    launcher: Launcher | InProcess
    overrides: Sequence[str]
    chosen: Mapping[str, Any]
    groups: Mapping[str, str]
    settings: Settings
    base: Mapping[str, Any]
    number: str
    checkpoints: Checkpoints
    smaller: dict[str, Any] = field(default_factory=dict[str, Any])

    def results(self, run: tracking.Run) -> Iterator[tuple[dict[str, Any], JobResult]]:
        """Yield each job's place and what it gave, in order; one by one where they share this process."""
        every = folds_and_seeds(self.settings)
        size = 1 if isinstance(self.launcher, InProcess) else len(every)
        for start in range(0, len(every), size):
            batch = every[start : start + size]
            job_overrides = [
                self._overrides(fold_and_seed, start + k, len(every)) for k, fold_and_seed in enumerate(batch)
            ]
            for k, result in enumerate(self._launched(job_overrides, start)):
                yield batch[k], self._value(result, job_overrides[k], start + k, run)

    def _launched(self, job_overrides: Sequence[Sequence[str]], start: int) -> Sequence[JobReturn]:
        """Return what jobs gave.

        Raises:
            UsageError: The function ended the program.
        """
        try:
            return self.launcher.launch(job_overrides, initial_job_idx=start)
        except tracking.Stopped:
            raise
        except SystemExit as ended:
            code = 0 if ended.code is None else ended.code
            sentence = (
                f"job {start}: the function called sys.exit({code!r}): let it return the number to minimise"
            )
            raise UsageError(sentence) from ended

    def _overrides(self, fold_and_seed: Mapping[str, Any], at: int, n: int) -> list[str]:
        folder = self.number if n == 1 else f"{self.number}/{at}"
        values = {**self.chosen, **self.smaller, **fold_and_seed, **self.checkpoints.overrides(at)}
        return [*self.overrides, *overrides_of(values, self.groups), f"hydra.sweep.subdir={folder}"]

    def _value(self, result: JobReturn, overrides: list[str], at: int, run: tracking.Run) -> JobResult:
        """Return what a job gave; one that ran out of memory is tried again with less, if that is wanted."""
        if result.status == JobStatus.COMPLETED:
            return job_result(result)
        error: Any = cast("Any", result)._return_value
        if type(error).__name__ not in MEMORY_ERRORS:
            raise error
        smaller = self._smaller(overrides)
        config = {**dict(flat_values(self.base)), **self.chosen}
        if smaller is None:
            run.summary[OUT_OF_MEMORY] = f"job {at}: {error}"
            run.summary[INFEASIBLE] = reason(type(error).__name__, config)
            log.warning("job %d: %s", at, run.summary[INFEASIBLE])
            return JobResult(math.nan)
        log.warning("out of memory: again with %s", smaller[-1])
        name, _, value = smaller[-1].lstrip("+").partition("=")
        run.summary[OUT_OF_MEMORY] = f"{name} {config.get(name)} -> {value}"
        self.smaller[name] = typed_value(value)
        run.summary[SMALLER] = dict(self.smaller)
        again = self._launched([smaller], at)[0]
        return self._value(again, smaller, at, run)

    def _smaller(self, overrides: list[str]) -> list[str] | None:
        """Return the overrides with the memory's parameter halved; None when that is not wanted."""
        _, _, name = self.settings.on_oom.partition(":")
        written = next(
            (word for word in reversed(overrides) if word.lstrip("+").startswith(f"{name}=")), None
        )
        now = typed_value(written.partition("=")[2]) if written else dict(flat_values(self.base)).get(name)
        less = halved(self.settings.on_oom, {name: now})
        return None if less is None else [*overrides, override(name, less[name])]


def _launcher(context: HydraContext, task: TaskFunction, config: DictConfig) -> Launcher:
    plugins = Plugins.instance()
    return plugins.instantiate_launcher(hydra_context=context, task_function=task, config=config)


def _whole(fidelity: float) -> float | int:
    return int(fidelity) if float(fidelity).is_integer() else fidelity
