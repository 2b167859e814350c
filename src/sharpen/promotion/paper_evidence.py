"""What paper trading says of a version: whether it did what its backtest says, not whether it earns.

Only an account that began on bars which the search had not seen says it: on those that it was trained on,
returns, drawdown and costs flatter it. A signal that differs counts from every account, whatever it traded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sharpen.bars import Panel
from sharpen.errors import NotFound, SharpenError
from sharpen.gates import Value
from sharpen.paper.account_report import account_report
from sharpen.paper.ledger import LedgerReader, read_only
from sharpen.paper.orders import bar_name
from sharpen.paper.report import PaperReport
from sharpen.paper.session import unseen_from
from sharpen.store.collection_rows import VersionRow

SWITCHED = "model switched"
MISMATCHES = "signal_mismatches"


def paper_evidence(home: Path, row: VersionRow, panel: Panel | None) -> dict[str, Value]:
    """Return what the account with the most sessions of this very model file says; nothing without one.

    Signals that differ are those of all its accounts.

    Args:
        home: The store's folder.
        row: The version.
        panel: The bars that it was made of; None where they are not to be had here. An account on live bars
            has its own.
    """
    all_reports = [_report(home, path, row, panel) for path in sorted((home / "paper").glob("*.ledger"))]
    reports = [report for report in all_reports if report is not None]
    counted = [report for report in reports if traded_unseen_bars(report, unseen_from(row))]
    if not counted:
        return {}
    n_mismatches = sum(len(report.replay.mismatches) for report in reports)
    values = of_report(max(counted, key=lambda report: report.n_sessions))
    return {**values, MISMATCHES: n_mismatches} if values[MISMATCHES] is not None else values


def traded_unseen_bars(report: PaperReport, unseen: str) -> bool:
    """Return whether an account began to trade when the search's bars were over.

    Args:
        report: Of the account.
        unseen: The first time that the search has not seen; empty where that is not known: then none counts.
    """
    return bool(unseen) and report.growth.bars[0] >= bar_name(np.datetime64(unseen, "us"))


def of_report(report: PaperReport) -> dict[str, Value]:
    """Return a report as evidence; the shortfall is what lies beyond the modelled cost, at its upper 95 %."""
    values: dict[str, Value] = {
        "paper_sessions": report.n_sessions,
        "paper_fills": report.n_fills,
        MISMATCHES: len(report.replay.mismatches) if report.replay.n_signals else None,
        "paper_return_percentile": report.return_percentile,
        "paper_drawdown_percentile": report.drawdown_percentile,
        "paper_correlation": report.correlation,
    }
    if report.edge_bps > 0:
        beyond = report.shortfall.mean_bps + report.shortfall.half_width_bps - report.cost_bps
        values["shortfall_share_of_edge"] = beyond / report.edge_bps
    return values


def _report(home: Path, path: Path, row: VersionRow, panel: Panel | None) -> PaperReport | None:
    """Return what an account did; None where it traded another model, or several, or nothing."""
    try:
        ledger = read_only(path)
    except NotFound:
        return None
    try:
        return _of_ledger(home, path, row, panel, ledger)
    finally:
        ledger.close()


def _of_ledger(
    home: Path, path: Path, row: VersionRow, panel: Panel | None, ledger: LedgerReader
) -> PaperReport | None:
    digest = ledger.fact("digest")
    mixes = any(event.kind == SWITCHED for event in ledger.events())
    if digest not in {file.digest for file in row.files} or mixes or not ledger.decisions():
        return None
    is_live = ledger.fact("broker_account") is not None
    if panel is None and not is_live:
        return None
    try:
        return account_report(home, path.stem, ledger, None if is_live else panel)
    except SharpenError:
        return None  # a damaged ledger or model is no evidence
