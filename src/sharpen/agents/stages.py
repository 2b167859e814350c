"""Running a sweep's program outside of its search: at the lockbox, on permuted bars, with fresh seeds."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sharpen import facts, spec
from sharpen.agents.assignment import assignment, variable
from sharpen.agents.interrupts import interrupts
from sharpen.agents.program import Program, ProgramSpec, start_cold, threads_of
from sharpen.agents.scratch import CLAIMS
from sharpen.errors import SharpenError
from sharpen.space import Space
from sharpen.store.rows import RunRow, SweepRow
from sharpen.tracking import Stage
from sharpen.wire import address_of

POLL_S = 0.05
Watch = Callable[[int, str], object]
BARS = (facts.HASH, facts.LOCKBOX_HASH, facts.LOCKBOX_FIRST)  # what a summary says of the bars


@dataclass(frozen=True, slots=True)
class Task:
    """A configuration to be carried out in a stage.

    Attributes:
        stage: Which.
        config: By dotted name; for what is not in it the program's own defaults hold.
        seed: What the program is to train with.
        where: Where it is carried out, for the message when it fails: ``on the lockbox``.
        permutation_seed: Of the history, in the stage ``permuted``.
        fidelity: How much to spend on it; None for the whole.
    """

    stage: Stage
    config: Mapping[str, Any]
    seed: int
    where: str
    permutation_seed: int | None = None
    fidelity: float | None = None


@dataclass
class StageRun:
    """What a program said of one configuration in a stage.

    Attributes:
        metrics: What it logged last, by name.
        returns: SHA-256 of its returns artifact in the store's blobs; empty without one.
        saved: The same of what a policy saved against baselines.
        summary: What it said of the run as a whole.
        steps: What it logged, step by step.
        error: Why it failed, where that is told and not raised; else empty.
    """

    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    returns: str = ""
    saved: str = ""
    summary: dict[str, Any] = field(default_factory=dict[str, Any])
    steps: list[tuple[int, dict[str, Any]]] = field(default_factory=list[tuple[int, dict[str, Any]]])
    error: str = ""


def carry_out(
    home: Path,
    sweep: SweepRow,
    tasks: Iterable[Task],
    n_slots: int = 1,
    *,
    tell_failures: bool = False,
    watch: Watch = lambda index, text: None,
) -> Generator[tuple[int, StageRun]]:
    """Give the index of each task and what the sweep's program said of it, in the order of ending.

    Programs that are at work when the generator is closed, or interrupted, or when one of them fails, are
    killed.

    Args:
        home: The store's folder; artifacts go to its blobs.
        sweep: Whose program and folder.
        tasks: What to carry out.
        n_slots: How many programs run at once.
        tell_failures: Whether a program that fails is told as a run with an error, and the others go on.
        watch: Is told the index of a task and the whole lines that its program has just printed.

    Raises:
        SharpenError: A program failed.
        KeyboardInterrupt: SIGINT or SIGTERM came.
    """
    search = spec.parse(sweep.spec, where=sweep.source)
    waiting = list(enumerate(tasks))[::-1]
    at_work: dict[int, _AtWork] = {}
    with interrupts() as signals, tempfile.TemporaryDirectory(prefix="sharpen-stage-") as folder:
        try:
            while (waiting or at_work) and not signals:
                while waiting and len(at_work) < n_slots:
                    index, task = waiting.pop()
                    at_work[index] = _start(home, sweep, search, task, Path(folder) / str(index))
                ended = [
                    index for index, running in at_work.items() if running.is_over(partial(watch, index))
                ]
                for index in ended:
                    yield index, at_work.pop(index).end(tell_failures)
                if not ended:
                    time.sleep(POLL_S)
            if signals:
                raise KeyboardInterrupt
        finally:
            for running in at_work.values():
                running.program.close()


def refuse_other_bars(run: RunRow, result: StageRun) -> None:
    """Refuse figures of bars that are not those of the run; what either does not say is not compared.

    Raises:
        SharpenError: The data changed since the run, with what it was and what it is.
    """
    common = [name for name in BARS if name in run.summary and name in result.summary]
    changed = [
        f"{name} was {run.summary[name]}, is {result.summary[name]}"
        for name in common
        if run.summary[name] != result.summary[name]
    ]
    if changed:
        raise SharpenError(
            f"the data changed since run {run.id}: {'; '.join(changed)}. Nothing was shown. Fix: bring back "
            "the data that the sweep saw, or run the sweep again"
        )


@dataclass(frozen=True, slots=True)
class _AtWork:
    """A program that has been started, and the file that it writes to."""

    task: Task
    program: Program
    results: Path

    def is_over(self, tell: Callable[[str], object]) -> bool:
        """Take in what the program has printed, and tell it; return whether it has ended."""
        self.program.read()
        if text := self.program.output.take()[1]:
            tell(text)
        return self.program.exit_code is not None

    def end(self, tell_failures: bool) -> StageRun:
        """Return what the program said, once it is over."""
        exit_code = self.program.exit_code
        self.program.close()
        if exit_code != 0:
            last = self.program.output.last_words() or exit_code
            message = f"the program failed {self.task.where}: {last}"
            if tell_failures:
                return StageRun(error=message)
            raise SharpenError(message)
        return _read(self.results)


def _start(home: Path, sweep: SweepRow, search: spec.Sweep, task: Task, folder: Path) -> _AtWork:
    folder.mkdir()
    results = folder / "results.jsonl"
    dimensions = {
        name: dimension for name, dimension in search.space.dimensions.items() if name in task.config
    }
    search = replace(search, space=Space(dimensions))
    fields = {"channel": address_of(home), "results": str(results), "seed": task.seed, "stage": task.stage}
    fields |= {"permutation_seed": task.permutation_seed, "fidelity": task.fidelity}
    if task.permutation_seed is None:  # several are at work at once; no file of a permuted history is kept
        fields |= {"claims": str(folder.parent / CLAIMS)}
    config = search.with_budget(task.config, task.fidelity)
    assigned = variable(assignment(search, config, folder / "scratch", **fields))
    invocation = spec.invocation(search, config, sys.executable, os.environ, str(folder / "config.json"))
    for path, text in invocation.files.items():
        Path(path).write_text(text)
    environment = threads_of(search.resources.threads) | assigned
    return _AtWork(task, start_cold(ProgramSpec(invocation.argv, Path(sweep.workdir), environment)), results)


def _read(results: Path) -> StageRun:
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    result = StageRun()
    for row in rows:
        if "metrics" in row:
            result.metrics.update(row["metrics"])
            result.steps.append((row["step"], row["metrics"]))
        result.summary.update(row.get("summary", {}))
        match row.get("artifact", {}):
            case {"type": facts.RETURNS, "digest": digest}:
                result.returns = digest
            case {"type": facts.SAVED, "digest": digest}:
                result.saved = digest
            case _:
                pass
    return result
