"""kill -9 at random moments of trading on the stand-in, which loses answers too: nothing twice, nothing lost.

``pytest tests/paper/test_alpaca_kills.py --long -s`` kills 300 times and prints where the blows fell.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("alpaca")
pytest.importorskip("exchange_calendars")

from sharpen.paper.account_files import paths_of
from sharpen.paper.ledger import read_only

from .alpaca_stand_in import FINAL, AlpacaStandIn, Fault
from .killed_trader import Board
from .test_alpaca import CALENDAR, SYMBOLS, fill_with_bars

N_KILLS, N_KILLS_LONG = 10, 300
PHASE_CALLS = 45
MOST_CALLS = 70
SESSIONS = CALENDAR._calendar.sessions_in_range("2023-09-01", "2024-07-02")
DAYS = [str(day.date()) for day in SESSIONS]
FIRST = 6
FAULTS = [
    Fault("POST", "/orders", 0, taken=True),
    Fault("POST", "/orders", 0),
    Fault("POST", "/orders", 504, taken=True),
    Fault("POST", "/orders", 200, taken=True),
    Fault("GET", "/orders", 500),
    Fault("GET", "/account/activities", 0),
]


class Exchange:
    """Lets days pass, fills and ends orders, loses answers, and kills traders, all by the count of calls.

    A trader dies at a random call, or at its next order: before the order is taken, before the answer is
    sent, or after it. After the last one, it is morning for ever and every order is filled.
    """

    def __init__(self, stand_in: AlpacaStandIn, board: Board, n_kills: int) -> None:
        self.stand_in, self.board, self.n_left = stand_in, board, n_kills
        self.rng = random.Random(5)
        self.day, self.n_calls, self.dead = FIRST, 0, 0
        self.blows: Counter[str] = Counter()
        self._plan()
        self._evening()
        stand_in.watch = self.watch

    def watch(self, when: str, method: str) -> None:
        """Hear of a call; the stand-in is locked."""
        number, pid = self.board.trader()
        if number == self.dead:  # a call of the dead: the last trader has none to fear
            return
        if when == "asked":
            self.n_calls += 1
            self.n_lived += 1
            self._pass_time()
        is_now = self.n_lived >= (MOST_CALLS if self.at_an_order else self.lives)
        is_order = self.at_an_order and method == "POST"
        if when == self.moment and (is_now or is_order):
            self._kill(number, pid, f"{when} {'an order' if method == 'POST' else 'a question'}")

    def _plan(self) -> None:
        self.n_lived = 0
        self.lives = self.rng.randint(1, MOST_CALLS)
        self.at_an_order = self.rng.random() < 0.4
        self.moment = self.rng.choice(["asked", "done", "told"])

    def _kill(self, number: int, pid: int, where: str) -> None:
        self.dead = number
        self.n_left -= 1
        if not self.n_left:
            self._close()
        self.blows[where] += 1
        self._plan()
        os.kill(pid, signal.SIGKILL)

    def _pass_time(self) -> None:
        if self.n_calls % PHASE_CALLS == 0:
            if self.stand_in.is_open:
                self._evening()
            else:
                self._morning()
        if self.rng.random() < 0.05:
            self.stand_in.faults = [self.rng.choice(FAULTS)]
        if self.stand_in.is_open:
            for order in self._open_orders():
                if self.rng.random() < 0.1:
                    self._fill(order, whole=self.rng.random() < 0.5)

    def _evening(self) -> None:
        for order in self._open_orders():
            if self.rng.random() < 0.7:
                order["status"] = "expired"
        self._set(CALENDAR.times(SESSIONS[self.day]).close + 1000, is_open=False)

    def _morning(self) -> None:
        self.day += 1
        for symbol in SYMBOLS:
            self.stand_in.prices[symbol] = str(self.stand_in.bars[symbol][self.day]["o"])
        self._set(CALENDAR.times(SESSIONS[self.day]).open + 60, is_open=True)

    def _set(self, now: float, *, is_open: bool) -> None:
        day = DAYS[self.day if is_open else self.day + 1]
        self.stand_in.next_open = self.stand_in.next_close = f"{day}T16:00:00-04:00"
        self.stand_in.now, self.stand_in.is_open = now, is_open
        self.board.set_time(now)

    def _close(self) -> None:
        if not self.stand_in.is_open:
            self._morning()
        self.stand_in.faults = []
        for order in self._open_orders():
            self._fill(order, whole=True)
        self.stand_in.fills_at_once = ["0.5", "1"]

    def _open_orders(self) -> list[dict[str, str]]:
        return [order for order in self.stand_in.orders if order["status"] not in FINAL]

    def _fill(self, order: dict[str, str], *, whole: bool) -> None:
        left = Decimal(order["qty"]) - Decimal(order["filled_qty"])
        self.stand_in.fill(order, str(left if whole else max(left // 2, Decimal(1))))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_send_nothing_twice_and_lose_no_fill(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    n_kills = N_KILLS_LONG if request.config.getoption("--long") else N_KILLS
    alpaca = AlpacaStandIn()
    fill_with_bars(alpaca, DAYS)
    exchange = Exchange(alpaca, Board(tmp_path / "board"), n_kills)
    words = ["-m", "tests.paper.killed_trader", str(tmp_path), alpaca.url, str(n_kills)]
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "ignore", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    alpaca.close()
    assert done.returncode == 0, done.stderr[-2000:]
    assert exchange.blows.total() == n_kills

    ledger = read_only(paths_of(tmp_path, "test")[0])
    intents = {intent.order.client_order_id: intent for intent in ledger.intents()}
    fills, positions, cash = ledger.fills(), ledger.positions(), ledger.cash()
    ledger.close()
    names = [order["client_order_id"] for order in alpaca.orders]
    print(f"{n_kills} kills: {dict(exchange.blows)}; {exchange.n_calls} calls, {exchange.day - FIRST} days")
    print(f"{len(intents)} orders meant, {len(names)} taken, {len(alpaca.activities)} fills")
    assert len(names) == len(set(names))
    assert set(names) <= set(intents), "the broker has an order that nobody meant"
    # a position that turns around takes two orders
    assert max(Counter((i.bar, i.order.symbol) for i in intents.values()).values()) <= 2
    assert not any("insufficient" in intent.reason for intent in intents.values())
    assert all(Decimal(o["qty"]) == intents[o["client_order_id"]].order.quantity for o in alpaca.orders)
    assert {fill.execution_id for fill in fills} == {row["id"] for row in alpaca.activities}
    assert positions == {symbol: quantity for symbol, quantity in alpaca.held.items() if quantity}
    assert cash == alpaca.cash
    assert not any(intent.status.is_open for intent in intents.values())
    assert len(names) > n_kills / 6, "the trader died too often to trade"
    assert len(fills) > n_kills / 6
