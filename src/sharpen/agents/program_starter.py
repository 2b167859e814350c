"""Starting the program of a run, or of a population of them: its command, its environment, its folders."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.agents.assignment import assignment, variable
from sharpen.agents.forkserver import ahead
from sharpen.agents.launcher import Launcher
from sharpen.agents.program import Program, ProgramSpec, threads_of
from sharpen.agents.scratch import ScratchFolders
from sharpen.errors import UsageError
from sharpen.store.permissions import own_folder
from sharpen.store.retry import retry_when_full
from sharpen.store.rows import SweepFile, SweepRow

OF_HYDRA = "multirun.yaml"  # where a sweep of a Hydra program says that it comes from
FULL_DISK_PATIENCE_S = 15.0  # less than a lease: meanwhile nobody beats for the other slots


@dataclass
class ProgramStarter:
    """Starts the programs of one sweep.

    Attributes:
        row: The sweep as stored.
        launcher: What starts processes.
        folders: Where runs have their own folders.
        channel: The address of the coordinator.
        home: Where files for programs may be written.
        stage: What every program is told of its stage.
        environment: Variables of every program.
        is_population: Whether a program is given a list of runs, even of one.
    """

    row: SweepFile | SweepRow
    launcher: Launcher
    folders: ScratchFolders
    channel: str
    home: Path
    stage: Mapping[str, Any]
    environment: Mapping[str, str]
    is_population: bool
    spec: spec.Sweep = field(init=False)

    def __post_init__(self) -> None:
        self.spec = spec.parse(self.row.spec, where=self.row.source)
        self.environment = threads_of(self.spec.resources.threads) | dict(self.environment)
        if Path(self.row.source).name == OF_HYDRA and not any("${args" in word for word in self.spec.command):
            self.environment |= {ahead.VARIABLE: "1"}

    def prepare(self) -> None:
        """Let programs' imports begin while the coordinator makes up its mind about the first run."""
        with contextlib.suppress(UsageError):  # the first run will say so
            self.launcher.prepare(self._program_spec(self._argv(self.spec.constants, ""), {}))

    def start(self, runs: Sequence[Mapping[str, Any]], more: Mapping[str, str], *, is_early: bool) -> Program:
        """Return the program of some runs, started.

        Args:
            runs: As the coordinator has leased them.
            more: Variables of this program alone.
            is_early: Whether it may count as ended while the kernel still takes its process down.

        Raises:
            OSError: It cannot be started.
            ValueError: A word of its command cannot be passed on.
            UsageError: Its command cannot be written.
            StoreError: The disk is full.
        """
        assignments = [self._told(run) for run in runs]
        config, name = runs[0]["config"], f"{runs[0]['run_id']}-{runs[0]['token']}"
        if self.is_population:  # words of a command line could only be one run's
            config = self.spec.constants
        more = {**variable(assignments if self.is_population else assignments[0]), **more}
        return self.launcher.start(self._program_spec(self._argv(config, name), more), is_early=is_early)

    def _program_spec(self, argv: Sequence[str], more: Mapping[str, str]) -> ProgramSpec:
        return ProgramSpec(argv, Path(self.row.workdir), {**self.environment, **more})

    def _told(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a program is told of a run, with the run's folder made."""
        lease = {"run_id": run["run_id"], "token": run["token"]}
        make = partial(self.folders.make, **lease)
        folder = retry_when_full(make, str(self.folders.folder), FULL_DISK_PATIENCE_S)
        more = {**lease, "channel": self.channel, "claims": str(self.folders.claims), **self.stage}
        more |= {name: run.get(name) for name in ("seed", "checkpoint", "fidelity")}
        more |= {"waits_for": [self.spec.metric.name] if self.spec.stop else []}
        return assignment(self.spec, run["config"], folder, **more)

    def _argv(self, config: Mapping[str, Any], name: str) -> list[str]:
        """Return the command for a configuration, with the file of it written if the command names one."""
        file = self.home / "configs" / f"{name}.json"
        invocation = spec.invocation(self.spec, config, sys.executable, os.environ, str(file.resolve()))
        for path, text in invocation.files.items() if name else ():
            write = partial(_write, Path(path), text)
            retry_when_full(write, path, FULL_DISK_PATIENCE_S)
        return list(invocation.argv)


def _write(path: Path, text: str) -> None:
    own_folder(path.parent)
    path.write_text(text)
