"""The report of an account by its name, and in words: what the command line and the page show alike."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from sharpen.bars import Panel
from sharpen.errors import UsageError
from sharpen.paper.account_files import live_bars
from sharpen.paper.ledger import Ledger
from sharpen.paper.report import FEWEST_RETURNS, PaperReport, Shortfall, report
from sharpen.paper.session import strategy_of


def account_report(home: Path, account: str, ledger: Ledger, panel: Panel | None = None) -> PaperReport:
    """Return what an account did beside the backtest of its bars.

    Args:
        home: The store's folder.
        account: Its name.
        ledger: Its ledger.
        panel: Bars to compare with; those that it traded when left out.

    Raises:
        UsageError: It has not traded yet, or its bars or its model are gone.
    """
    from sharpen.data import load  # noqa: PLC0415 - polars and pyarrow take a moment to import

    name = bars_of(home, account, ledger)
    if (panel is None and name is None) or not ledger.decisions():
        raise UsageError(f"account {account} has not traded yet: sharpen paper run --model RUN")
    bars = load(name or "").panel if panel is None else panel
    strategy = strategy_of(home, account, ledger)
    return report(ledger, bars, strategy, float(ledger.fact("slippage_bps") or 0.0), seed=0)


def bars_of(home: Path, account: str, ledger: Ledger) -> str | None:
    """Return the bars that an account traded, as ``--data`` takes them; None before it has traded.

    A trader on live bars keeps them beside its ledger, wherever the store has been moved to since.
    """
    if ledger.fact("broker_account") is not None:
        return str(live_bars(home, account))
    return ledger.fact("data")


def sentences(report: PaperReport) -> dict[str, str]:
    """Return a report in words, by what each is about."""
    (low, high), cost = report.band, report.shortfall
    n_differ = len(report.replay.mismatches)
    bound = "" if n_differ else f" (the rate is below {report.replay.rate_bound:.2%})"
    return {
        "sessions": str(report.n_sessions),
        "worth": f"{report.worth:.2f} usd",
        "return": f"{report.paper_return:.2%}; the backtest's {report.backtest_return:.2%},"
        f" 90 % of its resampled bars between {low:.2%} and {high:.2%}",
        "drawdown": f"{report.paper_drawdown:.2%}; 95 % of the backtest's resampled below"
        f" {report.drawdown_band:.2%}",
        "correlation": _correlation(report),
        "slippage": f"{_bps(report.slippage)} from the open that the backtest fills at;"
        f" the backtest takes {report.cost_bps:.1f}",
        "fills": f"{cost.n_fills}, {_bps(cost)} from the close that they were decided at",
        "positions": ", ".join(f"{s} {q}" for s, q in report.positions.items()) or "none",
        "signals": f"{report.replay.n_signals} compared, {n_differ} differ{bound}{_adjusted(report)}",
    }


def _correlation(report: PaperReport) -> str:
    if isfinite(report.correlation):
        return f"{report.correlation:.3f} with the backtest, bar by bar"
    if not report.n_fills:
        return "not known: no order was filled"
    if len(report.growth.bars) <= FEWEST_RETURNS:
        return f"not known before {FEWEST_RETURNS + 1} sessions"
    return "not known: the account or the backtest earned the same at every bar"


def _adjusted(report: PaperReport) -> str:
    n = report.replay.n_adjusted
    return f"; {n} bar{'s were' if n > 1 else ' was'} divided for a split since" if n else ""


def _bps(cost: Shortfall) -> str:
    if not cost.n_fills:
        return "not known yet"
    return f"{cost.mean_bps:.1f} ± {cost.half_width_bps:.1f} bps"
