"""The verb that opens the lockbox: validate."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sharpen.cli.printing import json_option, print_json, shown, stdout, table
from sharpen.cli.terminal import echo

if TYPE_CHECKING:
    from sharpen.agents.lockbox import OpenedLockbox

SIDES = ("chosen", "default")
PROGRESS_S = 5.0
MOST_SHOWN = 200


@click.command()
@click.argument("run")
@json_option
@click.pass_obj
def validate(home: Path, run: str, as_json: bool) -> None:
    """Open the lockbox: score a finished RUN on the final period that no sweep has seen.

    The program trains that configuration, and its own default one, on all development data and scores both on
    the lockbox; they are at work at once where there are two cores. The sweep's constants and the run's seed
    hold for both. Every look is recorded with who looked, before anything is shown: figures that have been
    looked at twice are no longer out of sample.
    Bars that any sweep of the store has trained or chosen on are no lockbox, which is said.
    """
    # it reads returns, which --help and a bare installation do without
    from sharpen.agents.lockbox import open_lockbox  # noqa: PLC0415

    look = open_lockbox(home, run, warn, ProgressLines(is_silent=as_json))
    if as_json:
        print_json(figures(look))
    else:
        print_look(look)


@dataclass
class ProgressLines:
    """Tells on standard error what the two programs print, at most a line of each every few seconds.

    Attributes:
        is_silent: Whether it tells nothing.
        began: When the programs were started, by the monotonic clock.
    """

    is_silent: bool = False
    began: float = field(default_factory=time.monotonic)
    _told_at: dict[int, float] = field(default_factory=dict[int, float])

    def __call__(self, side: int, text: str) -> None:
        """Tell the last line of what a program has printed, unless it has just been heard."""
        now, lines = time.monotonic(), [line for line in text.splitlines() if line.strip()]
        if self.is_silent or not lines or now - self._told_at.get(side, self.began) < PROGRESS_S:
            return
        self._told_at[side] = now
        echo(f"{SIDES[side]}, after {now - self.began:.0f} s: {lines[-1].strip()[:MOST_SHOWN]}", err=True)


def figures(look: OpenedLockbox) -> dict[str, Any]:
    """Return an opening of the lockbox for programs."""
    gained = None if look.gained_by is None else look.gained_by > 0
    looks = {"looks": look.n_looks, "looks_at_bars": look.at_bars or None, "gained": gained}
    return {"run": look.row.id, **looks, **look.result}


def print_look(look: OpenedLockbox) -> None:
    """Print an opening of the lockbox for people."""
    if max(look.n_looks, look.at_bars) > 1:
        echo("Only the first look saw bars that nobody had seen. These figures are of bars seen before.\n")
    lines = _lines(look.result, look.n_looks, look.at_bars)
    lines += [look.warning] if look.warning else []
    if comparison := _comparison(look.is_default, look.gained_by):
        lines.append(comparison)
    for line in lines:
        echo(line)


def warn(message: str) -> None:
    """Say before the programs begin why the bars are no lockbox."""
    echo(f"warning: {message}\n", err=True)


def _lines(result: Mapping[str, Any], n_looks: int, at_bars: int) -> list[str]:
    """Print the figures of both sides, and return what is to be said below."""
    sides = {name: side for name, side in result.items() if "metrics" in side}
    stdout().print(table(_rows(sides)))
    default = result["default"]
    failed = [f"\ndefault: failed, nothing shown. {default['error']}"] if "error" in default else []
    return [*failed, f"\n{_sentence(result['chosen'], n_looks, at_bars)}"]


def _comparison(is_default: bool, gained_by: float | None) -> str:
    """Return what is to be said of the chosen configuration beside the default; empty for nothing."""
    if is_default:
        return "Every parameter has one value: the chosen configuration is the default, nothing is compared."
    if gained_by is not None and gained_by <= 0:
        return "The program's default does as well: the search gained nothing on these bars."
    return ""


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
    return "-" if math.isnan(low) or math.isnan(high) else f"{low:+.2f} … {high:+.2f}"


def _sentence(side: Mapping[str, Any], n_looks: int, at_bars: int) -> str:
    looks = f"This is look {n_looks} of this sweep" + (f", look {at_bars} at these bars" if at_bars else "")
    if "baselines" in side:
        claims = "; ".join(one["sentence"] for one in side["baselines"])
        return f"{looks}: on the lockbox the policy {claims}."
    if "sharpe" not in side:
        return f"{looks}."
    if math.isnan(side["interval"][0]):
        claim = (
            "on the lockbox every return is alike, so there is no Sharpe ratio: nothing was traded, it seems"
        )
    elif side["interval"][0] > 0:
        claim = f"the Sharpe ratio on the lockbox is above zero (95 % interval {_interval(side)})"
    else:
        claim = f"the lockbox does not tell its Sharpe ratio from zero (95 % interval {_interval(side)})"
    return f"{looks}: {claim}; buy-and-hold made {side['baseline_sharpe']:.2f}."
