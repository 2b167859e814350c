"""Column of times, however they are written -> times in UTC, and what was understood.

Text is tried as ISO 8601, as dates with points or slashes, with names of months, as plain digits. Numbers are
dates such as 20240131, or seconds, milli-, micro- or nanoseconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from zoneinfo import available_timezones

import polars as pl

from sharpen.read_options import ReadOptions

NAIVE_NOTE = "times of day have no time zone and were taken as UTC"
_SUFFIX = r"\s*(?:(?:GMT|UTC)?([+-]\d{2}:?\d{2})|(Z|z|UTC|GMT))$"
_OFFSET = rf"[Tt ]\d{{1,2}}:?\d{{2}}.*?{_SUFFIX}"
_NO_OFFSET = "no offset"
_ISO = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_CLOCKS = (
    " %H:%M:%S%.f",
    " %H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
    " %H%M%S",
    " %H%M",
    "T%H:%M:%S%.f",
    "T%H:%M",
)
_ZONE_NAME = r"\s+([A-Z][A-Za-z]+/[A-Z][A-Za-z_]+)$"
_ORDERED = r"^(\d{1,2})([/.\-])(\d{1,2})[/.\-](\d{4}|\d{2})(?:$|[ T,])"
_YEAR_FIRST = r"^\d{4}([/.])\d{1,2}[/.]\d{1,2}(?:$|[ T])"
_MONTH_NAMES = ("%d-%b-%Y", "%d %b %Y", "%d-%b-%y", "%b %d %Y", "%B %d %Y", "%d %B %Y")
_SCALES = (("s", 1e8, 1_000_000), ("ms", 1e11, 1000), ("us", 1e14, 1), ("ns", 1e17, -1000))
_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_MOST_DAYS = 106_000_000  # as many as microseconds in 64 bits reach
_ZONES = (
    *("America/New_York", "Europe/London", "Europe/Berlin", "America/Chicago", "Europe/Athens", "Asia/Tokyo"),
    *("Australia/Sydney", "America/Los_Angeles", "America/Toronto", "America/Sao_Paulo", "Asia/Jerusalem"),
)


@dataclass(frozen=True, eq=False)
class ParsedTimes:
    """Times in UTC, and what is known of them.

    Attributes:
        utc: Without a zone, microseconds; null where a time cannot be read.
        how: What was understood, for people; empty for what needs no word.
        zone: Their time zone, where it is known; else empty.
        notes: What must be known before using them.
        problem: Why they cannot be read, with every fix; empty when they can.
        written: Each as it stands in the table, where it is text.
        offsets: Each one's offset where they differ; else none.
        is_since_1970: Whether they count from an instant, so that nobody has to say whose clock they are of.
    """

    utc: pl.Series
    how: str = ""
    zone: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""
    written: pl.Series | None = None
    offsets: tuple[str, ...] = ()
    is_since_1970: bool = False


def read_times(cells: pl.Series, options: ReadOptions, symbols: pl.Series | None = None) -> ParsedTimes:
    """Return times in UTC.

    Args:
        cells: Text, numbers, dates or timestamps.
        options: The zone of times that have none, and the format, where the user gave them.
        symbols: Each row's instrument, to tell an hour that comes twice in autumn from a double.
    """
    cells = _of_calendar(cells)
    kind = cells.dtype
    if kind == pl.String:
        cells, zone = _without_zone(cells)
        options = replace(options, zone=zone) if zone and not options.zone else options
        times = _of_text(cells, options)
    elif isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        utc = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None).dt.cast_time_unit("us")
        zone = "" if kind.time_zone in ("UTC", "Etc/UTC") else kind.time_zone
        times = ParsedTimes(utc, zone=_zone_of_dates(utc, zone) if re.match("[+-]", zone) else zone)
    elif isinstance(kind, pl.Datetime) or kind == pl.Date:
        times = ParsedTimes(cells.cast(pl.Datetime("us")), notes=(NAIVE_NOTE,))
    elif kind.is_numeric():
        times = _of_numbers(cells, "")
    else:
        times = ParsedTimes(
            pl.Series("time", [None] * len(cells), pl.Datetime("us")),
            problem=f"column {cells.name} holds {kind}, not times. "
            "Fix: write ISO 8601 text or a timestamp column",
        )
    return times if times.problem else _settled(times, options, symbols)


def _of_calendar(cells: pl.Series) -> pl.Series:
    """Return cells without the dates and timestamps that no calendar reaches: polars panics on them."""
    kind = cells.dtype
    if not isinstance(kind, pl.Datetime) and kind != pl.Date:
        return cells
    most = _MOST_DAYS * (1 if kind == pl.Date else _A_DAY[kind.time_unit])  # pyright: ignore
    frame = pl.DataFrame({"t": cells})
    reached = pl.col("t").to_physical().cast(pl.Int64).is_between(-most, most)
    return frame.select(pl.when(reached).then("t").alias(cells.name))[cells.name]


def _zone_of_dates(utc: pl.Series, offset: str) -> str:
    """Return the zone of an offset such as ``+05:30`` where all times are midnight in it; empty for none."""
    hours = re.fullmatch(r"([+-]\d\d):?00", offset)
    zone = f"Etc/GMT{-int(hours[1]):+d}" if hours else {"+05:30": "Asia/Kolkata"}.get(offset, "")
    if zone == "Etc/GMT+0":
        return ""
    return zone if zone in available_timezones() and _is_midnight(utc.drop_nulls(), zone) else ""


def _without_zone(cells: pl.Series) -> tuple[pl.Series, str]:
    """Return times without the zone that all are written with, as in ``20240131  16:00:00 US/Eastern``."""
    names: list[str | None] = cells.drop_nulls().str.extract(_ZONE_NAME).unique().to_list()
    if len(names) != 1 or names[0] not in available_timezones():
        return cells, ""
    return cells.str.replace(_ZONE_NAME, ""), str(names[0])


def _settled(times: ParsedTimes, options: ReadOptions, symbols: pl.Series | None) -> ParsedTimes:
    """Return the times with their zone applied, and bars that begin at midnight there as plain dates."""
    if NAIVE_NOTE in times.notes:
        if not _has_clock(times.utc):
            return replace(times, notes=())
        if not options.zone:
            return times
        return _dated(
            replace(times, utc=_from_zone(times.utc, options.zone, symbols), zone=options.zone, notes=())
        )
    return _dated(times if times.zone or not options.zone else replace(times, zone=options.zone))


def _has_clock(utc: pl.Series) -> bool:
    return not bool((utc.dt.truncate("1d") == utc).all())


def _dated(times: ParsedTimes) -> ParsedTimes:
    """Return times that are all midnight in their zone as the dates that they mean."""
    utc = times.utc.drop_nulls()
    if utc.is_empty() or not (_has_clock(utc) or times.zone):
        return times
    zone, how = times.zone, "midnight in"
    if not zone and 1 < utc.dt.time().n_unique() <= 2 and _spacing_days(utc) >= 0.9:
        zone = next((name for name in _ZONES if _is_midnight(utc, name)), "")
        how = "midnight, by its two hours, in"
    if not zone or not _is_midnight(utc, zone):
        return times if not times.zone else replace(times, how=_join(times.how, times.zone))
    local = times.utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return replace(times, utc=local, zone=zone, how=_join(times.how, f"{how} {zone}, taken as dates"))


def _is_midnight(utc: pl.Series, zone: str) -> bool:
    local = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return not _has_clock(local)


def _spacing_days(utc: pl.Series) -> float:
    gaps = utc.unique().sort().diff().drop_nulls().dt.total_seconds()
    return float(gaps.min() or 0) / 86400  # pyright: ignore[reportArgumentType]


def _from_zone(naive: pl.Series, zone: str, symbols: pl.Series | None) -> pl.Series:
    """Return local times in UTC; of an hour that comes twice, a row that repeats a time is the later one."""
    keys = pl.DataFrame({"s": symbols if symbols is not None else pl.Series([0] * len(naive)), "t": naive})
    again = keys.select((~pl.struct("s", "t").is_first_distinct()).alias("again"))["again"]
    zoned = pl.DataFrame({"t": naive, "a": again}).select(
        pl.col("t").dt.replace_time_zone(
            zone,
            ambiguous=pl.when(pl.col("a")).then(pl.lit("latest")).otherwise(pl.lit("earliest")),
            non_existent="null",
        )
    )["t"]
    return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _of_text(cells: pl.Series, options: ReadOptions) -> ParsedTimes:
    text = cells.str.strip_chars().set(cells.str.strip_chars() == "", None)
    frame = pl.DataFrame({"text": text}).with_columns(
        pl.coalesce(
            pl.col("text").str.extract(_OFFSET, 1),
            pl.when(pl.col("text").str.extract(_OFFSET, 2).is_not_null()).then(pl.lit("Z")),
        )
        .fill_null(_NO_OFFSET)
        .alias("offset")
    )
    has_offset = pl.col("offset") != _NO_OFFSET
    frame = frame.with_columns(
        pl.when(has_offset).then(pl.col("text").str.replace(_SUFFIX, "")).otherwise("text").alias("bare"),
        _minutes().alias("minutes"),
    )
    times = _of_bare(frame["bare"], cells.name, options)
    shifted = frame.select((times.utc - pl.duration(minutes=pl.col("minutes"))).alias("time"))["time"]
    offsets: list[str] = frame.filter(pl.col("text").is_not_null())["offset"].unique().to_list()
    times = replace(times, utc=shifted, written=text)
    if _NO_OFFSET in offsets and len(offsets) == 1:
        return replace(times, notes=() if times.is_since_1970 else (NAIVE_NOTE,))
    if len(offsets) == 1:
        return replace(times, zone=_zone_of_dates(shifted, offsets[0]))
    if not offsets:
        return times
    zone = "" if _NO_OFFSET in offsets else _zone_of(shifted, frame["minutes"], options.zone)
    if zone:
        return replace(times, zone=zone, how=_join(times.how, f"in {zone}, by its offsets"))
    return replace(times, offsets=tuple(frame["offset"].to_list()))


def _minutes() -> pl.Expr:
    """Return an offset in minutes east; 0 without one."""
    digits = pl.col("offset").str.replace(":", "")
    size = digits.str.slice(1, 2).cast(pl.Int64, strict=False) * 60
    size += digits.str.slice(3, 2).cast(pl.Int64, strict=False)
    return pl.when(digits.str.starts_with("-")).then(-size).otherwise(size).fill_null(0)


def _zone_of(utc: pl.Series, minutes: pl.Series, user_zone: str) -> str:
    """Return the zone in which every time has the offset that it is written with; empty for none."""
    for zone in (user_zone,) if user_zone else _ZONES:
        local = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
        if bool(((local - utc).dt.total_minutes() == minutes).fill_null(True).all()):
            return zone
    return ""


def _of_bare(bare: pl.Series, name: str, options: ReadOptions) -> ParsedTimes:
    """Return times of text without offsets, as if they were UTC."""
    if options.time_format:
        return ParsedTimes(_parsed(bare, [options.time_format]), how=f"as {options.time_format}")
    iso = _parsed(bare, [*_ISO, "%Y-%m-%d"])
    known = bare.drop_nulls()
    if 2 * (len(iso) - iso.null_count()) >= len(known) or known.is_empty():
        return ParsedTimes(iso)
    return _of_other_text(bare, name, str(known[0]), iso)


def _of_other_text(bare: pl.Series, name: str, first: str, iso: pl.Series) -> ParsedTimes:
    """Return times of text that is not ISO 8601, by the looks of the first."""
    if re.search(_ORDERED, first):
        return _ordered(bare, name)
    if re.fullmatch(r"\d+(\.\d+)?", first):
        return _of_numbers(bare.cast(pl.Float64 if "." in first else pl.Int64, strict=False), name)
    bare = bare.str.replace(r"\s+", " ")
    year_first = re.search(_YEAR_FIRST, first)
    sep = year_first.group(1) if year_first else ""
    if sep or re.match(r"^\d{8}[ T]", first):
        day = f"%Y{sep}%m{sep}%d"
        return ParsedTimes(_parsed(_padded(bare), _with_clocks(day)), how=f"as {day}")
    named = _parsed(bare.str.replace(",", ""), [f for day in _MONTH_NAMES for f in _with_clocks(day)])
    if named.null_count() < len(named):
        return ParsedTimes(named, how="with names of months")
    return ParsedTimes(iso, problem=_unreadable(name, first))


def _unreadable(name: str, first: str) -> str:
    return (
        f"column {name} holds times such as {first!r}, in a format that is not known. "
        "Fix: say how they are written, as --time-format '%d %b %Y %H:%M', or write 2024-01-31T16:00:00Z"
    )


def _ordered(bare: pl.Series, name: str) -> ParsedTimes:
    """Return dates such as 31/01/2024, where one of them proves whether the day or the month comes first."""
    parts = bare.str.extract_groups(_ORDERED).struct.unnest()
    first, sep, second, year = (parts[column] for column in parts.columns)
    if sep.drop_nulls().is_empty():
        return ParsedTimes(_parsed(bare, _ISO))
    a, b = (numbers.cast(pl.Int64, strict=False) for numbers in (first, second))
    proofs = {"day first": (a > 12).arg_true(), "month first": (b > 12).arg_true()}
    rows = {order: int(at[0]) for order, at in proofs.items() if len(at)}
    y, s = ("%Y" if len(str(year.drop_nulls()[0])) == 4 else "%y"), str(sep.drop_nulls()[0])
    formats = {"day first": f"%d{s}%m{s}{y}", "month first": f"%m{s}%d{s}{y}"}
    if len(rows) != 1:
        evidence = "; ".join(f"row {row + 1}, {bare[row]!r}, has the {order}" for order, row in rows.items())
        evidence = evidence or f"{bare.drop_nulls()[0]!r} is read both ways, and no row proves which"
        return ParsedTimes(
            _parsed(bare, _ISO),
            problem=f"column {name}: does the day or the month come first? {evidence}. Fix: "
            f"--time-format '{formats['day first']}' (day first) or --time-format '{formats['month first']}' "
            "(month first)" + (", after mending the rows of the other kind" if rows else ""),
        )
    ((order, row),) = rows.items()
    parsed = _parsed(_padded(bare), _with_clocks(formats[order]))
    return ParsedTimes(parsed, how=f"{order}, proven by row {row + 1}")


def _of_numbers(cells: pl.Series, name: str) -> ParsedTimes:
    """Return times of numbers: days as 20240131, or a count since 1970, its unit told by its size."""
    known = cells.drop_nulls()
    label = name or cells.name
    middle = float(known.cast(pl.Float64).abs().median() or 0) if len(known) else 0.0  # pyright: ignore
    for digits, format_ in ((8, "%Y%m%d"), (14, "%Y%m%d%H%M%S"), (12, "%Y%m%d%H%M")):
        if 10 ** (digits - 1) <= middle < 10**digits and 1700 <= middle // 10 ** (digits - 4) < 2200:
            parsed = _parsed(cells.cast(pl.Int64, strict=False).cast(pl.String), [format_])
            if 2 * parsed.null_count() < len(parsed):
                return ParsedTimes(parsed, how=f"as {format_}", notes=() if digits == 8 else (NAIVE_NOTE,))
    for unit, least, factor in reversed(_SCALES):
        if middle >= least:
            whole = cells.cast(pl.Int64, strict=False)
            whole = cells.cast(pl.Float64) * factor if cells.dtype.is_float() else whole
            us = whole if cells.dtype.is_float() else (whole * factor if factor > 0 else whole // -factor)
            us = cells.cast(pl.Float64) / -factor if cells.dtype.is_float() and factor < 0 else us
            utc = us.cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
            return ParsedTimes(utc, how=f"epoch in {unit}", is_since_1970=True)
    return ParsedTimes(
        pl.Series("time", [None] * len(cells), pl.Datetime("us")), problem=_no_time(label, known, middle)
    )


def _no_time(label: str, known: pl.Series, middle: float) -> str:
    first = known[0] if len(known) else None
    message = f"column {label} holds {known.dtype}, not times: {first}"
    if 3e5 <= middle <= 3e6:  # seconds since 1970, divided by a thousand: 1979 to 2065
        message += (
            ", a day of early 1970 in seconds. The program that wrote it may have divided by 10**9 what "
            "pandas 3 counts in microseconds, and earlier ones counted in nanoseconds"
        )
    return f"{message}. Fix: write ISO 8601 times, or name another column with --map THEIR_NAME=time"


def _with_clocks(day: str) -> list[str]:
    return [day, *(day + clock for clock in _CLOCKS)]


def _padded(text: pl.Series) -> pl.Series:
    """Return dates with two digits for day, month and hour."""
    padded = text.str.replace_all(r"\b(\d)([/.\-: ])", "0${1}${2}")
    return padded.str.replace(r"([/.\-])(\d)( |$)", "${1}0${2}${3}").str.replace(",", "")


def _parsed(text: pl.Series, formats: Sequence[str]) -> pl.Series:
    """Return the times that the first fitting format gives each cell; null where none fits."""
    frame = pl.DataFrame({"x": text})
    tried = [_one(format_) for format_ in formats]
    return frame.select(pl.coalesce(tried).alias("time"))["time"]


def _one(format_: str) -> pl.Expr:
    if re.search(r"%[HIMSpTR]", format_):
        return pl.col("x").str.to_datetime(format_, time_unit="us", strict=False)
    return pl.col("x").str.to_date(format_, strict=False).cast(pl.Datetime("us"))


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
