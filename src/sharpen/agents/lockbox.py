"""Running a sweep's program once more, on the final period that the sweep could not see."""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.agents.stages import BARS, StageRun, Task, Watch, carry_out, refuse_other_bars
from sharpen.coordinator import connect
from sharpen.errors import SharpenError, UsageError
from sharpen.facts import LOCKBOX_HASH, LockboxFacts
from sharpen.jsonable import number
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import OpeningRow, RunRow, SweepRow
from sharpen.trial import TrialState
from sharpen.views.lockbox import SeenLockbox, no_lockbox, used_by


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
class OpenedLockbox:
    """What an opening of the lockbox showed.

    Attributes:
        row: The run whose configuration was scored.
        result: Of both sides, as stored.
        n_looks: How many looks of the sweep have shown anything, this one among them.
        at_bars: How many at these bars, whatever sweep took them.
        gained_by: By how much the chosen configuration is better than the default; None where nobody can say.
        is_default: Whether the run's configuration is the program's default.
        warning: Why the bars are no lockbox; empty when they are one.
    """

    row: RunRow
    result: Mapping[str, Any]
    n_looks: int
    at_bars: int
    gained_by: float | None
    is_default: bool
    warning: str


def open_lockbox(
    home: Path,
    run: str,
    warn: Callable[[str], object],
    watch: Watch = lambda index, text: None,
) -> OpenedLockbox:
    """Open the lockbox for a run, and keep what it showed: the look is counted before anything is shown.

    Args:
        home: The store's folder.
        run: Whose configuration: an id, or a word such as ``last-best``.
        warn: Is told before the programs begin why the bars are no lockbox, if so.
        watch: Is told what the programs print: place 0 is the run's configuration, 1 the default.

    Raises:
        UsageError: The run has not finished.
        SharpenError: The program failed, the data changed, or it and the default cannot stand side by side.
    """
    reader = Reader(home)
    row = reader.run(run)
    if row.state != TrialState.FINISHED:
        raise UsageError(f"run {row.id} is {row.state}: only a finished run can be validated")
    sweep = reader.sweep(row.sweep_id)
    look_id = secrets.token_hex(8)
    with connect(home) as client:
        client.call("look", look_id=look_id, run_id=row.id, who=getpass.getuser())
        used = used_by(reader, row)
        if warning := no_lockbox(used):
            warn(warning)
        result = _open(
            home,
            sweep,
            row,
            used,
            lambda values: client.call("looked", look_id=look_id, result=values),
            watch,
        )
    n_looks = _n_shown(reader.lockbox_openings(sweep.id))
    at_bars = _n_shown(reader.openings_of([result[LOCKBOX_HASH]]))
    is_default = row.config == default_config(sweep)
    return OpenedLockbox(row, result, n_looks, at_bars, gain(sweep, result), is_default, warning)


def _n_shown(looks: Sequence[OpeningRow]) -> int:
    return sum(look.has_shown for look in looks)


def _open(
    home: Path,
    sweep: SweepRow,
    run: RunRow,
    used: Sequence[SeenLockbox],
    store: Callable[[dict[str, Any]], object],
    watch: Watch,
) -> dict[str, Any]:
    """Return what a run's configuration and the program's own default showed on the lockbox, as stored.

    Both are at work at once, where there are two cores; the result is stored as each comes to its end.

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
    return result


def _both(home: Path, sweep: SweepRow, run: RunRow, watch: Watch) -> Generator[StageRun]:
    """Give what the program said of the run's configuration, then of the default."""
    configs = (run.config, default_config(sweep))
    tasks = [Task("lockbox", config, seed_of(sweep, run), "on the lockbox") for config in configs]
    n_slots = min(len(tasks), os.cpu_count() or 1)
    early: dict[int, StageRun] = {}
    with closing(carry_out(home, sweep, tasks, n_slots, tell_failures=True, watch=watch)) as ended:
        for index in range(len(tasks)):
            while index not in early:
                ended_index, result = next(ended)
                early[ended_index] = result
            yield early[index]


def _sound(sweep: SweepRow, result: StageRun) -> StageRun:
    """Return what a program said on the lockbox.

    Raises:
        SharpenError: The program failed, or does not know the lockbox stage.
    """
    if result.error:
        raise SharpenError(result.error)
    if not result.metrics:
        raise SharpenError(
            f"{spec.parse(sweep.spec, where=sweep.source).program} logged nothing in the lockbox stage: when "
            "run.stage is 'lockbox' it must train on all development data and log figures of the lockbox"
        )
    return result


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
