"""The verb that trades on paper: paper run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from sharpen.bars import Panel
from sharpen.cli.options import FiniteRange
from sharpen.cli.paper_limits import checked_limits, keep_limits, limit_options, refusals_sentence
from sharpen.cli.printing import json_option, print_json, print_pairs, print_rows
from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.paper.account_files import paths_of
from sharpen.paper.account_settings import BEGINNING, AccountSettings, began_with, keep_beginning
from sharpen.paper.kill_switch import KillSwitch
from sharpen.paper.ledger import Ledger
from sharpen.paper.risk import limits_of
from sharpen.paper.simulated import Frictions
from sharpen.store.queries import Reader

if TYPE_CHECKING:
    from sharpen.paper.report import PaperReport
    from sharpen.paper.session import ModelFile

account_option = click.option(
    "--account", default="default", show_default=True, help="Which paper account; each has its own ledger."
)


@click.command("run")
@click.option(
    "--model",
    "word",
    required=True,
    help="MODEL to trade, such as NAME:candidate, or RUN.",
)
@click.option("--data", "data", help="Bars to trade. [default: as the account began, or those of the run]")
@click.option("--from", "first", help="First bar, such as 2012-01-03. [default: the run's lockbox]")
@click.option("--bars", "n_bars", type=click.IntRange(min=1), help="Stop after so many bars.")
@click.option(
    "--broker",
    type=click.Choice(["simulated", "alpaca"]),
    default="simulated",
    show_default=True,
    help="alpaca: its paper account, live bars.",
)
@click.option(
    "--feed", type=click.Choice(["iex", "sip"]), default="iex", show_default=True, help="Of Alpaca."
)
@account_option
@click.option("--cash", help=f"What a new account begins with, in dollars. [default: {BEGINNING['cash']}]")
@click.option(
    "--slippage-bps",
    type=FiniteRange(min=0),
    help="What a simulated fill is worse than the price, and what the report takes for costs."
    f" [default: as the account began, or {BEGINNING['slippage_bps']}]",
)
@limit_options
@click.option(
    "--adopt", default="", help="REASON why the broker's positions are taken over where they differ."
)
@click.option(
    "--seed",
    type=int,
    help=f"What partial fills are drawn from. [default: as the account began, or {BEGINNING['seed']}]",
)
@json_option
@click.pass_obj
def run(  # noqa: PLR0913, PLR0917 - each is a word of the command line
    home: Path,
    word: str,
    data: str | None,
    first: str | None,
    n_bars: int | None,
    broker: str,
    feed: str,
    account: str,
    cash: str | None,
    slippage_bps: float | None,
    adopt: str,
    seed: int | None,
    as_json: bool,
    **limits: float | None,
) -> None:
    """Trade a model on recorded bars with a simulated broker, or on Alpaca's paper account.

    Decisions are made at each close and sent at the next open. The account lives in the store's folder
    under paper/: run it again after a crash, and it goes on where it was. Orders have names that are used
    once, so none is sent twice. What it began with stays: --data, --cash, --slippage-bps and --seed are
    refused when they say something else later. Limits may change from one start to the next.

    \b
      sharpen paper run --model last-best
      sharpen paper run --model xgb_classifier:candidate
      sharpen paper run --model last-best --account two --bars 60
      sharpen paper run --model xgb_classifier:paper --broker alpaca

    Alpaca's keys are taken from APCA_API_KEY_ID and APCA_API_SECRET_KEY, and its account is called alpaca
    here unless --account says otherwise. Keys and addresses of live accounts are refused.
    """
    # they bring compiled kernels and the boosters, which --help can do without
    from sharpen.paper.account_report import account_report  # noqa: PLC0415
    from sharpen.paper.session import model_of, recorded_session  # noqa: PLC0415

    model = model_of(Reader(home), word)
    limits_given = checked_limits(limits)
    if broker == "alpaca":
        _refuse_recorded_options(click.get_current_context())
        named = broker if account == "default" else account
        _run_on_alpaca(home, (named, limits_given), model.file, (feed, n_bars, adopt, slippage_bps))
        return
    options = {"data": data, "cash": cash, "slippage_bps": slippage_bps, "seed": seed}
    panel, settings = _simulated(home, account, {"data": model.data, **BEGINNING}, options, limits_given)
    _, kill_switch, stop_file = paths_of(home, account)
    begin = _first_bar(panel, first or model.trade_from)
    with recorded_session(home, model.file, panel, settings, say) as (session, ledger):
        # a trader that is at work holds the account, and may be asked to stop
        stop_file.unlink(missing_ok=True)
        keep_limits(ledger, settings.limits, session.clock.now)
        n_events = len(ledger.events())
        at = session.first_open(begin, ledger.last_bar())
        if at < len(panel):
            session.start(at, adopt)
            end = len(panel) if n_bars is None else at + n_bars
            n_traded = session.play(at, end, stop_file.exists)
        else:
            n_traded = 0
        stop_file.unlink(missing_ok=True)
        say(f"traded {n_traded} bars of {settings.data} on account {account} by {ledger.fact('model')}")
        print_report(account_report(home, account, ledger, panel), as_json)
        _say_stops(ledger, kill_switch, n_events)


def _simulated(
    home: Path,
    account: str,
    defaults: Mapping[str, str],
    options: Mapping[str, object],
    limits: Mapping[str, float],
) -> tuple[Panel, AccountSettings]:
    """Return the bars and the settings of an account: as somebody says now, as it began, or the defaults."""
    beginning = {**defaults, **began_with(home, account), **_given_options(options)}
    panel, name = bars(beginning["data"])
    deposit = _amount(beginning["cash"])
    settings = AccountSettings(
        account=account,
        data=name,
        cash=deposit,
        frictions=Frictions(slippage_bps=float(beginning["slippage_bps"])),
        limits=limits_of(limits, deposit),
        seed=int(beginning["seed"]),
    )
    return panel, settings


def _given_options(options: Mapping[str, object]) -> dict[str, str]:
    """Return the options that were given, as an account keeps them."""
    return {name: str(value) for name, value in options.items() if value is not None}


def _say_stops(ledger: Ledger, kill_switch: KillSwitch, n_events_before: int) -> None:
    """Say what kept an account from trading; exit 1 where nothing is traded any more."""
    refused = refusals_sentence(ledger, n_events_before)
    if refused:
        say(refused)
    kill = kill_switch.state()
    if kill is not None:
        say(f"nothing is traded: the kill switch is pulled: {kill.reason} ({kill.who})")
        say("'sharpen paper resume --reason …' lifts it")
        sys.exit(1)


RECORDED_OPTIONS = {"data": "--data", "first": "--from", "cash": "--cash", "seed": "--seed"}


def _refuse_recorded_options(context: click.Context) -> None:
    """Refuse options that say nothing to a real broker: its account has its own cash and its own bars."""
    default = click.core.ParameterSource.DEFAULT
    misplaced = [
        o for name, o in RECORDED_OPTIONS.items() if context.get_parameter_source(name) is not default
    ]
    if misplaced:
        raise UsageError(
            f"{', '.join(misplaced)}: of recorded bars, not of --broker alpaca,"
            " whose bars and cash are Alpaca's"
        )


def _run_on_alpaca(
    home: Path,
    account: tuple[str, Mapping[str, float]],
    model: ModelFile,
    options: tuple[str, int | None, str, float | None],
) -> None:
    """Trade on Alpaca's paper account until somebody stops it."""
    from sharpen.paper.alpaca.connection import access_from  # noqa: PLC0415 - an extra
    from sharpen.paper.alpaca.session import alpaca_session  # noqa: PLC0415 - an extra

    feed, n_bars, adopt, slippage_bps = options
    access = access_from(os.environ, feed)
    name, limits = account
    _, kill_switch, stop_file = paths_of(home, name)
    slippage = {"slippage_bps": BEGINNING["slippage_bps"], **began_with(home, name)}["slippage_bps"]
    within = partial(limits_of, limits)
    with alpaca_session(home, (name, within), model, access, say) as (session, wait):
        stop_file.unlink(missing_ok=True)
        ledger = session.ledger
        keep_beginning(
            ledger, name, {"slippage_bps": slippage if slippage_bps is None else repr(slippage_bps)}
        )
        keep_limits(ledger, session.trader.limits, session.when[1].time())
        n_events = len(ledger.events())
        session.start(adopt)
        say(f"trading on account {name} by {ledger.fact('model')}; 'sharpen paper stop' ends it")
        n_decided = session.run(n_bars, stop_file.exists, wait)
        stop_file.unlink(missing_ok=True)
        say(f"decided on {n_decided} bar{'' if n_decided == 1 else 's'}; positions stay as they are")
        _say_stops(ledger, kill_switch, n_events)


