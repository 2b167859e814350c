"""The verbs of paper trading: paper run, status, stop, kill, resume, report."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from sharpen.bars import Panel
from sharpen.cli.person import person
from sharpen.cli.printing import json_option, print_json, print_pairs, print_rows, when
from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.paper.ledger import Ledger, LedgerReader, is_held, read_only
from sharpen.paper.risk import Limits
from sharpen.paper.simulated import Frictions
from sharpen.paper.trader import paths_of
from sharpen.store.queries import Reader

if TYPE_CHECKING:
    from sharpen.paper.report import PaperReport
    from sharpen.paper.session import ModelFile

account_option = click.option(
    "--account", default="default", show_default=True, help="Which paper account; each has its own ledger."
)


@click.group()
def paper() -> None:
    """Trade a model on a paper account: no real money, the same decisions as in its backtest."""


@paper.command("run")
@click.option(
    "--model",
    "word",
    required=True,
    help="MODEL to trade, such as NAME:candidate, or RUN.",
)
@click.option("--data", "data", help="Bars to trade. [default: those of the run]")
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
@click.option(
    "--cash", default="100000", show_default=True, help="What a new account begins with, in dollars."
)
@click.option("--slippage-bps", type=click.FloatRange(min=0), default=2.0, show_default=True)
@click.option("--max-daily-loss", type=click.FloatRange(0, 1), default=0.05, show_default=True)
@click.option(
    "--adopt", default="", help="REASON why the broker's positions are taken over where they differ."
)
@click.option("--seed", type=int, default=0, show_default=True, help="What partial fills are drawn from.")
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
    cash: str,
    slippage_bps: float,
    max_daily_loss: float,
    adopt: str,
    seed: int,
    as_json: bool,
) -> None:
    """Trade a model on recorded bars with a simulated broker, or on Alpaca's paper account.

    Decisions are made at each close and sent at the next open. The account lives in the store's folder
    under paper/: run it again after a crash, and it goes on where it was. Orders have names that are used
    once, so none is sent twice.

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
    from sharpen.paper.session import (  # noqa: PLC0415
        AccountSettings,
        model_of,
        recorded_session,
    )

    model = model_of(Reader(home), word)
    if broker == "alpaca":
        _refuse_recorded_options(click.get_current_context())
        named = broker if account == "default" else account
        _run_on_alpaca(
            home,
            (named, Limits(max_daily_loss=max_daily_loss)),
            model.file,
            (feed, n_bars, adopt, slippage_bps),
        )
        return
    panel, name = _bars(data or model.data)
    settings = AccountSettings(
        account=account,
        cash=_amount(cash),
        frictions=Frictions(slippage_bps=slippage_bps),
        limits=Limits(max_daily_loss=max_daily_loss),
        seed=seed,
    )
    _, _, stop_file = paths_of(home, account)
    begin = _first_bar(panel, first or model.trade_from)
    with recorded_session(home, model.file, panel, settings, _say) as (session, ledger):
        stop_file.unlink(
            missing_ok=True
        )  # a trader that is at work holds the account, and may be asked to stop
        _keep_once(ledger, account, {"data": name, "slippage_bps": repr(slippage_bps)})
        at = session.first_open(begin, ledger.last_bar())
        if at < len(panel):
            session.start(at, adopt)
            end = len(panel) if n_bars is None else at + n_bars
            n_traded = session.play(at, end, stop_file.exists)
        else:
            n_traded = 0
        stop_file.unlink(missing_ok=True)
        _say(f"traded {n_traded} bars of {name} on account {account} by {model.file.name}")
        _print_report(account_report(home, account, ledger, panel), as_json)


def _keep_once(ledger: Ledger, account: str, facts: dict[str, str]) -> None:
    """Keep what an account began with: its report compares all of its sessions with one backtest."""
    for name, value in facts.items():
        kept = ledger.fact(name)
        if kept not in (None, value):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"account {account} began with {option} {kept}, not {value}: say {option} {kept}, or begin"
                " another one with --account"
            )
        ledger.keep_fact(name, value)


RECORDED_OPTIONS = {"data": "--data", "first": "--from", "cash": "--cash", "seed": "--seed"}


def _refuse_recorded_options(context: click.Context) -> None:
    """Refuse options that say nothing to a real broker: its account has its own cash and its own bars."""
    default = click.core.ParameterSource.DEFAULT
    given = [o for name, o in RECORDED_OPTIONS.items() if context.get_parameter_source(name) is not default]
    if given:
        raise UsageError(
            f"{', '.join(given)}: of recorded bars, not of --broker alpaca, whose bars and cash are Alpaca's"
        )


def _run_on_alpaca(
    home: Path, account: tuple[str, Limits], model: ModelFile, said: tuple[str, int | None, str, float]
) -> None:
    """Trade on Alpaca's paper account until somebody stops it."""
    from sharpen.paper.alpaca.connection import access_from  # noqa: PLC0415 - an extra
    from sharpen.paper.alpaca.session import alpaca_session  # noqa: PLC0415 - an extra

    feed, n_bars, adopt, slippage_bps = said
    access = access_from(os.environ, feed)
    stop_file = paths_of(home, account[0])[2]
    with alpaca_session(home, account, model, access, _say) as (session, wait):
        stop_file.unlink(missing_ok=True)
        session.ledger.keep_fact("slippage_bps", repr(slippage_bps))
        session.start(adopt)
        _say(f"trading on account {account[0]} by {model.name}; 'sharpen paper stop' ends it")
        n_decided = session.run(n_bars, stop_file.exists, wait)
        stop_file.unlink(missing_ok=True)
        _say(f"decided on {n_decided} bar{'' if n_decided == 1 else 's'}; positions stay as they are")


