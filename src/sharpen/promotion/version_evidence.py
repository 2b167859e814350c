"""All that is known of a version now, and what to run for that which nobody knows yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sharpen.bars import Panel
from sharpen.errors import NotFound, SharpenError, StoreError
from sharpen.gates import Value
from sharpen.paper.session import unseen_from
from sharpen.promotion.capacity import capacity_adv_share
from sharpen.promotion.paper_evidence import paper_evidence
from sharpen.promotion.search_evidence import is_winner, lockbox_evidence, search_evidence
from sharpen.registry.files import checked_files
from sharpen.report import analyse
from sharpen.store.collection_rows import VersionRow
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.store.version_contents import content_digest

CAPACITY = "capacity_adv_share"
FROM_BARS = ("paper_", "signal_", "shortfall_")


@dataclass(frozen=True, slots=True)
class VersionEvidence:
    """What is known of a version.

    Attributes:
        values: By the names of :data:`~sharpen.gates.EVIDENCE`; what is not known is left out.
        hints: How to get each piece that may be missing, for people.
    """

    values: Mapping[str, Value]
    hints: Mapping[str, str]


def evidence(reader: Reader, row: VersionRow, needed: Collection[str], capital_usd: float) -> VersionEvidence:
    """Return what is known of a version now: what was tried since it was registered counts, too.

    Args:
        reader: The store.
        row: The version.
        needed: What the gate asks for; only that is worked out.
        capital_usd: The money that is to trade, for the capacity.
    """
    values: dict[str, Value] = {"digest_matches": _is_whole(reader, row)}
    if row.run_id is None:
        return VersionEvidence(values, dict.fromkeys(needed, "no run made it: register one of a sweep"))
    run = _run(reader, row.run_id)
    if run is None:
        why = f"run {row.run_id}, which made it, has been deleted"
        return VersionEvidence(values, dict.fromkeys(needed, why))
    analysis = analyse(reader, reader.sweep(run.sweep_id))
    values |= search_evidence(analysis, run) | lockbox_evidence(reader, analysis, run)
    if any(name == CAPACITY or name.startswith(FROM_BARS) for name in needed):
        panel = _panel(row)
        if panel is not None:
            values[CAPACITY] = capacity_adv_share(reader, run, panel, capital_usd)
        values |= paper_evidence(reader.home, row, panel)
    hints = _hints(row, run)
    if not is_winner(analysis, run):
        best = "it has none" if analysis.best is None else f"that is {analysis.best.run.id}"
        why = f"only the winner of a sweep has a verdict: {best}"
        hints |= dict.fromkeys(("verdict", "deflated_sharpe", "search_p", "pbo", "folds_positive"), why)
    return VersionEvidence({name: value for name, value in values.items() if value is not None}, hints)


def _run(reader: Reader, run_id: str) -> RunRow | None:
    try:
        return reader.run(run_id)
    except NotFound:
        return None


def _is_whole(reader: Reader, row: VersionRow) -> bool:
    """Return whether record and files are those that were registered."""
    try:
        checked_files(reader.home, row)
    except StoreError:
        return False
    return content_digest(row.files, row.record) == row.digest


def _panel(row: VersionRow) -> Panel | None:
    """Return the bars that a version was made of; None where they are not to be had here."""
    from sharpen.data import load  # noqa: PLC0415 - polars and pyarrow take a moment to import

    name = row.record.get("data", {}).get("name") or ""
    try:
        return load(name).panel if name else None
    except (SharpenError, ImportError):
        return None


def _hints(row: VersionRow, run: RunRow) -> dict[str, str]:
    lockbox, paper = f"sharpen validate {run.id}", f"sharpen paper run --model {row.name}"
    if unseen := unseen_from(row):
        paper = f"{paper} (an account that traded bars before {unseen}, which the search saw, does not count)"
    return {
        "search_p": f"sharpen permute {run.sweep_id}",
        "lockbox_openings": lockbox,
        "lockbox_sharpe_low": f"{lockbox}, once, before any other sweep has seen those bars",
        CAPACITY: "the program must log a column turnover with its returns, and the bars need a volume",
        "paper_sessions": paper,
        "paper_fills": paper,
        "signal_mismatches": paper,
        "shortfall_share_of_edge": f"{paper}; its backtest must have earned something",
        "paper_return_percentile": paper,
        "paper_drawdown_percentile": paper,
        "paper_correlation": paper,
        "second_person": "somebody else runs the same command with --approve",
        "digest_matches": "bring the file back from a copy of the store",
    }
