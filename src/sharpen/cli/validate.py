"""The verb that opens the lockbox: validate."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from sharpen import spec
from sharpen.agents.lockbox import default_config, run_on_lockbox
from sharpen.agents.stages import BARS, StageRun, refuse_other_bars
from sharpen.cli.printing import json_option, print_json, shown, stdout, table
from sharpen.cli.terminal import echo
from sharpen.coordinator import connect
from sharpen.errors import SharpenError, UsageError
from sharpen.jsonable import number
from sharpen.store.configurations import seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import LookRow, RunRow, SweepRow
from sharpen.trial import TrialState


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def validate(home: Path, run: str, as_json: bool) -> None:
    """Open the lockbox: score a finished RUN on the final period that no sweep has seen.

    The program trains that configuration, and its own default one, on all development data and scores both on
    the lockbox. The sweep's constants and the run's seed hold for both. Every look is recorded with who
    looked, before anything is shown: figures that have been looked at twice are no longer out of sample.
    """
    reader = Reader(home)
    row = reader.run(run)
    if row.state != TrialState.FINISHED:
        raise UsageError(f"run {row.id} is {row.state}: only a finished run can be validated")
    sweep = reader.sweep(row.sweep_id)
    look_id = secrets.token_hex(8)
    with connect(home) as client:
        client.call("look", look_id=look_id, run_id=row.id, who=getpass.getuser())
        result = _open(home, sweep, row, lambda found: client.call("looked", look_id=look_id, result=found))
    n_looks, at_bars = _n_shown(reader.looks(sweep.id)), _n_shown(reader.looks_at([result["lockbox/hash"]]))
    gain = _gain(sweep, result)
    if as_json:
        gained = None if gain is None else gain > 0
        seen = {"looks": n_looks, "looks_at_bars": at_bars or None, "gained": gained}
        print_json({"run": row.id, **seen, **result})
        return
    if max(n_looks, at_bars) > 1:
        echo("Only the first look saw bars that nobody had seen. These figures are of bars seen before.\n")
    sides = {name: side for name, side in result.items() if "metrics" in side}
    stdout().print(table(_rows(sides)))
    if "error" in result["default"]:
        echo(f"\ndefault: failed, nothing shown. {result['default']['error']}")
    echo(f"\n{_sentence(result['chosen'], n_looks, at_bars)}")
    if gain is not None and gain <= 0:
        echo("The program's default does as well: the search gained nothing on these bars.")


def _gain(sweep: SweepRow, result: Mapping[str, Any]) -> float | None:
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


def _open(
    home: Path, sweep: SweepRow, run: RunRow, store: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """Return what both configurations showed, each stored as it comes to its end."""
    result: dict[str, Any] = {"lockbox/hash": run.summary.get("lockbox/hash", "")}
    try:
        chosen = run_on_lockbox(home, sweep, run.config, seed_of(sweep, run))
        refuse_other_bars(run, chosen)
        result["chosen"] = _side(home, chosen, sweep.seed)
    except SharpenError as problem:
        store(result | {"chosen": {"error": problem.message}})
        raise
    result["lockbox/hash"] = chosen.summary.get("lockbox/hash", result["lockbox/hash"])
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


def _n_shown(looks: Sequence[LookRow]) -> int:
    return sum(look.has_shown for look in looks)


def _side(home: Path, side: StageRun, seed: int) -> dict[str, Any]:
    """Return what to store of one configuration: its figures, and where its returns are."""
    from sharpen.report import lockbox_figures  # noqa: PLC0415 - numba takes a moment to import

    figures = lockbox_figures(home, side.returns, seed) if side.returns else {}
    return {"metrics": side.metrics, "returns": side.returns, **figures}


def _rows(result: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return one row a figure, one column a configuration."""
    columns = {name: _figures(side) for name, side in result.items()}
    figures = dict.fromkeys(figure for side in columns.values() for figure in side)
    return [
        {"": figure, **{name: side.get(figure, "") for name, side in columns.items()}} for figure in figures
    ]


def _figures(side: Mapping[str, Any]) -> dict[str, str]:
    from sharpen.report import REPEATED  # noqa: PLC0415 - numba takes a moment to import

    own: dict[str, str] = {}
    logged = dict(side["metrics"])
    if "sharpe" in side:
        logged = {name: value for name, value in logged.items() if name not in REPEATED}
        own = {"Sharpe ratio": shown(side["sharpe"]), "95 % interval": _interval(side)}
        own |= {"buy-and-hold's": shown(side["baseline_sharpe"]), "bars": shown(side["n_bars"])}
    return own | {name: shown(value) for name, value in logged.items()}


def _interval(side: Mapping[str, Any]) -> str:
    low, high = side["interval"]
    return f"{low:+.2f} … {high:+.2f}"


def _sentence(side: Mapping[str, Any], n_looks: int, at_bars: int) -> str:
    looks = f"This is look {n_looks} of this sweep" + (f", look {at_bars} at these bars" if at_bars else "")
    if "sharpe" not in side:
        return f"{looks}."
    if side["interval"][0] > 0:
        claim = f"the Sharpe ratio on the lockbox is above zero (95 % interval {_interval(side)})"
    else:
        claim = f"the lockbox does not tell its Sharpe ratio from zero (95 % interval {_interval(side)})"
    return f"{looks}: {claim}; buy-and-hold made {side['baseline_sharpe']:.2f}."
