"""One run: its configuration on every fold and seed, as jobs of Hydra's launcher."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, cast

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.sharpen_sweeper._settings import Settings, read_settings
from hydra_plugins.sharpen_sweeper._translation import EVALUATION, METRIC
from hydra_plugins.sharpen_sweeper._typed import Typed, read_typed
from hydra_plugins.sharpen_sweeper._words import override
from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.tracking.assignment import read_assignment

log = logging.getLogger("sharpen.hydra")

IN_PROCESS = "BasicLauncher"
OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")


def evaluate(context: HydraContext, task: TaskFunction, config: DictConfig, arguments: list[str]) -> None:
    """Carry out the run that the agent assigns: its mean over the jobs so far is the run's metric.

    Raises:
        UsageError: A job gives no number.
    """
    typed = read_typed(arguments)
    settings = read_settings(config, base_of(context, config, typed), typed)
    number = read_assignment(os.environ).run_id.rpartition("-")[2] or "alone"
    with tracking.init() as run:
        chosen = dict(_flat(run.config))
        if settings.budget_variable and run.fidelity is not None:
            chosen[settings.budget_variable] = _whole(run.fidelity)
        jobs = Jobs(_launcher(context, task, config), typed.words, chosen, settings, number)
        values: list[float] = []
        for step, (place, value) in enumerate(jobs.results(run)):
            values.append(value)
            about = {
                f"{EVALUATION}/{name}": each for name, each in place.items() if isinstance(each, int | float)
            }
            run.log({METRIC: math.fsum(values) / len(values), EVALUATION: value, **about}, step=step)


def base_of(context: HydraContext, config: DictConfig, typed: Typed) -> Mapping[str, Any]:
    """Return the configuration of a job, before the search chooses anything, without Hydra's own keys."""
    composed = context.config_loader.load_sweep_config(config, list(typed.words))
    found = cast("dict[str, Any]", OmegaConf.to_container(composed))
    return {key: value for key, value in found.items() if key != "hydra"}


def places(settings: Settings) -> list[dict[str, Any]]:
    """Return what to set for each job: the fold and the seed, all folds of the first seed first.

    A keyword that the sweep is not to average over is left alone.
    """
    keywords = [(settings.seed_keyword, settings.seeds), (settings.fold_keyword, settings.folds)]
    given = [(keyword, values) for keyword, values in keywords if values]
    return [dict(zip([k for k, _ in given], each, strict=True)) for each in product(*(v for _, v in given))]


@dataclass(frozen=True)
class Jobs:
    """The jobs of one configuration.

    Attributes:
        launcher: Who carries them out.
        words: What the command line sets.
        chosen: What the search has chosen.
        settings: The sweep's.
        number: The run's, which names the folder.
    """

    launcher: Launcher
    words: Sequence[str]
    chosen: Mapping[str, Any]
    settings: Settings
    number: str

    def results(self, run: tracking.Run) -> Iterator[tuple[dict[str, Any], float]]:
        """Yield each job's place and its value, in order; one after another where they share this process."""
        every = places(self.settings)
        size = 1 if type(self.launcher).__name__ == IN_PROCESS else len(every)
        for start in range(0, len(every), size):
            batch = every[start : start + size]
            words = [self._words(place, start + k, len(every)) for k, place in enumerate(batch)]
            for k, result in enumerate(self.launcher.launch(words, initial_job_idx=start)):
                yield batch[k], self._value(result, words[k], start + k, run)

    def _words(self, place: Mapping[str, Any], at: int, n: int) -> list[str]:
        folder = self.number if n == 1 else f"{self.number}/{at}"
        sets = [override(name, value) for name, value in {**self.chosen, **place}.items()]
        return [*self.words, *sets, f"hydra.sweep.subdir={folder}"]

    def _value(self, result: JobReturn, words: list[str], at: int, run: tracking.Run) -> float:
        """Return a job's value; one that ran out of memory is tried again with less, if that is wanted."""
        if result.status == JobStatus.COMPLETED:
            return value_of(result.return_value)
        error: Any = cast("Any", result)._return_value
        if type(error).__name__ not in OUT_OF_MEMORY:
            raise error
        smaller = self._smaller(words)
        run.summary["out_of_memory"] = f"job {at}: {error}"
        if smaller is None:
            run.summary["infeasible"] = "out of memory"
            return math.nan
        log.warning("out of memory: again with %s", smaller[-1])
        again = self.launcher.launch([smaller], initial_job_idx=at)[0]
        return self._value(again, smaller, at, run)

    def _smaller(self, words: list[str]) -> list[str] | None:
        """Return the words with the memory's parameter halved; None when that is not wanted."""
        how, _, name = self.settings.on_oom.partition(":")
        if how != "halve":
            return None
        written = next((word for word in reversed(words) if word.lstrip("+").startswith(f"{name}=")), None)
        now = int(float(written.partition("=")[2])) if written else 0
        return None if now <= 1 else [*words, override(name, now // 2)]


def value_of(value: Any) -> float:
    """Return what a job's function returned as a number.

    Raises:
        UsageError: It is none.

    >>> value_of({"performance": 0.5}), value_of(2)
    (0.5, 2.0)
    """
    if isinstance(value, Mapping):
        value = cast("Mapping[str, Any]", value).get(METRIC)
    try:
        return float(value)
    except (TypeError, ValueError):
        words = f"the function gave {value!r}: return the number to minimise, or a mapping with {METRIC!r}"
        raise UsageError(words) from None


def _launcher(context: HydraContext, task: TaskFunction, config: DictConfig) -> Launcher:
    plugins = Plugins.instance()
    return plugins.instantiate_launcher(hydra_context=context, task_function=task, config=config)


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(cast("Mapping[str, Any]", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _whole(fidelity: float) -> float | int:
    return int(fidelity) if float(fidelity).is_integer() else fidelity
