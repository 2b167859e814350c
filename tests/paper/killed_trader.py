"""A program that trades on the stand-in by one process after another, each of which somebody else kills.

``python -m tests.paper.killed_trader FOLDER URL N_KILLS``; after the last kill it trades on to the end.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sharpen.errors import SharpenError
from sharpen.paper.alpaca.connection import AlpacaAccess
from sharpen.paper.risk import RiskLimits

from .alpaca_stand_in import KEY, SECRET
from .test_alpaca import AlpacaWorld

LIMITS = RiskLimits(max_daily_loss=0.9, max_order_usd=Decimal(10**9), max_position_usd=Decimal(10**9))


class Board:
    """What the market and the trader tell each other: the time, and which process trades now."""

    TIME, TRADER = struct.Struct("<d"), struct.Struct("<qq")

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(24))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 24)

    def time(self) -> float:
        """Return the market's time."""
        return self.TIME.unpack_from(self._shared)[0]

    def set_time(self, now: float) -> None:
        """Say what time it is."""
        self.TIME.pack_into(self._shared, 0, now)

    def trader(self) -> tuple[int, int]:
        """Return the number of the process that trades, from 1, and its id."""
        return self.TRADER.unpack_from(self._shared, 8)

    def set_trader(self, number: int, pid: int) -> None:
        """Say who trades."""
        self.TRADER.pack_into(self._shared, 8, number, pid)


@dataclass(frozen=True)
class Market:
    """Where the stand-in is."""

    access: AlpacaAccess


def trade(folder: Path, market: Market, board: Board, is_over: Callable[[int], bool]) -> None:
    """Trade; ``is_over`` is told how often in a row nothing was open."""
    world = AlpacaWorld(folder, market, board, LIMITS, began=0.0)
    n_idle = 0
    while True:
        try:
            session = world.open()
            break
        except SharpenError as problem:
            print(problem.message, file=sys.stderr)
    while not is_over(n_idle):
        session.trader.tick()
        n_idle = 0 if session.ledger.intents(only_open=True) else n_idle + 1
        if session.is_due(board.time()):
            session.decide()


def main() -> None:
    """Start a process after each that was killed, and then go on to the end."""
    folder, url, n_kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    market = Market(AlpacaAccess(KEY, SECRET, url, url, "ws://127.0.0.1:9/stream"))
    board = Board(folder / "board")
    for number in range(1, n_kills + 1):
        child = os.fork()
        if child == 0:
            board.set_trader(number, os.getpid())
            try:
                trade(folder, market, board, lambda _n_idle: False)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -9:
            sys.exit(f"trader {number} ended by itself")
    trade(folder, market, board, lambda n_idle: n_idle > 3)


if __name__ == "__main__":
    main()
