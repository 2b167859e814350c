"""Names of columns -> what they are: one table of the spellings that vendors and tools use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from sharpen.hints import close_name
from sharpen.read_options import IGNORE

REQUIRED = ("time", "open", "high", "low", "close")
_SPELLINGS = """
time: time datetime timestamp opentime date datetimeutc timeutc dateutc gmttime localtime tradedate
time: exchangedate windowstart tsevent snappedat mts timeeet timecet timeest timegmt datum fecha data
time: 日期 时间 交易日期 日付
time: tradingday day begins beginsat starttime start ts t unix unixtime unixtimestamp epoch dtyyyymmdd
symbol: symbol ticker tic sym tscode instrument asset stock secid code ric pair name
open: open openprice priceopen pxopen openingprice o mido
open: eröffnung eröffnungskurs ouv ouverture apertura abertura 开盘 开盘价 始値
high: high highprice pricehigh pxhigh max h midh
high: hoch höchst haut maximo máximo massimo máxima 最高 最高价 高値
low: low lowprice pricelow pxlow min l midl
low: tief tiefst bas minimo mínimo mínima 最低 最低价 安値
close: close closeprice priceclose pxlast closelast closingprice last settle price c midc
close: schluss schlusskurs clot clôture cloture cierre chiusura fechamento 收盘 收盘价 終値
volume: pxvolume tottrdqty tickqty volumen stück 成交量 出来高
volume: volume vol realvolume tickvolume tickvol totalvolume tradedvolume v
adj_close: adjclose adjustedclose closeadj closeadjusted adjcp adjustedclosingprice adjcloseprice adjprice
adj_close: adjustedprice adjusted adj
"""


def _table(text: str) -> dict[str, tuple[str, ...]]:
    by_role: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        role, _, spellings = line.partition(": ")
        by_role[role] = (*by_role.get(role, ()), *spellings.split())
    return by_role


SYNONYMS = _table(_SPELLINGS)
"""Each role's spellings, without case, blanks, brackets and points; the ones that say most come first."""
_INDEX = ("", "index", "unnamed0", "indexlevel0")
_DAY_NAMES = ("date", "dtyyyymmdd", "tradedate", "day")
CLOSE_TO_ROLE = 0.7  # names of columns are short, and a wrong guess would be typed into --map
_CLOCK = r"^\d{1,2}:\d{2}|^\d{6}$|^\d{4}$|^0$"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table is what.

    Attributes:
        names: The table's own name of each role that is there.
        clock: The column with the time of day, where date and time stand apart; else empty.
        unused: Columns that are not read.
        problems: What has to be done before the columns can be read, in sentences.
        twice: The roles that several columns of one spelling could have, which a problem tells.
    """

    names: Mapping[str, str]
    clock: str
    unused: tuple[str, ...]
    problems: tuple[str, ...]
    twice: frozenset[str] = frozenset()


def squash(name: str) -> str:
    """Return a name without case, blanks, signs and a leading number.

    >>> squash("Adj. Close"), squash("<OPEN>"), squash("1. open"), squash("Close/Last")
    ('adjclose', 'open', 'open', 'closelast')
    """
    return re.sub(r"[\W_]", "", re.sub(r"^\s*\d+[a-z]?\.\s+", "", name.lower()))


def identify(frame: pl.DataFrame, user_roles: Mapping[str, str]) -> Columns:
    """Return which column is what.

    Args:
        frame: The table; its values tell an index from times, and a dead volume from a live one.
        user_roles: What the user said: the table's name to the role.
    """
    taken, problems = _given(frame.columns, user_roles)
    free = [name for name in frame.columns if name not in user_roles]
    by_plain: dict[str, list[str]] = {}
    for name in free:
        by_plain.setdefault(squash(name), []).append(name)
    names, twice = dict(taken), set[str]()
    for role, spellings in SYNONYMS.items():
        matching = [by_plain[spelling] for spelling in spellings if spelling in by_plain]
        if role in names or not matching:
            continue
        if alike := next((same for same in matching if len(same) > 1), None):
            twice.add(role)
            problems.append(f"column {role} comes twice ({', '.join(alike)}). Fix: keep one of each")
        names[role] = (
            _liveliest(frame, [same[0] for same in matching]) if role == "volume" else matching[0][0]
        )
    names = _rest(frame, names, by_plain)
    clock, names = _clock(frame, names, by_plain)
    unused = tuple(name for name in frame.columns if name not in names.values() and name != clock)
    if missing := [role for role in REQUIRED if role not in names]:
        problems.append(_about_missing(missing, frame.columns, unused))
    return Columns(names, clock, unused, tuple(problems), frozenset(twice))


def _given(columns: Sequence[str], user_roles: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    problems: list[str] = []
    if absent := [theirs for theirs in user_roles if theirs not in columns]:
        problems.append(f"--map names {', '.join(absent)}, and there are {', '.join(columns)}")
    taken = {ours: theirs for theirs, ours in user_roles.items() if ours != IGNORE and theirs in columns}
    roles = [ours for ours in user_roles.values() if ours != IGNORE]
    if twice := sorted({ours for ours in roles if roles.count(ours) > 1}):
        problems.append(f"--map names {', '.join(twice)} twice")
    return taken, problems


def _rest(frame: pl.DataFrame, names: dict[str, str], by_plain: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the names with what values or beginnings tell: an index of times, ``Volume BTC``."""
    if "volume" not in names:
        like = [same[0] for plain, same in by_plain.items() if plain.startswith("volume")]
        names = names | ({"volume": _liveliest(frame, like)} if like else {})
    if "time" not in names:
        like = [same[0] for plain, same in by_plain.items() if plain in _INDEX and _is_times(frame[same[0]])]
        names = names | ({"time": like[0]} if like else {})
    return names


