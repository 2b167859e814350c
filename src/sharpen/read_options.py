"""How a file is to be read where it does not say so itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

import yaml

from sharpen.errors import UsageError

ROLES = ("time", "symbol", "open", "high", "low", "close", "volume", "adj_close")
IGNORE = "ignore"
LONGEST_BLOCK = 100_000  # letters
SHOWN = 60
CALENDARS = {"24/7": 365.0, "weekdays": 252.0}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a user says about a file.

    Attributes:
        map: The file's column names and what each of them is: a role of :data:`ROLES`, or ``ignore``.
        zone: The time zone of times that carry none, such as ``America/New_York``; empty takes them as UTC.
        time_format: How times are written, as ``%d/%m/%Y``; empty finds it out.
        calendar: ``24/7``, ``weekdays``, or how many bars make a year; empty takes it from the times.
    """

    map: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str = ""
    time_format: str = ""
    calendar: str = ""

    def __post_init__(self) -> None:
        problems = [
            f"map: {theirs}={ours}: {ours!r} is none of {', '.join((*ROLES, IGNORE))}"
            for theirs, ours in self.map.items()
            if ours not in (*ROLES, IGNORE)
        ]
        if self.zone and self.zone not in available_timezones():
            problems.append(f"zone: {self.zone!r} is no time zone; write one such as America/New_York")
        if self.calendar and self.bars_per_year is None:
            problems.append(
                f"calendar: {self.calendar!r} is none of 24/7, weekdays, or bars a year such as 252"
            )
        if problems:
            raise UsageError("; ".join(problems), problems=problems)

    @property
    def bars_per_year(self) -> float | None:
        """How many bars make a year; None where the times say it."""
        if self.calendar in CALENDARS:
            return CALENDARS[self.calendar]
        try:
            number = float(self.calendar)
        except ValueError:
            return None
        return number if 0 < number < float("inf") else None

    @property
    def tzinfo(self) -> ZoneInfo | None:
        """The zone; None when it is not given."""
        return ZoneInfo(self.zone) if self.zone else None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ReadOptions:
        """Return the options that a mapping holds, as in a sweep's ``data`` block without its ``path``.

        Raises:
            UsageError: A key or a value is unknown; all of them are named.

        >>> ReadOptions.of({"map": "date=time,tic=symbol", "zone": "Asia/Tokyo"}).map
        {'date': 'time', 'tic': 'symbol'}
        """
        known = ("map", "zone", "time_format", "calendar")
        if unknown := [str(key) for key in values if key not in known]:
            raise UsageError(f"data: unknown key {', '.join(unknown)}; there are path, {', '.join(known)}")
        texts = {key: str(value) for key, value in values.items() if key != "map" and value is not None}
        return cls(map=_pairs(values.get("map") or {}), **texts)


@dataclass(frozen=True, slots=True)
class DataSource:
    """What names a data set: a name or a path, and how to read it."""

    name: str
    options: ReadOptions = field(default_factory=ReadOptions)

    @classmethod
    def of(cls, value: Any) -> DataSource:
        """Return the source that a setting names: a name, a path, or a block ``{path, map, zone, ...}``.

        A block may also be text in YAML or JSON, as a command line hands it on.

        Raises:
            UsageError: It is neither, or a key or a value of the block is wrong.

        >>> DataSource.of("{path: bars/x.csv, map: {tic: symbol}, zone: Europe/Berlin}").name
        'bars/x.csv'
        """
        block: Any = value
        if isinstance(block, str):
            if not block.lstrip().startswith("{"):
                return cls(block)
            try:
                block = _block(block)
            except (yaml.YAMLError, ValueError, RecursionError) as error:
                raise UsageError(f"data: cannot be read as a block: {value:.{SHOWN}}") from error
        named = cast("dict[str, Any]", block if isinstance(block, Mapping) else {})
        if not isinstance(named.get("path"), str):
            raise UsageError(
                "data: must be a name, a path, or a block such as {path: bars.csv, map: {tic: symbol}}"
            )
        return cls(named["path"], ReadOptions.of({k: v for k, v in named.items() if k != "path"}))


class _Loader(yaml.SafeLoader):
    """YAML without aliases, of which a short text can make a value without end."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # pyright: ignore[reportUnknownMemberType]
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def _block(text: str) -> Any:
    if len(text) > LONGEST_BLOCK:
        raise UsageError(f"data: a block of {len(text):,} letters, and the limit is {LONGEST_BLOCK:,}")
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def _pairs(mapping: Any) -> dict[str, str]:
    """Return a map of columns; ``date=time,tic=symbol`` is one, too."""
    if isinstance(mapping, Mapping):
        return {str(theirs): str(ours) for theirs, ours in cast("dict[str, Any]", mapping).items()}
    parts = [part.rpartition("=") for part in str(mapping).split(",") if part.strip()]
    if bad := [theirs or ours for theirs, equals, ours in parts if not (equals and theirs.strip())]:
        raise UsageError(f"map: {', '.join(bad)}: write THEIR_NAME=NAME, as date=time,tic=symbol")
    return {theirs.strip(): ours.strip() for theirs, _, ours in parts}