@paper.command("status")
@account_option
@json_option
@click.pass_obj
def status(home: Path, account: str, as_json: bool) -> None:
    """Say what an account holds, what waits, and whether anything stops it."""
    ledger, kill_switch, _ = _reader(home, account)
    kill = kill_switch.state()
    positions = {symbol: str(quantity) for symbol, quantity in ledger.positions().items()}
    facts: dict[str, Any] = {
        "account": account,
        "model": ledger.fact("model"),
        "digest": (ledger.fact("digest") or "")[:12],
        "last bar": ledger.last_bar(),
        "cash": f"{ledger.cash():.2f}",
        "positions": positions,
        "open orders": len(ledger.intents(only_open=True)),
        "fills": len(ledger.fills()),
        "kill switch": f"{kill.reason} ({kill.who})" if kill else None,
    }
    if as_json:
        print_json(facts | {"events": [asdict(event) for event in ledger.events()[-20:]]})
        return
    print_pairs(facts | {"positions": ", ".join(f"{s} {q}" for s, q in positions.items()) or "none"})
    rows = [{"when": when(e.at), "what": e.kind, "": e.text} for e in ledger.events()[-10:]]
    echo("")
    print_rows(rows, False, "nothing has happened yet")


@paper.command("stop")
@account_option
@click.pass_obj
def stop(home: Path, account: str) -> None:
    """Ask the trader of an account to leave after its bar; positions stay as they are."""
    _reader(home, account)
    path, _, stop_file = paths_of(home, account)
    if not is_held(path):
        echo(f"no trader works on account {account}", err=True)
        return
    stop_file.touch()
    echo(f"asked the trader of account {account} to leave; 'sharpen paper run' goes on later", err=True)


@paper.command("kill")
@account_option
@click.option("--reason", required=True, help="Why, for whoever reads it later.")
@click.pass_obj
def kill(home: Path, account: str, reason: str) -> None:
    """Stop all trading on an account: open orders are canceled, none is sent, restarts included."""
    ledger, kill_switch, _ = _reader(home, account)
    kill_switch.pull(person(), reason, time.time())
    echo("nothing is traded until 'sharpen paper resume --reason …'", err=True)
    if ledger.fact("broker_account") is not None and not is_held(paths_of(home, account)[0]):
        echo(
            f"no trader works on account {account}: its open orders are canceled when 'sharpen paper run'"
            " starts; to end them now, use the broker's own page",
            err=True,
        )


@paper.command("resume")
@account_option
@click.option("--reason", required=True, help="Why it may trade again.")
@click.pass_obj
def resume(home: Path, account: str, reason: str) -> None:
    """Lift the kill switch of an account."""
    _, kill_switch, _ = _reader(home, account)
    if kill_switch.state() is None:
        raise UsageError(f"the kill switch of account {account} is not pulled")
    kill_switch.lift(person(), reason, time.time())
    echo(f"account {account} may trade again", err=True)


@paper.command("report")
@click.option("--data", "data", help="Bars to compare with. [default: those that it traded]")
@click.option(
    "--html", "html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page with a chart."
)
@account_option
@json_option
@click.pass_obj
def show_report(home: Path, data: str | None, html: Path | None, account: str, as_json: bool) -> None:
    """Compare what an account did with the backtest of the same bars.

    Positions; profit beside the band of the backtest's resampled bars; slippage against the model's costs;
    signals that differ, a row each. Exits 1 when one differs. 'sharpen serve' shows the same at /paper.

    \b
      sharpen paper report
      sharpen paper report --html paper.html
    """
    from sharpen.paper.account_report import account_report  # noqa: PLC0415 - as above

    if html is not None:
        from sharpen.server.pages.account_file import write_account  # noqa: PLC0415 - an extra

        write_account(home, account, html)
        _say(f"wrote {html}")
    ledger, _, _ = _reader(home, account)
    panel = None if data is None else _bars(data)[0]
    _print_report(account_report(home, account, ledger, panel), as_json)


def _reader(home: Path, account: str) -> tuple[LedgerReader, Any, Path]:
    path, kill_switch, stop_file = paths_of(home, account)
    return read_only(path), kill_switch, stop_file


def _print_report(found: PaperReport, as_json: bool) -> None:
    from sharpen.paper.account_report import sentences  # noqa: PLC0415 - as above

    replay = found.replay
    if as_json:
        print_json(asdict(found) | {"mismatches": len(replay.mismatches)})
        return
    print_pairs(sentences(found))
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


def _bars(name: str) -> tuple[Panel, str]:
    from sharpen.data import load  # noqa: PLC0415 - polars and pyarrow take a moment to import

    found = load(name)
    return found.panel, found.name


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


def _say(text: str) -> None:
    echo(text, err=True)
