"""What the pages of models and of paper trading show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.errors import NotFound, SharpenError, StoreError
from sharpen.paper.account_files import ACCOUNT, paths_of
from sharpen.paper.ledger import Event, LedgerReader, LedgerUnreadable, read_only
from sharpen.server.lineage import users
from sharpen.server.pages import charts
from sharpen.server.pages.analysis import ResultCache
from sharpen.store.audit import AuditEntry, audit_entry, broken_links
from sharpen.store.collection_rows import VersionRow, aliases, audit_rows, collections, pointed, versions
from sharpen.store.queries import Reader
from sharpen.store.rows import TrackedRun

if TYPE_CHECKING:
    from sharpen.paper.report import PaperReport

SHOWN = 200
_REPORTS = ResultCache()


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A collection, in a line."""

    name: str
    type: str
    n_versions: int
    newest: VersionRow | None
    aliases: dict[str, int]


@dataclass(frozen=True, slots=True)
class ModelPage:
    """A collection: versions from the newest down, what points at each, which runs used it, and its log."""

    line: ModelLine
    versions: tuple[VersionRow, ...]
    pointed: dict[int, list[str]]
    users: dict[int, list[TrackedRun]]
    audit: tuple[AuditEntry, ...]
    is_log_whole: bool


def model_lines(reader: Reader, project: str = "") -> list[ModelLine]:
    """Return every collection, by name; or those that the client keeps under a project."""
    return [_line(reader, name, kind) for name, kind in _of_project(reader, project).items()]


def n_models(reader: Reader, project: str) -> int:
    """Return how many collections the client keeps under a project."""
    return len(_of_project(reader, project))


def _of_project(reader: Reader, project: str) -> dict[str, str]:
    begin = f"{project}/" if project else ""
    return {name: kind for name, kind in collections(reader).items() if name.startswith(begin)}


def model_page(reader: Reader, name: str) -> ModelPage:
    """Return what is known of a collection.

    Raises:
        NotFound: There is none.
    """
    kind = collections(reader).get(name)
    if kind is None:
        raise NotFound(f"there is no model {name[:80]!r}: 'sharpen register RUN --as NAME' makes one")
    rows, used = versions(reader, name), users(reader)
    return ModelPage(
        line=_line(reader, name, kind),
        versions=tuple(reversed(rows)),
        pointed=pointed(reader, name),
        users={row.version: used[row.name] for row in rows if row.name in used},
        audit=tuple(map(audit_entry, audit_rows(reader, name)))[::-1][:SHOWN],
        is_log_whole=not broken_links(audit_rows(reader)),
    )


def _line(reader: Reader, name: str, kind: str) -> ModelLine:
    rows = versions(reader, name)
    points = {row.alias: row.version for row in aliases(reader, name)}
    return ModelLine(name, kind, len(rows), rows[-1] if rows else None, points)


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A paper account.

    Attributes:
        name: Of the account.
        model: Which file decides.
        last_bar: The last bar that it traded.
        cash: In dollars.
        positions: Shares, by symbol.
        n_open: Orders that wait.
        n_fills: Fills so far.
        killed: Why nothing is traded; empty while it is.
        worth: What it was worth at the start of each session; None below two, or beside ``growth``.
        growth: Its return beside the backtest's and its band; None where nobody can tell.
        gain: Return since the deposit, or from the first open to the last where that is not worked out; None
            before the second session.
        beside: Profit, costs and signals beside the backtest's, in words; why there are none under ``none``.
        n_mismatches: Signals and bars that differ from the backtest's; None where nobody can tell.
        events: The newest first.
    """

    name: str
    model: str
    last_bar: str
    cash: str
    positions: dict[str, str]
    n_open: int
    n_fills: int
    killed: str
    worth: charts.Chart | None
    growth: charts.Chart | None
    gain: float | None
    beside: Mapping[str, str]
    n_mismatches: int | None
    events: tuple[Event, ...]


def accounts(home: Path) -> list[AccountPage]:
    """Return the paper accounts of a store, by name."""
    names = sorted(path.stem for path in (home / "paper").glob("*.ledger") if ACCOUNT.fullmatch(path.stem))
    return [account_page(home, name, is_line=True) for name in names]


def account_page(home: Path, name: str, *, is_line: bool = False) -> AccountPage:
    """Return what an account holds and how it did.

    Args:
        home: The store's folder.
        name: Of the account.
        is_line: Whether the comparison with the backtest may be left out, which takes a second.

    Raises:
        NotFound: There is no such account.
        StoreError: Its file cannot be read.
    """
    if not ACCOUNT.fullmatch(name) or not paths_of(home, name)[0].is_file():
        raise NotFound(f"there is no paper account {name[:80]!r}: 'sharpen paper run' begins one")
    path, kill_switch, _ = paths_of(home, name)
    ledger = read_only(path)
    try:
        beside = None if is_line else _beside(home, name, ledger)
        return _account(ledger, name, kill_switch.state(), beside)
    except LedgerUnreadable as problem:
        raise StoreError(f"cannot read the account {name}: {problem}") from problem
    finally:
        ledger.close()


def _beside(home: Path, name: str, ledger: LedgerReader) -> PaperReport | SharpenError:
    """Return an account's report, worked out once for each state that it is in; or why there is none."""
    state = (str(home), name, ledger.last_bar(), len(ledger.fills()), ledger.fact("digest"))

    def compute() -> PaperReport | SharpenError:
        try:
            return account_report(home, name, ledger)
        except SharpenError as problem:
            return problem

    return _REPORTS.get(state, compute)


def account_report(home: Path, name: str, ledger: LedgerReader) -> PaperReport:
    """Return :func:`sharpen.paper.account_report.account_report`, whose libraries take seconds to import."""
    from sharpen.paper import account_report as rooms  # noqa: PLC0415 - a server starts without them

    return rooms.account_report(home, name, ledger)


def _beside_sentences(beside: PaperReport | SharpenError | None) -> dict[str, str]:
    """Return what stands beside an account's worth: its report's sentences, or why there is none."""
    if beside is None:
        return {}
    if isinstance(beside, SharpenError):
        return {"none": beside.message}
    from sharpen.paper.account_report import sentences  # noqa: PLC0415 - it is there by now

    return sentences(beside)


def _account(
    ledger: LedgerReader, name: str, kill: Any, beside: PaperReport | SharpenError | None
) -> AccountPage:
    report = None if isinstance(beside, SharpenError) else beside
    worth = [(float(k), float(value)) for k, (_, value) in enumerate(ledger.sessions(), 1)]
    line = charts.Line("worth at the start of each session, in dollars", tuple(worth))
    gain = worth[-1][1] / worth[0][1] - 1.0 if len(worth) > 1 and worth[0][1] else None
    gain = gain if report is None else report.paper_return
    return AccountPage(
        name=name,
        model=ledger.fact("model") or "",
        last_bar=ledger.last_bar() or "",
        cash=f"{ledger.cash():,.2f}",
        positions={symbol: str(quantity) for symbol, quantity in ledger.positions().items()},
        n_open=len(ledger.intents(only_open=True)),
        n_fills=len(ledger.fills()),
        killed=f"{kill.reason} ({kill.who})" if kill else "",
        worth=charts.line(line) if len(worth) > 1 and report is None else None,
        growth=charts.growth(report.growth) if report and len(report.growth.bars) > 1 else None,
        gain=gain,
        beside=_beside_sentences(beside),
        n_mismatches=None if report is None else len(report.replay.mismatches),
        events=tuple(reversed(ledger.events()))[:SHOWN],
    )
