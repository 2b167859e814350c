"""The verbs of paper trading: paper run, status, stop, kill, resume, report."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sharpen.cli.paper_limits import limits_sentence
from sharpen.cli.paper_run import account_option, bars, print_report, run, say
from sharpen.cli.printing import json_option, print_json, print_pairs, print_rows, when
from sharpen.cli.terminal import echo
from sharpen.cli.user_name import person
from sharpen.errors import UsageError
from sharpen.paper.account_files import paths_of
from sharpen.paper.ledger import LedgerReader, is_held, read_only


@click.group()
def paper() -> None:
    """Trade a model on a paper account: no real money, the same decisions as in its backtest."""


paper.add_command(run)


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
        "limits": limits_sentence(limits) if (limits := ledger.fact("limits")) else None,
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
    kill_switch.pull(person(), reason.strip() or "no reason given", time.time())
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
    if not reason.strip():
        raise UsageError("--reason is empty: say why it may trade again")
    kill_switch.lift(person(), reason.strip(), time.time())
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
        say(f"wrote {html}")
    ledger, _, _ = _reader(home, account)
    panel = None if data is None else bars(data)[0]
    print_report(account_report(home, account, ledger, panel), as_json)


def _reader(home: Path, account: str) -> tuple[LedgerReader, Any, Path]:
    path, kill_switch, stop_file = paths_of(home, account)
    return read_only(path), kill_switch, stop_file
