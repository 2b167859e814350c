"""Running a sweep's program once more, on the final period that the sweep could not see."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.agents.stages import BARS, StageRun, Task, Watch, carry_out, refuse_other_bars
from sharpen.errors import SharpenError
from sharpen.facts import LOCKBOX_HASH, LockboxFacts
from sharpen.jsonable import number
from sharpen.store.configurations import seed_of
from sharpen.store.rows import RunRow, SweepRow
from sharpen.views.lockbox import SeenLockbox


def default_config(sweep: SweepRow) -> dict[str, Any]:
    """Return the sweep's constants: the data, the costs; for what varies the program's own defaults hold."""
    return spec.parse(sweep.spec, where=sweep.source).constants


def gain(sweep: SweepRow, result: Mapping[str, Any]) -> float | None:
    """Return by how much the chosen configuration is better than the default; None where nobody can say.

    That is in the Sharpe ratio where both kept returns, else in the sweep's metric.
    """
    chosen, default = (result.get(side, {}) for side in ("chosen", "default"))
    if "sharpe" in chosen and "sharpe" in default:
        return chosen["sharpe"] - default["sharpe"]
    metric = spec.parse(sweep.spec, where=sweep.source).metric
    one, two = (number(side.get("metrics", {}).get(metric.name)) for side in (chosen, default))
    if one is None or two is None:
        return None
    return metric.larger_is_better(one) - metric.larger_is_better(two)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a lockbox showed.

    Attributes:
        result: Of both sides, as stored.
        gained_by: By how much the chosen configuration is better than the default; None where nobody can say.
        is_default: Whether it is the default.
    """

    result: Mapping[str, Any]
    gained_by: float | None
    is_default: bool


def open_lockbox(
    home: Path,
    sweep: SweepRow,
    run: RunRow,
    used: Sequence[SeenLockbox],
    store: Callable[[dict[str, Any]], object],
    watch: Watch = lambda place, text: None,
) -> Opened:
    """Return what a run's configuration and the program's own default showed on the lockbox.

    Both are at work at once, where there are two cores.

    Args:
        home: The store's folder.
        sweep: Whose program and folder.
        run: Whose configuration; it has finished.
        used: The sweeps that have used the lockbox's bars.
        store: Keeps the result; it is called as each configuration comes to its end.
        watch: Is told what the programs print: place 0 is the run's configuration, 1 the default.

    Raises:
        SharpenError: The program failed, the data changed, or the two cannot stand side by side.
    """
    result: dict[str, Any] = {LOCKBOX_HASH: LockboxFacts.of_summary(run.summary).digest}
    result |= {"used_by": [one.stored() for one in used]} if used else {}
    with closing(_both(home, sweep, run, watch)) as ended:
        try:
            chosen = _sound(sweep, next(ended))
            refuse_other_bars(run, chosen)
            result["chosen"] = _side(home, chosen, sweep.seed)
        except SharpenError as problem:
            store(result | {"chosen": {"error": problem.message}})
            raise
        result[LOCKBOX_HASH] = chosen.summary.get(LOCKBOX_HASH, result[LOCKBOX_HASH])
        store(result)
        refusal: SharpenError | None = None
        try:
            default = _sound(sweep, next(ended))
            refusal = _not_comparable(home, chosen, default)
            result["default"] = {"error": refusal.message} if refusal else _side(home, default, sweep.seed)
        except SharpenError as problem:
            result["default"] = {"error": problem.message}
    store(result)
    if refusal:
        raise refusal
    return Opened(result, gain(sweep, result), run.config == default_config(sweep))


def _both(home: Path, sweep: SweepRow, run: RunRow, watch: Watch) -> Generator[StageRun]:
    """Give what the program said of the run's configuration, then of the default."""
    configs = (run.config, default_config(sweep))
    tasks = [Task("lockbox", config, seed_of(sweep, run), "on the lockbox") for config in configs]
    n_slots = min(len(tasks), os.cpu_count() or 1)
    early: dict[int, StageRun] = {}
    with closing(carry_out(home, sweep, tasks, n_slots, tell_failures=True, watch=watch)) as ended:
        for place in range(len(tasks)):
            while place not in early:
                other, found = next(ended)
                early[other] = found
            yield early[place]


def _sound(sweep: SweepRow, found: StageRun) -> StageRun:
    """Return what a program said on the lockbox.

    Raises:
        SharpenError: The program failed, or does not know the lockbox stage.
    """
    if found.error:
        raise SharpenError(found.error)
    if not found.metrics:
        raise SharpenError(
            f"{spec.parse(sweep.spec, where=sweep.source).program} logged nothing in the lockbox stage: when "
            "run.stage is 'lockbox' it must train on all development data and log figures of the lockbox"
        )
    return found


def _not_comparable(home: Path, chosen: StageRun, default: StageRun) -> SharpenError | None:
    """Return why the two cannot stand side by side; None when they can."""
    from sharpen.report import other_bars  # noqa: PLC0415 - numba takes a moment to import

    differ = [name for name in BARS if chosen.summary.get(name) != default.summary.get(name)]
    if chosen.returns and default.returns:
        differ += other_bars(home, chosen.returns, default.returns)
    if not differ:
        return None
    return SharpenError(
        f"the default configuration was scored on other bars or at other costs: its {', '.join(differ)} "
        "differ from the run's. Fix: make the parameters that choose bars and costs constants of the sweep"
    )


def _side(home: Path, side: StageRun, seed: int) -> dict[str, Any]:
    """Return what to store of one configuration: its figures, and where its returns are."""
    from sharpen.report import lockbox_figures, lockbox_savings  # noqa: PLC0415 - numba takes a moment to import

    figures = lockbox_figures(home, side.returns, seed) if side.returns else {}
    figures |= {"baselines": lockbox_savings(home, side.saved, seed)} if side.saved else {}
    return {"metrics": side.metrics, "returns": side.returns, **figures}
