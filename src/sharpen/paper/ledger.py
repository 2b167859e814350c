"""The trader's memory on the disk: what was decided, meant, sent and filled.

One SQLite file for each account, written by one trader at a time. An intent is on the disk before its order
leaves; whoever restarts reads here what may have left. Positions are never stored: they are the sum of the
fills, and a fill that is heard of twice counts once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from sharpen.errors import Refused, StoreError
from sharpen.paper.orders import Fill, OrderRequest, Side

VERSION = 1
LedgerUnreadable = sqlite3.Error
"""What a question raises when the ledger's file is damaged, held or of another program."""
SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE bars (bar TEXT, symbol TEXT, prices TEXT NOT NULL, PRIMARY KEY (bar, symbol));
CREATE TABLE decisions (bar TEXT, symbol TEXT, target REAL NOT NULL, price TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (bar, symbol));
CREATE TABLE intents (client_order_id TEXT PRIMARY KEY, bar TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT NOT NULL, quantity TEXT NOT NULL, reference_price TEXT NOT NULL, status TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT '', n_lookups INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL);
CREATE TABLE fills (execution_id TEXT PRIMARY KEY, client_order_id TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE adjustments (symbol TEXT NOT NULL, quantity TEXT NOT NULL, cash TEXT NOT NULL,
  reason TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE sessions (session TEXT PRIMARY KEY, worth TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE events (n INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
"""


class IntentStatus(StrEnum):
    """What is known of an order that was meant."""

    INTENDED = "intended"
    SENT = "sent"
    UNKNOWN = "unknown"
    ENDED = "ended"
    REJECTED = "rejected"
    REFUSED = "refused"
    EXPIRED = "expired"
    NOT_TAKEN = "not taken"

    @property
    def is_open(self) -> bool:
        """Whether something may still happen at the broker.

        >>> IntentStatus.UNKNOWN.is_open, IntentStatus.REFUSED.is_open
        (True, False)
        """
        return self in (IntentStatus.INTENDED, IntentStatus.SENT, IntentStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Intent:
    """An order that was decided on, and what became of it."""

    order: OrderRequest
    bar: str
    status: IntentStatus
    reason: str
    n_lookups: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Decision:
    """A position wanted at the close of a bar."""

    bar: str
    symbol: str
    target: float
    price: Decimal


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Shares or cash that came in another way than by a fill; the deposit has no symbol."""

    symbol: str
    quantity: Decimal
    cash: Decimal
    at: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that people should be able to read later."""

    at: float
    kind: str
    text: str


class Ledger:
    """The file of one account, held by one trader; use it as a context manager.

    Args:
        path: Of the file; its folder is made when missing.

    Raises:
        Refused: Another trader holds the account.
        StoreError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            os.close(self._lock)
            raise Refused(
                f"another trader works on this account: {path}; stop it with 'sharpen paper stop'"
            ) from taken
        self._connection = _open(path)
        self.token = 1 + int(self.fact("token") or 0)
        with self._connection:
            self._put_fact("token", str(self.token))

    def close(self) -> None:
        """Close the file and let another trader have the account."""
        self._connection.close()
        os.close(self._lock)

    def __enter__(self) -> Ledger:
        """Return the ledger."""
        return self

    def __exit__(self, *problem: object) -> None:
        """Close it."""
        self.close()

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """Give a transaction that a trader with a newer token makes fail.

        Raises:
            Refused: Another trader has taken the account over.
        """
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            if int(self.fact("token") or 0) != self.token:
                raise Refused("another trader has taken this account over")
            yield self._connection

    def fact(self, name: str) -> str | None:
        """Return a stored text; None when there is none."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def keep_fact(self, name: str, value: str) -> None:
        """Store a text."""
        with self._transaction():
            self._put_fact(name, value)

    def _put_fact(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def keep_bar(self, bar: str, prices: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
        """Store a bar, unless it is there; return the symbols whose stored prices differ."""
        differing: list[str] = []
        with self._transaction() as connection:
            for symbol, row in prices.items():
                text = json.dumps(list(row))
                old = connection.execute(
                    "SELECT prices FROM bars WHERE bar = ? AND symbol = ?", (bar, symbol)
                ).fetchone()
                if old is None:
                    connection.execute("INSERT INTO bars VALUES (?, ?, ?)", (bar, symbol, text))
                elif old[0] != text:
                    differing.append(symbol)
        return tuple(differing)

    def bars(self) -> list[tuple[str, str, list[float]]]:
        """Return every stored bar: its time, its symbol, its prices; the oldest first."""
        rows = self._connection.execute("SELECT bar, symbol, prices FROM bars ORDER BY bar, symbol")
        return [(bar, symbol, json.loads(text)) for bar, symbol, text in rows]

    def decide(self, decisions: Sequence[Decision], orders: Sequence[OrderRequest], at: float) -> None:
        """Store what was decided at a bar together with the orders that it comes to."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO decisions VALUES (?, ?, ?, ?, ?)",
                [(d.bar, d.symbol, d.target, str(d.price), at) for d in decisions],
            )
            connection.executemany(
                "INSERT INTO intents (client_order_id, bar, symbol, side, quantity, reference_price, status,"
                " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(o.client_order_id, decisions[0].bar, o.symbol, o.side, str(o.quantity)),
                        *(str(o.reference_price), IntentStatus.INTENDED, at),
                    )
                    for o in orders
                ],
            )

    def decisions(self) -> list[Decision]:
        """Return every decision, the oldest first."""
        rows = self._connection.execute(
            "SELECT bar, symbol, target, price FROM decisions ORDER BY bar, symbol"
        )
        return [Decision(bar, symbol, target, Decimal(price)) for bar, symbol, target, price in rows]

    def last_bar(self) -> str | None:
        """Return the newest bar that was decided on; None before the first."""
        return self._connection.execute("SELECT max(bar) FROM decisions").fetchone()[0]

    def intents(self, *, only_open: bool = False) -> list[Intent]:
        """Return the orders that were meant, the oldest first."""
        rows = self._connection.execute(
            "SELECT client_order_id, symbol, side, quantity, reference_price, bar, status, reason, n_lookups,"
            " created_at FROM intents ORDER BY created_at, rowid"
        )
        all_intents = [_intent(row) for row in rows]
        return [intent for intent in all_intents if intent.status.is_open] if only_open else all_intents

    def set_intent(self, client_order_id: str, status: IntentStatus, reason: str = "") -> None:
        """Store what became of an order."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE intents SET status = ?, reason = ? WHERE client_order_id = ?",
                (status, reason, client_order_id),
            )

    def count_lookup(self, client_order_id: str) -> None:
        """Count that the broker was asked for an order and had none."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE intents SET n_lookups = n_lookups + 1 WHERE client_order_id = ?", (client_order_id,)
            )

    def keep_fills(self, fills: Sequence[Fill]) -> int:
        """Store fills that are not there yet; return how many that were."""
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (f.execution_id, f.client_order_id, f.symbol, f.side, str(f.quantity), str(f.price), f.at)
                    for f in fills
                ],
            )
            return connection.total_changes - before

    def fills(self) -> list[Fill]:
        """Return every fill, the oldest first."""
        rows = self._connection.execute("SELECT * FROM fills ORDER BY at, execution_id")
        return [Fill(e, c, s, side, Decimal(q), Decimal(p), at) for e, c, s, side, q, p, at in rows]

    def adjust(self, symbol: str, quantity: Decimal, cash: Decimal, reason: str, at: float) -> None:
        """Store shares or cash that came in another way than by a fill, and why."""
        with self._transaction() as connection:
            row = (symbol, str(quantity), str(cash), reason, at)
            connection.execute("INSERT INTO adjustments VALUES (?, ?, ?, ?, ?)", row)

    def adjustments(self) -> list[Adjustment]:
        """Return what came in another way than by a fill, the oldest first."""
        rows = self._connection.execute("SELECT symbol, quantity, cash, at FROM adjustments ORDER BY rowid")
        return [Adjustment(symbol, Decimal(q), Decimal(cash), at) for symbol, q, cash, at in rows]

    def deposit(self, cash: Decimal, at: float) -> None:
        """Store what the account began with, once."""
        with self._transaction() as connection:
            if self.fact("deposit") is None:
                row = ("", "0", str(cash), "deposit", at)
                connection.execute("INSERT INTO adjustments VALUES (?, ?, ?, ?, ?)", row)
                self._put_fact("deposit", str(cash))

    def positions(self) -> dict[str, Decimal]:
        """Return the shares held by symbol: the sum of fills and adjustments, without zeros."""
        held: dict[str, Decimal] = {}
        for fill in self.fills():
            held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.signed_quantity
        for came in self.adjustments():
            held[came.symbol] = held.get(came.symbol, Decimal(0)) + came.quantity
        return {symbol: quantity for symbol, quantity in held.items() if symbol and quantity}

    def cash(self) -> Decimal:
        """Return the cash: what was put in, less what fills cost."""
        paid = sum((fill.signed_quantity * fill.price for fill in self.fills()), Decimal(0))
        return sum((came.cash for came in self.adjustments()), Decimal(0)) - paid

    def worth_at_start(self, session: str, worth: Decimal, at: float) -> Decimal:
        """Return what the account was worth when a session began; the first word on it counts."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO sessions VALUES (?, ?, ?)", (session, str(worth), at))
            row = connection.execute("SELECT worth FROM sessions WHERE session = ?", (session,)).fetchone()
        return Decimal(row[0])

    def newest_session(self) -> tuple[str, Decimal] | None:
        """Return the session that began last, and the account's worth then; None before the first."""
        row = self._connection.execute("SELECT session, worth FROM sessions ORDER BY rowid DESC").fetchone()
        return None if row is None else (str(row[0]), Decimal(row[1]))

    def sessions(self) -> list[tuple[str, Decimal]]:
        """Return each session with the account's worth at its begin, the oldest first."""
        rows = self._connection.execute("SELECT session, worth FROM sessions ORDER BY at")
        return [(session, Decimal(worth)) for session, worth in rows]

    def note(self, kind: str, text: str, at: float) -> None:
        """Store an event."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO events (at, kind, text) VALUES (?, ?, ?)", (at, kind, text))

    def events(self) -> list[Event]:
        """Return every event, the oldest first."""
        return [
            Event(*row) for row in self._connection.execute("SELECT at, kind, text FROM events ORDER BY n")
        ]


def is_held(path: Path) -> bool:
    """Return whether a trader works on the account of a ledger."""
    try:
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def read_only(path: Path) -> LedgerReader:
    """Return a reader of an account's ledger that disturbs no trader.

    Raises:
        StoreError: There is no such file.
    """
    if not path.is_file():
        raise StoreError(f"no paper account is kept at {path}: 'sharpen paper run' begins one")
    return LedgerReader(path)


class LedgerReader(Ledger):
    """A ledger that only reads, while a trader may be at work."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
        self.token = -1

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise StoreError(f"{path} is of version {version}; this sharpen knows {VERSION}")
    except sqlite3.Error as problem:
        raise StoreError(f"cannot use {path}: {problem}") from problem
    return connection


def _intent(row: tuple[Any, ...]) -> Intent:
    name, symbol, side, quantity, price, bar, status, reason, n_lookups, created_at = row
    named: Side = "buy" if side == "buy" else "sell"
    order = OrderRequest(name, symbol, named, Decimal(quantity), Decimal(price))
    return Intent(order, bar, IntentStatus(status), reason, n_lookups, created_at)
