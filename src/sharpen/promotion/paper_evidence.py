"""What paper trading says of a version: whether it did what its backtest says, not whether it earns."""

from __future__ import annotations

from pathlib import Path

from sharpen.bars import Panel
from sharpen.errors import NotFound, SharpenError
from sharpen.gates import Value
from sharpen.paper.account_report import account_report
from sharpen.paper.ledger import LedgerReader, read_only
from sharpen.paper.report import PaperReport
from sharpen.store.collection_rows import VersionRow

SWITCHED = "model switched"


def paper_evidence(home: Path, row: VersionRow, panel: Panel | None) -> dict[str, Value]:
    """Return what the account with the most sessions of this very model file says; nothing without one.

    Args:
        home: The store's folder.
        row: The version.
        panel: The bars that it was made of; None where they are not to be had here. An account on live bars
            has its own.
    """
    found: list[PaperReport] = []
    for path in sorted((home / "paper").glob("*.ledger")):
        one = _report(home, path, row, panel)
        found += [] if one is None else [one]
    return of_report(max(found, key=lambda one: one.n_sessions)) if found else {}


def of_report(found: PaperReport) -> dict[str, Value]:
    """Return a report as evidence; the shortfall is what lies beyond the modelled cost, at its upper 95 %."""
    known: dict[str, Value] = {
        "paper_sessions": found.n_sessions,
        "paper_fills": found.n_fills,
        "signal_mismatches": len(found.replay.mismatches) if found.replay.n_signals else None,
        "paper_return_percentile": found.return_percentile,
        "paper_drawdown_percentile": found.drawdown_percentile,
        "paper_correlation": found.correlation,
    }
    if found.edge_bps > 0:
        beyond = found.shortfall.mean_bps + found.shortfall.half_width_bps - found.cost_bps
        known["shortfall_share_of_edge"] = beyond / found.edge_bps
    return known


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
