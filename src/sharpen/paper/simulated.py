"""A broker on this machine: fills at the prices of recorded bars, late, in parts, or not at all.

Its state lies in a file of its own, so that a trader which is killed finds it as it was, like a real one.
What it flatters is in docs/paper.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path

from sharpen.paper.orders import BrokerClock, BrokerOrder, Fill, OrderRequest, OrderStatus, Side
from sharpen.paper.ports import OrderRejected
from sharpen.seeds import rng_for

SCHEMA = """
CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (order_id INTEGER PRIMARY KEY, client_order_id TEXT UNIQUE NOT NULL,
  symbol TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL, filled TEXT NOT NULL,
  status TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fills (n INTEGER PRIMARY KEY, client_order_id TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, at REAL NOT NULL);
"""
CENT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Frictions:
    """What happens to orders, beyond being filled at the price.

    Attributes:
        slippage_bps: How much worse than the price a fill is.
        partial_share: Probability that only a part of an order is filled at a time.
        reject_share: Probability that an order is refused.
        halted: Symbols that are not traded.
    """

    slippage_bps: float = 2.0
    partial_share: float = 0.1
    reject_share: float = 0.0
    halted: frozenset[str] = frozenset()


class SimulatedBroker:
    """A paper account on this machine.

    Args:
        path: The file that holds its state.
        cash: What a new account begins with, in dollars.
        frictions: What happens to orders.
        seed: What chance draws from; the same orders meet the same fate.
    """

    def __init__(
        self, path: Path, cash: Decimal = Decimal(100_000), frictions: Frictions = Frictions(), seed: int = 0
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        self._connection.executescript(SCHEMA)
        self._connection.execute("INSERT OR IGNORE INTO account VALUES ('cash', ?)", (str(cash),))
        self._frictions = frictions
        self._seed = seed
        self.account = "simulated"
        self.can_turn = True
        self._clock = BrokerClock(0.0, False, "")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def set_clock(self, clock: BrokerClock) -> None:
        """Say what time it is at the broker."""
        self._clock = clock

    def clock(self) -> BrokerClock:
        """Return the time as it was set."""
        return self._clock

    def cash(self) -> Decimal:
        """Return the account's cash in dollars."""
        row = self._connection.execute("SELECT value FROM account WHERE name = 'cash'").fetchone()
        return Decimal(row[0])

    def positions(self) -> Mapping[str, Decimal]:
        """Return the shares held."""
        held: dict[str, Decimal] = {}
        for fill in self.fills():
            held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.signed_quantity
        return {symbol: quantity for symbol, quantity in held.items() if quantity}

    def submit(self, order: OrderRequest) -> BrokerOrder:
        """Take an order, once for each name.

        Raises:
            OrderRejected: The name is taken, the symbol is halted, or chance said so.
        """
        if self.find(order.client_order_id) is not None:
            raise OrderRejected("client_order_id must be unique", code=40010001)
        if order.symbol in self._frictions.halted:
            raise OrderRejected(f"{order.symbol} is halted", code=42210000)
        if rng_for(self._seed, "reject", order.client_order_id).random() < self._frictions.reject_share:
            raise OrderRejected("the order was refused", code=40310000)
        self._connection.execute(
            "INSERT INTO orders (client_order_id, symbol, side, quantity, filled, status)"
            " VALUES (?, ?, ?, ?, '0', ?)",
            (order.client_order_id, order.symbol, order.side, str(order.quantity), OrderStatus.OPEN),
        )
        taken = self.find(order.client_order_id)
        assert taken is not None  # noqa: S101 - it was inserted just now
        return taken

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order of a name."""
        return next(iter(self._orders("client_order_id = ?", client_order_id)), None)

    def open_orders(self) -> Sequence[BrokerOrder]:
        """Return every order that is not final."""
        return self._orders("status = ?", OrderStatus.OPEN)

    def cancel(self, order_id: str) -> None:
        """End an order that is open."""
        self._end(order_id, OrderStatus.CANCELED)

    def fills(self) -> Sequence[Fill]:
        """Return every fill."""
        rows = self._connection.execute(
            "SELECT n, client_order_id, symbol, side, quantity, price, at FROM fills ORDER BY n"
        )
        return [
            Fill(f"simulated-{n}", name, symbol, _side(side), Decimal(quantity), Decimal(price), at)
            for n, name, symbol, side, quantity, price, at in rows
        ]

    def trade(self, prices: Mapping[str, float], *, last: bool = False) -> None:
        """Carry out open orders at these prices.

        Args:
            prices: What a share costs now, by symbol; without one an order stays open.
            last: Whether the session ends: what is left of its orders expires.
        """
        for order in self.open_orders():
            price = prices.get(order.symbol)
            if price is not None and order.symbol not in self._frictions.halted:
                self._fill(order, price, whole=last)
        if last:
            for order in self.open_orders():
                self._end(order.order_id, OrderStatus.EXPIRED)

    def _fill(self, order: BrokerOrder, price: float, *, whole: bool) -> None:
        left = order.quantity - order.filled
        rng = rng_for(self._seed, "fill", order.client_order_id, str(order.filled))
        if not whole and left > 1 and rng.random() < self._frictions.partial_share:
            part = (left * Decimal(repr(rng.uniform(0.1, 0.9)))).to_integral_value(ROUND_DOWN)
            left = max(part, Decimal(1))
        worse = 1 + (1 if order.side == "buy" else -1) * self._frictions.slippage_bps / 1e4
        paid = (Decimal(repr(price)) * Decimal(repr(worse))).quantize(CENT, ROUND_HALF_UP)
        filled = order.filled + left
        status = OrderStatus.FILLED if filled == order.quantity else OrderStatus.OPEN
        cash = self.cash() - (left if order.side == "buy" else -left) * paid
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                "INSERT INTO fills (client_order_id, symbol, side, quantity, price, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (order.client_order_id, order.symbol, order.side, str(left), str(paid), self._clock.now),
            )
            self._connection.execute(
                "UPDATE orders SET filled = ?, status = ? WHERE order_id = ?",
                (str(filled), status, int(order.order_id)),
            )
            self._connection.execute("UPDATE account SET value = ? WHERE name = 'cash'", (str(cash),))

    def _end(self, order_id: str, status: OrderStatus) -> None:
        self._connection.execute(
            "UPDATE orders SET status = ? WHERE order_id = ? AND status = ?",
            (status, int(order_id), OrderStatus.OPEN),
        )

    def _orders(self, where: str, value: str) -> list[BrokerOrder]:
        rows = self._connection.execute(
            "SELECT order_id, client_order_id, symbol, side, quantity, filled, status FROM orders"  # noqa: S608 - the two conditions above
            f" WHERE {where} ORDER BY order_id",
            (value,),
        )
        return [
            BrokerOrder(
                str(n), name, symbol, _side(side), Decimal(quantity), Decimal(filled), OrderStatus(status)
            )
            for n, name, symbol, side, quantity, filled, status in rows
        ]


def _side(text: str) -> Side:
    return "buy" if text == "buy" else "sell"
