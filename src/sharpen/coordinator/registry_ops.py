"""What may be asked of the registry: one function a request, and the table of their names.

Each raises before it writes anything, or not at all. An alias moves only from where whoever asks saw it, so
of two who move it at once one is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sharpen.coordinator.session import Reply, Session
from sharpen.errors import NotFound, Refused, UsageError
from sharpen.gates import DEFAULT_GATES, GateDecision, Value, decide, departures, rules_of
from sharpen.jsonable import dumps, refuse_deep
from sharpen.names import check_name
from sharpen.store.audit import AuditEntry, alias_stack, audit_entry, next_entry, rolled_back_from
from sharpen.store.port import Row
from sharpen.store.version_contents import (
    StoredFile,
    check_alias,
    check_collection_name,
    check_file_name,
    content_digest,
)

REQUEST_DAYS = 7
ROLLBACK_MINUTES = 60.0
SECOND_PERSON = "second_person"


def _register(
    session: Session,
    collection: str,
    type: str,
    content: Mapping[str, Any],
    who: str,
    figures: Mapping[str, Any] | None = None,
) -> Reply:
    """Keep a version; the same content again is the version that it was.

    Args:
        session: What is open.
        collection: Its name; made when it is not there.
        type: Of the collection, such as ``model``.
        content: ``files`` (name, digest, n_bytes of each), ``record``, and ``run_id`` or None.
        who: Who does it.
        figures: What is known of it now.
    """
    check_collection_name(collection)
    check_name("register", "a type of artifacts", type)
    stored, record, run_id = [StoredFile(**f) for f in content["files"]], content["record"], content["run_id"]
    for file in stored:
        check_file_name(file.name)
    refuse_deep("record", [record, figures])
    digest = content_digest(stored, record)
    existing_type = session.writer.collection_type(collection)
    if existing_type not in (None, type):
        raise UsageError(f"{collection} holds versions of type {existing_type}, not {type}")
    same = None if existing_type is None else session.writer.version_of_digest(collection, digest)
    if same is not None:
        return {"version": same, "digest": digest, "is_new": False}
    now = session.clock.time()
    if existing_type is None:
        session.writer.create_collection({"name": collection, "type": type, "created_at": now})
    version = session.writer.newest_version(collection) + 1
    row: dict[str, Any] = {
        "collection": collection,
        "version": version,
        "digest": digest,
        "run_id": run_id,
        "author": who,
    }
    row |= {"files": dumps([asdict(file) for file in stored]), "record": dumps(record)}
    session.writer.create_version(row | {"figures": dumps(figures or {}), "created_at": now})
    facts = {"version": version, "digest": digest, "run": run_id, "figures": dict(figures or {})}
    _log(session, who, ("registered", collection), facts)
    return {"version": version, "digest": digest, "is_new": True}


@dataclass(frozen=True, slots=True)
class _Move:
    """Who wants which alias where, and where it points as far as they know."""

    collection: str
    alias: str
    expected: int | None
    who: str
    version: int = -1
    digest: str = ""
    via: str = "cli"
    key: str = ""

    @property
    def name(self) -> str:
        return f"{self.collection}:v{self.version}"

    def facts(self, **more: Any) -> dict[str, Any]:
        facts = {"alias": self.alias, "version": self.version, "from": self.expected, "via": self.via}
        return facts | {"key": self.key} | more


def _promote(  # noqa: PLR0913, PLR0917 - each is a part of what is asked
    session: Session,
    move: Mapping[str, Any],
    evidence: Mapping[str, Value],
    gates: str | None = None,
    approve: bool = False,
    force_reason: str = "",
    stricter: str | None = None,
) -> Reply:
    """Move an alias when its gate lets it pass; what became of it is a value, and is in the audit log.

    Args:
        session: What is open.
        move: ``collection``, ``version``, the ``digest`` that the evidence is about, ``alias``, the version
            ``expected`` behind it now, ``who``, ``via`` what, and the request's own ``key``.
        evidence: By name; who approves is worked out here.
        gates: YAML in place of the defaults: the store's own.
        approve: Whether this is a second person's approval of a request.
        force_reason: Moves it past a gate that says no.
        stricter: YAML of the caller; it may only be stricter than the store's gates.

    Returns:
        ``state``, which is ``moved``, ``requested``, ``refused`` or ``unchanged``, and ``checks``.
    """
    asked = _Move(**move)
    if (done := _done(session, asked)) is not None:
        return done
    check_alias(asked.alias)
    row = _looked_at(session, asked)
    rules = rules_of(asked.alias, gates, stricter)
    own_evidence = {name: value for name, value in evidence.items() if name != SECOND_PERSON}
    decision = decide(asked.alias, own_evidence, rules)
    if session.writer.aliases(asked.collection).get(asked.alias) == asked.version:
        return {"state": "unchanged", "checks": []}
    _expect(session, asked)
    request = _open_request(session, asked)
    if approve:
        _check_approver(session, request, asked, _authors(session, row))
        decision = decide(asked.alias, own_evidence | {SECOND_PERSON: True}, rules)
    checks = [asdict(check) for check in decision.checks]
    easier = list(departures(asked.alias, rules))
    facts = asked.facts(digest=asked.digest, checks=checks, requested_by=request and request.who)
    facts |= {"easier": easier}
    if decision.passed:
        return _moved(session, "promoted", asked, facts)
    if force_reason.strip():
        return _moved(session, "forced", asked, facts | {"reason": force_reason.strip()})
    if _only_misses_a_person(decision):
        return _requested(session, request, asked, facts)
    _log(session, asked.who, ("refused", asked.collection), facts)
    return {"state": "refused", "checks": checks}


def _looked_at(session: Session, move: _Move) -> Row:
    """Return the version that is meant, which must be the one that the evidence is about."""
    row = _version(session, move.collection, move.version)
    if row["digest"] != move.digest:
        raise Refused(f"{move.name} is another model than the one looked at", why="conflict")
    return row


def _moved(session: Session, action: str, move: _Move, facts: Mapping[str, Any]) -> Reply:
    row = {"collection": move.collection, "alias": move.alias, "version": move.version, "who": move.who}
    session.writer.put_alias(row | {"at": session.clock.time()})
    _log(session, move.who, (action, move.collection), facts)
    return {"state": "moved", "version": move.version, "checks": facts.get("checks", [])}


def _requested(session: Session, request: AuditEntry | None, move: _Move, facts: Mapping[str, Any]) -> Reply:
    """Write down that a second person is waited for; asked again by the same person it stays as it is."""
    now = session.clock.time()
    if request is None or request.who != move.who or request.details["expires_at"] < now:
        expires_at = now + REQUEST_DAYS * 86_400
        _log(session, move.who, ("requested", move.collection), {**facts, "expires_at": expires_at})
    else:
        expires_at = request.details["expires_at"]
    return {"state": "requested", "checks": facts["checks"], "expires_at": expires_at}


def _only_misses_a_person(decision: GateDecision) -> bool:
    return all(check.outcome == "passed" or check.name == SECOND_PERSON for check in decision.checks)


def _open_request(session: Session, move: _Move) -> AuditEntry | None:
    """Return the newest open request to move an alias to this version; None without one."""
    request: AuditEntry | None = None
    for entry in map(audit_entry, session.writer.audit(move.collection)):
        if entry.details.get("alias") != move.alias or entry.action == "refused":
            continue
        # once the alias has moved, what was asked for was asked of another state
        request = entry if entry.action == "requested" else None
    asked_version = (move.version, move.digest)
    return (
        request
        if request and (request.details["version"], request.details["digest"]) == asked_version
        else None
    )


def _authors(session: Session, row: Row) -> set[str]:
    """Return who registered a version: as it says itself, and as the log does, which nobody can change."""
    log = map(audit_entry, session.writer.audit(row["collection"]))
    logged = {e.who for e in log if e.action == "registered" and e.details["version"] == row["version"]}
    return {row["author"], *logged}


def _check_approver(session: Session, request: AuditEntry | None, move: _Move, authors: set[str]) -> None:
    """Refuse who cannot be the second person."""
    promotion = f"{move.name} as {move.alias}"
    if request is None:
        raise Refused(f"nobody has asked for {promotion}: run it without --approve first", why="illegal")
    if request.details["expires_at"] < session.clock.time():
        raise Refused(f"the request for {promotion} by {request.who} has expired: ask again", why="expired")
    if move.who in {request.who, *authors}:
        did = "asked for it" if move.who == request.who else "registered it"
        raise Refused(f"{move.who} {did}: {promotion} needs the word of a second person", why="self-approved")


def _rollback(session: Session, move: Mapping[str, Any], reason: str, is_sure: bool = False) -> Reply:
    """Point an alias at the version that it had before the one it has now; the first one is taken away.

    Args:
        session: What is open.
        move: As of a promotion.
        reason: Why.
        is_sure: Whether who asks has said where the alias points: else it is not rolled back again shortly
            after it was, for two people may have seen the same trouble, or one may not know that it was done.
    """
    asked = _Move(**move)
    if (done := _done(session, asked)) is not None:
        return done
    name = f"{asked.collection}:{asked.alias}"
    if not reason.strip():
        raise UsageError("a rollback needs a reason")
    current = _expect(session, asked)
    if current is None:
        raise Refused(f"there is no {name} to roll back", why="illegal")
    entries = [audit_entry(row) for row in session.writer.audit(asked.collection)]
    if not is_sure:
        _check_not_just_done(session, asked, entries)
    before = alias_stack(entries, asked.alias)[:-1]
    bad = rolled_back_from(entries, asked.alias)
    alive = [v for v in before if v != current and v not in bad and _is_alive(session, asked.collection, v)]
    if alive:
        back = replace(asked, version=alive[-1])
        return _moved(session, "rolled back", back, back.facts(reason=reason.strip()))
    session.writer.remove_alias(asked.collection, asked.alias)
    facts = asked.facts(version=None, reason=reason.strip())
    _log(session, asked.who, ("rolled back", asked.collection), facts)
    return {"state": "moved", "version": None, "checks": []}


def _check_not_just_done(session: Session, move: _Move, entries: Sequence[AuditEntry]) -> None:
    """Refuse a rollback shortly after another."""
    last = next((e for e in reversed(entries) if e.details.get("alias") == move.alias), None)
    if last is None or last.action != "rolled back":
        return
    minutes = (session.clock.time() - last.at) / 60.0
    if minutes < ROLLBACK_MINUTES:
        raise Refused(
            f"{last.who} rolled {move.collection}:{move.alias} back from v{last.details['from']} to"
            f" v{last.details['version']} {minutes:.0f} minutes ago: {last.details['reason']}."
            f" To go back further, say so with --expect v{move.expected}",
            why="conflict",
        )


def _alias(session: Session, move: Mapping[str, Any], remove: bool = False) -> Reply:
    """Point an alias that has no gate at a version, or take it away."""
    asked = _Move(**move)
    if (done := _done(session, asked)) is not None:
        return done
    check_alias(asked.alias)
    if "/" not in asked.collection and asked.alias.lower() in DEFAULT_GATES:
        raise Refused(
            f"{asked.alias} has a gate: 'sharpen promote {asked.collection}:vN {asked.alias.lower()}'",
            why="illegal",
        )
    current = _expect(session, asked)
    if remove:
        if current is not None:
            session.writer.remove_alias(asked.collection, asked.alias)
            _log(
                session,
                asked.who,
                ("alias removed", asked.collection),
                asked.facts(version=None),
            )
        return {"state": "moved"}
    _version(session, asked.collection, asked.version)
    if current == asked.version:
        return {"state": "unchanged"}
    return _moved(session, "aliased", asked, asked.facts())


def _describe_version(
    session: Session, collection: str, version: int, figures: Mapping[str, Any], who: str
) -> Reply:
    """Change what is said of a version; its content stays."""
    _version(session, collection, version)
    session.writer.set_figures(collection, version, dumps(figures))
    _log(session, who, ("described", collection), {"version": version, "figures": dict(figures)})
    return {}


def _delete_version(session: Session, collection: str, version: int, who: str, reason: str = "") -> Reply:
    """Hide a version that no alias points at."""
    _version(session, collection, version)
    pointing = [alias for alias, at in session.writer.aliases(collection).items() if at == version]
    if pointing:
        raise Refused(
            f"{collection}:v{version} is {', '.join(pointing)}: move it away first, by 'sharpen promote' of"
            f" another version or 'sharpen rollback {collection} {pointing[0]} --reason …'",
            why="illegal",
        )
    session.writer.delete_version(collection, version, session.clock.time())
    _log(session, who, ("deleted", collection), {"version": version, "reason": reason})
    return {}


def _version(session: Session, collection: str, version: int) -> Row:
    if type(version) is not int:
        raise UsageError(f"a version is a whole number, not {version!r}")
    row = session.writer.version(collection, version)
    if row is None or row["deleted_at"] is not None:
        why = "is not there" if row is None else "has been deleted"
        raise NotFound(f"{collection}:v{version} {why}")
    return row


def _is_alive(session: Session, collection: str, version: int) -> bool:
    row = session.writer.version(collection, version)
    return row is not None and row["deleted_at"] is None


def _expect(session: Session, move: _Move) -> int | None:
    """Return where an alias points, which must be where the caller saw it.

    Raises:
        Refused: It has moved since.
    """
    current = session.writer.aliases(move.collection).get(move.alias)
    if current != move.expected:
        points = "points nowhere" if current is None else f"points at v{current}"
        saw = "nowhere" if move.expected is None else f"v{move.expected}"
        raise Refused(
            f"{move.collection}:{move.alias} {points} by now, not at {saw}: somebody else moved it",
            why="conflict",
        )
    return current


def _done(session: Session, move: _Move) -> Reply | None:
    """Return what came of a request whose answer was lost, so that it is asked again; None for a new one."""
    for row in reversed(session.writer.audit(move.collection) if move.key else []):
        entry = audit_entry(row)
        if entry.details.get("key") == move.key:
            state = entry.action if entry.action in ("requested", "refused") else "moved"
            details = {
                name: entry.details[name] for name in ("checks", "expires_at") if name in entry.details
            }
            return {"state": state, "version": entry.details["version"], "checks": [], **details}
    return None


def _log(session: Session, who: str, did: tuple[str, str], details: Mapping[str, Any]) -> None:
    if not who.strip():
        raise UsageError("nobody is named: who does this?")
    newest = session.writer.newest_audit()
    session.writer.add_audit(next_entry(newest, session.clock.time(), who, did, json.loads(dumps(details))))


OPERATIONS: Mapping[str, Callable[..., Reply]] = {
    "register": _register,
    "promote": _promote,
    "rollback": _rollback,
    "alias": _alias,
    "describe_version": _describe_version,
    "delete_version": _delete_version,
}
