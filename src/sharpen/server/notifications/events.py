"""What happened since one looked last: read from the audit log, the sweeps and the kill switches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from sharpen.store import schema
from sharpen.store.audit import AuditEntry, audit_entry
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow

KINDS = ("promotion", "kill_switch", "sweep")
TOLD = ("promoted", "forced", "rolled back", "requested")


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that people want to be told.

    Attributes:
        kind: One of :data:`KINDS`.
        text: A sentence.
        facts: The same for a program.
    """

    kind: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewsCursor:
    """How far one has looked.

    Attributes:
        audit: The newest entry of the audit log, by its place.
        sweeps: When each sweep that has ended did so, by its id.
        kills: How many lines each account's kill switch has.
    """

    audit: int = 0
    sweeps: Mapping[str, float] = field(default_factory=dict[str, float])
    kills: Mapping[str, int] = field(default_factory=dict[str, int])


def news(reader: Reader, seen: NewsCursor) -> tuple[list[Happening], NewsCursor]:
    """Return what happened since, and how far one has looked now."""
    entries = [audit_entry(row) for row in _newer(reader, seen.audit)]
    ended = {row.id: row for row in reader.sweeps() if row.ended_at is not None}
    kill_lines = _kill_switch_lines(reader.home)
    happenings = [_moved(entry) for entry in entries if entry.action in TOLD and "alias" in entry.details]
    happenings += [_ended(row) for row in ended.values() if seen.sweeps.get(row.id) != row.ended_at]
    for account, lines in kill_lines.items():
        happenings += [_killed(account, line) for line in lines[seen.kills.get(account, 0) :]]
    newest = entries[-1].seq if entries else seen.audit
    ends = {row.id: row.ended_at or 0.0 for row in ended.values()}
    return happenings, NewsCursor(
        newest, ends, {account: len(lines) for account, lines in kill_lines.items()}
    )


def _newer(reader: Reader, seq: int) -> list[dict[str, Any]]:
    log = schema.audit
    return reader.rows(sa.select(log).where(log.c.seq > seq).order_by(log.c.seq))


def _kill_switch_lines(home: Path) -> dict[str, list[str]]:
    """Return the lines of each account's kill switch; one that cannot be read counts as a line."""
    lines: dict[str, list[str]] = {}
    for path in sorted((home / "paper").glob("*.kills")):
        try:
            lines[path.stem] = [line for line in path.read_text("utf-8").splitlines() if line]
        except (OSError, UnicodeDecodeError):
            lines[path.stem] = ["unreadable"]
    return lines


def _moved(entry: AuditEntry) -> Happening:
    details = entry.details
    there = "nothing" if details.get("version") is None else f"v{details['version']}"
    name, alias = f"{entry.collection}:{there}", details["alias"]
    verbs = {
        "promoted": f"{entry.who} promoted {name} to {alias}",
        "forced": f"{entry.who} FORCED {name} past the gate of {alias}: {details.get('reason', '')}",
        "rolled back": f"{entry.who} rolled {entry.collection}:{alias} back to {there}:"
        f" {details.get('reason', '')}",
        "requested": f"{entry.who} asks for {name} as {alias}: a second person approves",
    }
    facts = {"action": entry.action, "model": entry.collection, "version": details.get("version")}
    return Happening(
        "promotion", verbs[entry.action], facts | {"alias": alias, "who": entry.who, "at": entry.at}
    )


def _ended(row: SweepRow) -> Happening:
    n = sum(row.n_runs.values())
    why = f" ({row.reason})" if row.reason else ""
    text = f"sweep {row.name or row.id} is {row.status}{why} after {n} runs: sharpen report {row.id}"
    return Happening("sweep", text, {"sweep": row.id, "status": row.status, "n_runs": n, "at": row.ended_at})


def _killed(account: str, line: str) -> Happening:
    facts: dict[str, Any] = {"account": account}
    try:
        word = cast("Mapping[str, Any]", json.loads(line))
        is_on, who, why = word["kill"] is not False, str(word["who"]), str(word["reason"])
    except (ValueError, TypeError, KeyError):
        text = f"paper account {account} is stopped: its kill switch cannot be read"
        return Happening("kill_switch", text, facts | {"kill": True})
    did = "stopped" if is_on else "may trade again"
    text = f"paper account {account} {'is ' if is_on else ''}{did}: {why} ({who})"
    return Happening("kill_switch", text, facts | {"kill": is_on, "who": who, "reason": why})
