"""The class that Hydra makes for ``-m``, and the other names by which configurations ask for it."""

from __future__ import annotations

import os
import sys
from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SharpenSweeper(Sweeper):
    """Searches with sharpen's methods, agents and store.

    Started by ``-m`` it creates the sweep, or goes on with the one of its folder, and keeps the files of the
    sweep's folder up to date. An agent starts the same command for each run: then it evaluates that run's
    configuration, one job of Hydra's launcher for each fold and seed.

    Args:
        settings: The keys of ``hydra.sweeper``; they are read again, with their places, from the whole
            configuration.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._basic: Sweeper | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has read."""
        from hydra_plugins.sharpen_sweeper._settings import asks_for_a_search  # noqa: PLC0415

        self._context, self._task, self._config = hydra_context, task_function, config
        if not asks_for_a_search(config):
            from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # noqa: PLC0415

            self._basic = BasicSweeper(
                self._settings.get("max_batch_size"), self._settings.get("params") or None
            )
            self._basic.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep, or, where an agent has started this program, the run that it assigns.

        Args:
            arguments: What the command line sets, but for the keys of ``hydra``.
        """
        if self._basic is not None:
            return self._basic.sweep(arguments)
        from sharpen.agents.forkserver.ahead import is_ahead  # noqa: PLC0415
        from sharpen.errors import SharpenError, UsageError  # noqa: PLC0415

        try:
            if os.environ.get("SHARPEN_RUN") or is_ahead():
                from hydra_plugins.sharpen_sweeper._trial import evaluate as carry_out  # noqa: PLC0415
            else:
                from hydra_plugins.sharpen_sweeper._search import search as carry_out  # noqa: PLC0415
            return carry_out(self._context, self._task, self._config, arguments)
        except SharpenError as problem:
            print(f"sharpen: {problem.message}", file=sys.stderr)
            sys.exit(2 if isinstance(problem, UsageError) else 1)
