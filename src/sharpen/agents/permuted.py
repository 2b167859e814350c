"""Running a sweep's program on histories whose bars come in random order."""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.agents.stages import StageRun, Task, carry_out, refuse_other_bars
from sharpen.errors import SharpenError
from sharpen.facts import BASELINE
from sharpen.jsonable import number
from sharpen.seeds import seed_for
from sharpen.store.configurations import seed_of
from sharpen.store.rows import RunRow, SweepRow


def score_permuted(
    home: Path, sweep: SweepRow, run: RunRow, seeds: tuple[int, ...], n_slots: int
) -> Generator[tuple[int, float, float | None]]:
    """Give (place, score, buy-and-hold) of a run's configuration on each permuted history, as they end.

    The program trains with the run's own seed. A score is NaN where the configuration was infeasible;
    buy-and-hold is what the program logged as ``baseline/sharpe``, None without it.

    Args:
        home: The store's folder.
        sweep: Whose program and folder.
        run: Whose configuration.
        seeds: Of the histories; see :func:`history_seeds`.
        n_slots: How many programs run at once.

    Raises:
        SharpenError: A program failed, does not know the stage, or saw other bars than the run.
    """
    metric = spec.parse(sweep.spec, where=sweep.source).metric.name
    tasks = [
        Task("permuted", run.config, seed_of(sweep, run), f"on permuted history {n}", seed, run.fidelity)
        for n, seed in enumerate(seeds, 1)
    ]
    for index, result in carry_out(home, sweep, tasks, n_slots):
        refuse_other_bars(run, result)
        yield index, _score(result, metric), number(result.metrics.get(BASELINE))


def history_seeds(root_seed: int, n: int) -> tuple[int, ...]:
    """Return the seeds of the first n histories under a root seed.

    >>> history_seeds(7, 3)[:2] == history_seeds(7, 2)
    True
    """
    return tuple(seed_for(root_seed, "permuted", history) for history in range(1, n + 1))


def free_slots(sweep: SweepRow) -> int:
    """Return how many programs fill the processor; one where they need a GPU."""
    needs = spec.parse(sweep.spec, where=sweep.source).resources
    return 1 if needs.gpu else max((os.cpu_count() or 1) // needs.threads, 1)


def _score(result: StageRun, metric: str) -> float:
    if metric not in result.metrics:
        logged = ", ".join(result.metrics) or "nothing"
        raise SharpenError(
            f"the program logged no {metric} in the stage 'permuted', but {logged}: when run.stage is "
            "'permuted' it must permute the development bars and log what it logs in a search"
        )
    value: Any = number(result.metrics[metric])
    return math.nan if value is None or not math.isfinite(value) else value