def print_report(report: PaperReport, as_json: bool) -> None:
    """Print a report; exit 1 when a signal differs."""
    from sharpen.paper.account_report import sentences  # noqa: PLC0415 - as above

    replay = report.replay
    if as_json:
        print_json(asdict(report) | {"mismatches": len(replay.mismatches)})
        return
    print_pairs(sentences(report))
    rows = [asdict(mismatch) for mismatch in replay.mismatches[:20]]
    if rows:
        echo("")
        print_rows(rows, False, "")
        sys.exit(1)
    echo(
        "\nPaper trading proves that the model decides as in its backtest, not that it earns: 60 sessions"
        " bound a Sharpe ratio only to about ±4.",
        err=True,
    )


def bars(name: str) -> tuple[Panel, str]:
    """Return bars and their name, from what ``--data`` says."""
    from sharpen.data import load  # noqa: PLC0415 - polars and pyarrow take a moment to import

    dataset = load(name)
    return dataset.panel, dataset.name


def _first_bar(panel: Panel, first: str) -> int:
    try:
        at = np.datetime64(first, "us")
    except ValueError as problem:
        raise UsageError(f"--from {first!r} is no date: write it as 2012-01-03") from problem
    t = int(np.searchsorted(panel.time, at))
    if not 0 < t < len(panel):
        raise UsageError(
            f"--from {first} leaves no bar to trade: the bars run from {panel.time[0]} to {panel.time[-1]}"
        )
    return t


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as problem:
        raise UsageError(f"--cash {text!r} is no amount") from problem
    if not (amount.is_finite() and amount > 0):
        raise UsageError(f"--cash must be above 0, not {text}")
    return amount


def say(text: str) -> None:
    """Tell the person who waits."""
    echo(text, err=True)
