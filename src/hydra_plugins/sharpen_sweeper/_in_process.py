"""Jobs in this process, as Hydra's basic launcher carries them out, without reading the files for each again.

Hydra composes a job's configuration from its files, which takes longer than many a trial. Values that are
set do not change which files are read: so what they are set in is composed once, and copied for each job.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

log = logging.getLogger("sharpen.hydra")


@dataclass(frozen=True)
class InProcess:
    """Carries out jobs one after the other, each with the configuration that Hydra would compose.

    Attributes:
        context: Hydra's.
        task: The program's function.
        config: The sweep's configuration.
        composed: What Hydra has composed of the words that all jobs share.
        shared: Those words.
        groups: The names of configuration groups: where a job chooses one, Hydra composes it.
    """

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    composed: DictConfig
    shared: Sequence[str]
    groups: Collection[str]

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Return what jobs gave.

        Args:
            job_overrides: The words of each, the shared ones first.
            initial_job_idx: The number of the first.
        """
        setup_globals()
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        return [
            self._one(overrides, number) for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]

    def _one(self, overrides: Sequence[str], number: int) -> JobReturn:
        log.info("\t#%d : %s", number, " ".join(filter_overrides(overrides)))
        own = OverridesParser.create().parse_overrides(list(overrides[len(self.shared) :]))
        if any(word.key_or_group in self.groups for word in own):
            job = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        else:
            job = job_config(self.config, self.composed, own)
        with open_dict(job):
            job.hydra.job.id = job.hydra.job.num = number
        result = run_job(
            self.task,
            job,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return result


def job_config(config: DictConfig, composed: DictConfig, own: Sequence[Override]) -> DictConfig:
    """Return the configuration of a job, as Hydra would compose it for all of its words.

    Args:
        config: The sweep's, whose values that were resolved once, such as times, the job shares.
        composed: That of the words that all jobs share.
        own: The words of this job alone. Each sets a value, whether there is one or not.
    """
    job = copy.deepcopy(composed)
    given: Any = job.hydra.overrides
    for word in own:
        OmegaConf.update(job, word.key_or_group, word.value(), merge=True, force_add=True)
        (given.hydra if word.is_hydra_override() else given.task).append(word.input_line)
    rules: Any = job.hydra.job.config.override_dirname
    task_overrides = [str(word) for word in cast("list[str]", OmegaConf.to_container(given.task))]
    lines = sorted(word for word in task_overrides if _key(word) not in rules.exclude_keys)
    job.hydra.job.override_dirname = rules.item_sep.join(lines).replace("=", rules.kv_sep)
    OmegaConf.copy_cache(from_config=config, to_config=job)
    return job


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0].partition("@")[0]
