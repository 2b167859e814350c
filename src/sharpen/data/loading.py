"""Name or path -> rows -> judgement -> data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sharpen.bars import MIN_ROWS, Bars, Panel, Problem, find_problems, refuse, stale_open_share
from sharpen.data.calendars import calendar_notes, find_calendar_problems
from sharpen.data.dataset import CatalogEntry, CheckReport, Dataset, SourceData, SymbolReport, SymbolRows
from sharpen.data.embedded import entries
from sharpen.data.files import SUFFIXES, is_path, read_file
from sharpen.data.quality_warnings import find_quality_warnings
from sharpen.errors import DataError, NotFound, UsageError
from sharpen.hints import close_name
from sharpen.read_options import ReadOptions


def load(name_or_path: str = "stocks", options: ReadOptions | None = None) -> Dataset:
    """Return bars fit to use: a row of the catalogue, several joined by commas, or a file.

    Symbols may begin late, end early and miss bars: the panel has all of their times, and a note says who
    lacks bars. Nothing is changed but for the scaling by ``adj_close / close``, where there is such a column.

    Args:
        name_or_path: ``stocks``, ``AAPL,GOOG``, ``bars/btc.csv``.
        options: How to read a file that does not say so itself.

    Raises:
        DataError: When the bars must not be used, with every kind of problem and its first rows.
        NotFound: When there is no such name or file.
        MissingExtra: When the package that holds the data is not installed.

    >>> load("AAPL,GOOG").panel.present.sum(axis=0).tolist()
    [3270, 2148]
    """
    raw = _read(name_or_path, options)
    refuse({r.bars.symbol: _problems(r, raw) for r in raw.rows}, name_or_path)
    bars = [r.adjusted() for r in raw.rows]
    if problems := find_calendar_problems(bars, MIN_ROWS):
        raise DataError(f"{name_or_path}: {problems[0]}", problems=problems)
    panel = replace(Panel.of(bars), bars_a_year=options.bars_per_year if options else None)
    notes = (
        *_quality_warnings(zip(bars, raw.rows, strict=True)),
        *raw.notes,
        *calendar_notes(bars, MIN_ROWS),
    )
    return Dataset(name_or_path, panel, notes, raw.provenance, raw.layout)


def check(name_or_path: str, options: ReadOptions | None = None) -> CheckReport:
    """Return what is in a data set, with the problems that would make :func:`load` refuse it.

    Raises:
        DataError: When a column is missing or the file cannot be read at all.
        NotFound: When there is no such name or file.
        MissingExtra: When the package that holds the data is not installed.
    """
    raw = _read(name_or_path, options)
    reports = tuple(_report(r, raw) for r in raw.rows)
    sound_rows = [r for r, report in zip(raw.rows, reports, strict=True) if not report.problems]
    sound = [r.adjusted() for r in sound_rows]
    problems: tuple[Problem, ...] = ()
    notes = (*_quality_warnings(zip(sound, sound_rows, strict=True)), *raw.notes)
    if len(sound) == len(reports):
        problems = tuple(find_calendar_problems(sound, MIN_ROWS))
        notes = notes if problems else (*notes, *calendar_notes(sound, MIN_ROWS))
    return CheckReport(name_or_path, reports, problems, notes, raw.provenance, raw.layout)


def catalog() -> list[CatalogEntry]:
    """Return the data sets that need no file of the user's, the default first."""
    return list(entries())


def _read(name_or_path: str, options: ReadOptions | None) -> SourceData:
    """Return what the sources give for a name, a comma list of names, or a path."""
    if is_path(name_or_path):
        return read_file(name_or_path, options)
    raws = [_find(name.strip()).read() for name in name_or_path.split(",")]
    rows = tuple(r for raw in raws for r in raw.rows)
    symbols = [r.bars.symbol for r in rows]
    if twice := sorted({s for s in symbols if symbols.count(s) > 1}):
        raise UsageError(f"{name_or_path}: {', '.join(twice)} comes twice. Fix: name each symbol once")
    notes = tuple(dict.fromkeys(note for raw in raws for note in raw.notes))
    return SourceData(rows, notes, "; ".join(dict.fromkeys(raw.provenance for raw in raws)))


def _find(name: str) -> CatalogEntry:
    table = {entry.name: entry for entry in entries()}
    if name in table:
        return table[name]
    by_small = {known.lower(): known for known in table}
    near = close_name(name.lower(), by_small)
    hint = f"did you mean {by_small[near]}?" if near else f"there are {', '.join(table)}."
    raise NotFound(f"no data set {name!r}: {hint} A path must end in {', '.join(SUFFIXES)}", name=name)


def _problems(rows: SymbolRows, raw: SourceData) -> list[Problem]:
    """Return what is wrong with a symbol's rows; one beside others may have few of them."""
    least = MIN_ROWS if len(raw.rows) == 1 else 1
    return [*rows.problems, *find_problems(rows.bars, least, rows.numbers, rows.unread)]


def _quality_warnings(adjusted: Iterable[tuple[Bars, SymbolRows]]) -> tuple[str, ...]:
    return tuple(note for bars, rows in adjusted for note in find_quality_warnings(bars, rows.numbers))


def _report(rows: SymbolRows, raw: SourceData) -> SymbolReport:
    time = rows.bars.time
    return SymbolReport(
        symbol=rows.bars.symbol,
        n_rows=len(time),
        first=str(time[0].astype("datetime64[s]")),
        last=str(time[-1].astype("datetime64[s]")),
        stale_open_share=stale_open_share(rows.adjusted()),
        problems=tuple(_problems(rows, raw)),
    )
