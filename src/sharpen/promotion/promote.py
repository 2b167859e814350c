"""Asking for an alias: evidence is gathered here, and the coordinator decides."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sharpen.errors import UsageError
from sharpen.gates import GateCheck, Gates, departures, rules_of
from sharpen.promotion.capacity import CAPITAL_USD
from sharpen.promotion.version_evidence import evidence
from sharpen.registry.names import find, split
from sharpen.regular_file import read_text
from sharpen.store.collection_rows import VersionRow, aliases
from sharpen.store.queries import Reader
from sharpen.wire import Client

GATES_FILE = "gates.yaml"
MENDABLE = ("digest_matches", "paper_sessions", "paper_fills")
"""Evidence that may fail now and pass later, without another look at the same bars."""
State = Literal["moved", "requested", "refused", "unchanged"]


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        name: The same person has the same name on the command line and in Discord.
        via: Where they ask.
    """

    name: str
    via: str = "cli"


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asks for.

    Attributes:
        word: The version, as in ``xgb_classifier:v5``.
        alias: Where it should go.
        approve: Whether it is the second person's word.
        force_reason: Why it should pass a gate that says no; empty for not at all.
        gates: YAML of whoever asks, which may only be stricter than the store's gates.
        capital_usd: The money that is to trade.
        digest: The version's must begin with this; empty for whichever it has.
        expects: Where the alias must point still, as in ``v3`` or ``none``; empty for wherever it does.
        key: Of the request: one that is asked twice is done once.
    """

    word: str
    alias: str
    approve: bool = False
    force_reason: str = ""
    gates: str | None = None
    capital_usd: float = CAPITAL_USD
    digest: str = ""
    expects: str = ""
    key: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class Back:
    """What somebody wants to go back from.

    Attributes:
        word: The model.
        alias: Which alias.
        reason: Why.
        expects: Where the alias must point still, as in ``v3``; empty for wherever it does.
        is_sure: Whether to go back although somebody has just done so: who asks said where it points now.
        key: Of the request: one that is asked twice is done once.
    """

    word: str
    alias: str
    reason: str
    expects: str = ""
    is_sure: bool = False
    key: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """What became of it.

    Attributes:
        row: The version.
        alias: What was asked for.
        state: ``moved``; ``requested``, which waits for a second person; ``refused``; ``unchanged``.
        before: The version that had the alias; None for none.
        checks: What the gate looked at.
        hints: What to run for evidence that is missing, by its name.
        expires_at: Until when a second person may approve, Unix seconds; None unless it is requested.
        easier: Where the store's gates ask for less than the defaults.
    """

    row: VersionRow
    alias: str
    state: State
    before: int | None
    checks: tuple[GateCheck, ...]
    hints: Mapping[str, str] = field(default_factory=dict[str, str])
    expires_at: float | None = None
    easier: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, a line each; evidence that is missing with what to run: what failed is not tried again."""
        return tuple(
            f"{check.sentence}: {self.hints[check.name]}"
            if check.name in self.hints and (check.outcome == "missing" or check.name in MENDABLE)
            else check.sentence
            for check in self.checks
            if check.outcome != "passed"
        )


def promote(client: Client, reader: Reader, ask: Ask, person: Person) -> PromotionResult:
    """Ask for an alias.

    Raises:
        NotFound: There is no such version.
        Refused: Somebody else moved the alias meanwhile, or the approval cannot be this person's.
        UsageError: No gate has that name, the gates' file is wrong, or what is expected is no version.
    """
    text = own_gates(reader.home)
    gates = _gates(text, ask)
    row = find(reader, ask.word)
    if not row.digest.startswith(ask.digest):
        raise UsageError(f"{row.name} is not the version that was looked at: look again")
    before = _expected(ask.expects) if ask.expects else points_at(reader, row.collection, ask.alias)
    gate_evidence = evidence(reader, row, gates[ask.alias], ask.capital_usd)
    move = {"collection": row.collection, "version": row.version, "digest": row.digest, "alias": ask.alias}
    move |= {"expected": before, "who": person.name, "via": person.via, "key": ask.key}
    answer = client.call(
        "promote",
        move=move,
        evidence=dict(gate_evidence.values),
        gates=text,
        stricter=ask.gates,
        approve=ask.approve,
        force_reason=ask.force_reason,
    )
    easier = departures(ask.alias, gates)
    checks, expires_at = _checks(answer["checks"]), answer.get("expires_at")
    return PromotionResult(
        row, ask.alias, answer["state"], before, checks, gate_evidence.hints, expires_at, easier
    )


def rollback(client: Client, reader: Reader, back: Back, person: Person) -> tuple[int | None, int | None]:
    """Point an alias at the version before; return the versions that it pointed at and points at now.

    The first version of all is taken away: then it points nowhere.

    Raises:
        NotFound: There is no such model.
        Refused: There is no such alias, or somebody else moved it meanwhile.
    """
    name, alias = split(back.word)[0], back.alias
    find(reader, f"{name}:latest")
    before = _expected(back.expects) if back.expects else points_at(reader, name, alias)
    move = {"collection": name, "alias": alias, "expected": before, "who": person.name, "via": person.via}
    answer = client.call("rollback", move={**move, "key": back.key}, reason=back.reason, is_sure=back.is_sure)
    return before, answer["version"]


def points_at(reader: Reader, collection: str, alias: str) -> int | None:
    """Return the version that an alias has; None for none."""
    return next((row.version for row in aliases(reader, collection) if row.alias == alias), None)


def position(version: int | None) -> str:
    """Return where an alias points, in a word.

    >>> position(3), position(None)
    ('v3', 'none')
    """
    return "none" if version is None else f"v{version}"


def _expected(text: str) -> int | None:
    if text == position(None):
        return None
    if not (text.startswith("v") and text[1:].isascii() and text[1:].isdigit()):
        raise UsageError(f"an alias is expected at a version such as v3, or at none, not at {text!r}")
    return int(text[1:])


def own_gates(home: Path) -> str | None:
    """Return the gates of a store, which whoever keeps it may have written; None for the defaults."""
    try:
        return read_text(home / GATES_FILE)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"cannot read {home / GATES_FILE}: {problem}") from problem


def _gates(own: str | None, ask: Ask) -> Gates:
    gates = rules_of(ask.alias, own, ask.gates)
    if ask.alias not in gates:
        raise UsageError(f"no gate is called {ask.alias!r}. Known: {', '.join(gates)}")
    return gates


def _checks(rows: Sequence[Mapping[str, Any]]) -> tuple[GateCheck, ...]:
    return tuple(GateCheck(**check) for check in rows)
