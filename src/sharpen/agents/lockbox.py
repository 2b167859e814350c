"""Running a sweep's program once more, on the final period that the sweep could not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.agents.stages import BARS, StageRun, Task, carry_out, refuse_other_bars
from sharpen.errors import SharpenError
from sharpen.facts import LOCKBOX_HASH, LockboxFacts
from sharpen.jsonable import number
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.views.lockbox import used_by


def run_on_lockbox(home: Path, sweep: SweepRow, config: Mapping[str, Any], seed: int) -> StageRun:
    """Return what the sweep's program says of a configuration on the lockbox.

    Args:
        home: The store's folder; artifacts go to its blobs.
        sweep: Whose program and folder.
        config: By dotted name; for what is not in it the program's own defaults hold.
        seed: What the program is to train with.

    Raises:
        SharpenError: The program failed, or does not know the lockbox stage.
    """
    ((_, found),) = carry_out(home, sweep, [Task("lockbox", config, seed, "on the lockbox")])
    if not found.metrics:
        raise SharpenError(
            f"{spec.parse(sweep.spec, where=sweep.source).program} logged nothing in the lockbox stage: when "
            "run.stage is 'lockbox' it must train on all development data and log figures of the lockbox"
        )
    return found


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


def open_lockbox(
    reader: Reader, sweep: SweepRow, run: RunRow, store: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """Return what a run's configuration and the program's own default showed on the lockbox.

    Args:
        reader: The store.
        sweep: Whose program and folder.
        run: Whose configuration; it has finished.
        store: Keeps the result; it is called as each configuration comes to its end.

    Raises:
        SharpenError: The program failed, the data changed, or the two cannot stand side by side.
    """
    home = reader.home
    result: dict[str, Any] = {LOCKBOX_HASH: LockboxFacts.of_summary(run.summary).digest}
    if used := used_by(reader, run):
        result["used_by"] = [each.stored() for each in used]
    try:
        chosen = run_on_lockbox(home, sweep, run.config, seed_of(sweep, run))
        refuse_other_bars(run, chosen)
        result["chosen"] = _side(home, chosen, sweep.seed)
    except SharpenError as problem:
        store(result | {"chosen": {"error": problem.message}})
        raise
    result[LOCKBOX_HASH] = chosen.summary.get(LOCKBOX_HASH, result[LOCKBOX_HASH])
    store(result)
    refusal: SharpenError | None = None
    try:
        default = run_on_lockbox(home, sweep, default_config(sweep), seed_of(sweep, run))
        refusal = _not_comparable(home, chosen, default)
        result["default"] = {"error": refusal.message} if refusal else _side(home, default, sweep.seed)
    except SharpenError as problem:
        result["default"] = {"error": problem.message}
    store(result)
    if refusal:
        raise refusal
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