def _liveliest(frame: pl.DataFrame, like: Sequence[str]) -> str:
    """Return the first column with anything but zeros in it."""
    for name in like:
        cells = frame[name]
        is_plain = cells.dtype.is_numeric() or cells.dtype == pl.String
        if not is_plain or (cells.cast(pl.Float64, strict=False).fill_null(1.0) != 0.0).any():
            return name
    return like[0]


def _is_times(cells: pl.Series) -> bool:
    if cells.dtype != pl.String:
        return cells.dtype.is_temporal()
    first = cells.drop_nulls().head(1).to_list()
    return bool(first) and not re.fullmatch(r"\d{1,7}", first[0].strip())


def _clock(
    frame: pl.DataFrame, names: dict[str, str], by_plain: Mapping[str, list[str]]
) -> tuple[str, dict[str, str]]:
    """Return the column of times of day, where another has the days; and the names, time being the days."""
    days = [by_plain[plain][0] for plain in _DAY_NAMES if plain in by_plain]
    at = by_plain.get("time", [])
    if not days or not at or names.get("time") not in (*at, *days) or frame[at[0]].dtype != pl.String:
        return "", names
    first = frame[at[0]].drop_nulls().head(1).to_list()
    if not first or not re.search(_CLOCK, first[0].strip()):
        return "", names
    return at[0], names | {"time": days[0]}


def _about_missing(missing: Sequence[str], columns: Sequence[str], unused: Sequence[str]) -> str:
    message = f"missing column {', '.join(missing)}; there are {', '.join(columns)}."
    if len(missing) == len(REQUIRED) and any(_is_number(name) for name in columns):
        return f"{message} The first line looks like a row: is the header missing? Fix: write a header line"
    free = {squash(name): name for name in unused}
    pairs: list[tuple[str, str]] = []
    for role in missing:
        others = [other for other in free if role in other]
        near = close_name(role, free, cutoff=CLOSE_TO_ROLE) or next(iter(others), None)
        pairs += [] if near is None else [(free.pop(near), role)]
    guess = f" Did you mean {', '.join(f'{theirs} for {role}' for theirs, role in pairs)}?" if pairs else ""
    known = dict(pairs)
    example = ",".join(f"{theirs}={role}" for theirs, role in pairs)
    lost = [role for role in missing if role not in known.values()]
    fixes = [f"--map {example}"] if pairs else []
    if lost:
        fixes.append(
            f"name the column{'s' * (len(lost) > 1)} {', '.join(lost)}, or say which "
            f"{'they are' if len(lost) > 1 else 'it is'} with --map THEIR_NAME={lost[0]}"
        )
    if {"open", "high", "low"} <= set(lost):
        fixes.append("bring bars with open, high and low, for closes alone are not enough")
    return f"{message}{guess} Fix: {'; '.join(fixes)}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
