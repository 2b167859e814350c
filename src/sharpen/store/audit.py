"""The audit log: entries that each hold the hash of the one before, so that a change to any of them shows.

What the log cannot show by itself is that its end was cut off: whoever wants to know keeps its newest hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharpen.jsonable import dumps

MOVED = ("promoted", "forced", "rolled back", "aliased")
"""Actions that point an alias at a version."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that was done to a collection.

    Attributes:
        seq: Its place in the log, from 1.
        at: Unix seconds.
        who: The person.
        action: What was done: registered, requested, promoted, …
        collection: To what.
        details: The facts, as JSON holds them.
        previous: The hash of the entry before; empty for the first.
        hash: SHA-256 of all the others.
    """

    seq: int
    at: float
    who: str
    action: str
    collection: str
    details: Mapping[str, Any]
    previous: str
    hash: str


def next_entry(
    newest: Mapping[str, Any] | None, at: float, who: str, did: tuple[str, str], details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the row that comes after the newest one.

    Args:
        newest: The newest row; None when the log is empty.
        at: Unix seconds.
        who: The person.
        did: The action and the collection.
        details: The facts.

    >>> first = next_entry(None, 1.0, "ann", ("registered", "m"), {"version": 0})
    >>> second = next_entry(first, 2.0, "ann", ("deleted", "m"), {"version": 0})
    >>> second["seq"], second["previous"] == first["hash"]
    (2, True)
    """
    action, collection = did
    row = {"seq": 1 if newest is None else newest["seq"] + 1, "at": at, "who": who, "action": action}
    row |= {"collection": collection, "details": dumps(details)}
    row["previous"] = "" if newest is None else newest["hash"]
    return row | {"hash": entry_hash(row)}


def entry_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a row but for its own hash."""
    parts = [row[name] for name in ("seq", "at", "who", "action", "collection", "details", "previous")]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def audit_entry(row: Mapping[str, Any]) -> AuditEntry:
    """Return an entry from its columns."""
    return AuditEntry(**{**row, "details": json.loads(row["details"])})


def broken_links(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each place where the log was changed; none when it is whole.

    >>> first = next_entry(None, 1.0, "ann", ("registered", "m"), {"version": 0})
    >>> second = next_entry(first, 2.0, "bob", ("promoted", "m"), {"version": 0})
    >>> broken_links([first, second])
    []
    >>> broken_links([first | {"who": "eve"}, second])
    ['entry 1 was changed: its content does not have its hash']
    >>> broken_links([second])
    ['entry 1 is missing']
    """
    problems: list[str] = []
    seq, previous = 0, ""
    for row in rows:
        seq += 1
        if row["seq"] != seq:
            gap = f"entry {seq} is" if row["seq"] == seq + 1 else f"entries {seq} to {row['seq'] - 1} are"
            problems.append(f"{gap} missing")
        elif row["previous"] != previous:
            problems.append(f"entry {seq} does not follow the one before: its hash is another")
        if entry_hash(row) != row["hash"]:
            problems.append(f"entry {row['seq']} was changed: its content does not have its hash")
        seq, previous = row["seq"], row["hash"]
    return problems


def alias_stack(entries: Sequence[AuditEntry], alias: str) -> list[int]:
    """Return the versions that an alias has had, the one it has now last; a rollback takes one away.

    >>> def moved(action, version):
    ...     details = {"alias": "prod", "version": version}
    ...     return AuditEntry(0, 0.0, "ann", action, "m", details, "", "")
    >>> alias_stack([moved("promoted", 3), moved("promoted", 5), moved("rolled back", 3)], "prod")
    [3]
    """
    stack: list[int] = []
    for entry in entries:
        if entry.details.get("alias") != alias:
            continue
        if entry.action == "rolled back":
            while stack and stack[-1] != entry.details["version"]:
                stack.pop()
        elif entry.action == "alias removed":
            stack.clear()
        elif entry.action in MOVED:
            stack.append(entry.details["version"])
    return stack


def rolled_back_from(entries: Sequence[AuditEntry], alias: str) -> set[int]:
    """Return the versions that were rolled back from and have not been given the alias since.

    >>> def moved(action, version, before):
    ...     details = {"alias": "prod", "version": version, "from": before}
    ...     return AuditEntry(0, 0.0, "ann", action, "m", details, "", "")
    >>> rolled_back_from([moved("promoted", 5, 3), moved("rolled back", 3, 5)], "prod")
    {5}
    """
    versions: set[int] = set()
    for entry in entries:
        if entry.details.get("alias") != alias:
            continue
        if entry.action == "rolled back":
            versions.add(entry.details["from"])
        elif entry.action in MOVED:
            versions.discard(entry.details["version"])
    return versions
