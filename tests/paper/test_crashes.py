"""A trader that dies at any moment sends no order twice and loses no fill."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .worlds import World, panel_of

EFFECTS = (
    "submit",
    "cancel",
    "decide",
    "keep_fills",
    "set_intent",
    "keep_fact",
    "keep_bar",
    "worth_at_start",
)


class PowerCutError(BaseException):
    """The process is gone at once."""


class CutOff:
    """Dies before or after the n-th effect on a ledger or a broker."""

    def __init__(self, die_at: int) -> None:
        self.n = 0
        self.die_at = die_at

    def wrap(self, target):
        cut = self

        class Wrapped:
            def __getattr__(self, name):
                value = getattr(target, name)
                if name not in EFFECTS:
                    return value

                def effect(*args, **kwargs):
                    cut.count()
                    answer = value(*args, **kwargs)
                    cut.count()
                    return answer

                return effect

        return Wrapped()

    def count(self) -> None:
        self.n += 1
        if self.n == self.die_at:
            raise PowerCutError


def _run_with_a_cut(folder: Path, die_at: int) -> tuple[int, bool]:
    """Trade, dying once at a moment; then go on to the end. Return the effects and whether it died."""
    cut = CutOff(die_at)
    world = World(folder, panel_of(9), wrap_broker=cut.wrap, wrap_ledger=cut.wrap)
    account = world.open()
    died = False
    try:
        account.play()
    except PowerCutError:
        died = True
    finally:
        account.close()
    if died:
        again = World(folder, world.panel).open()
        again.play()
        again.close()
    return cut.n, died


def _check(folder: Path, n_bars: int = 9) -> None:
    account = World(folder, panel_of(n_bars)).open()
    try:
        orders = [f.client_order_id for f in account.broker.fills()]
        names = {intent.order.client_order_id for intent in account.ledger.intents()}
        assert set(orders) <= names, "the broker has an order that nobody meant"
        per_decision = Counter((i.bar, i.order.symbol) for i in account.ledger.intents())
        assert max(per_decision.values()) == 1
        sent = account.broker._orders("1 = ?", 1)
        assert len({o.client_order_id for o in sent}) == len(sent)
        for order in sent:
            intent = next(
                i for i in account.ledger.intents() if i.order.client_order_id == order.client_order_id
            )
            assert intent.order.quantity == order.quantity
        assert account.ledger.positions() == account.broker.positions()
        assert account.ledger.cash() == account.broker.cash()
        assert {f.execution_id for f in account.ledger.fills()} == {
            f.execution_id for f in account.broker.fills()
        }
        assert account.ledger.last_bar() is not None
    finally:
        account.close()


def test_every_moment_of_death(tmp_path):
    n, died = _run_with_a_cut(tmp_path / "whole", die_at=10**9)
    assert not died
    assert n > 100
    _check(tmp_path / "whole")
    for die_at in range(1, n + 1, 3):
        folder = tmp_path / str(die_at)
        _, died = _run_with_a_cut(folder, die_at)
        assert died
        _check(folder)


PROGRAM = """
import os, random, signal, sys, time
from pathlib import Path
from tests.paper.worlds import World, panel_of
rng, n_killed = random.Random(1), 0
for _ in range(int(sys.argv[2])):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        account = World(Path(sys.argv[1]), panel_of(60)).open()
        os.write(told, b"1")
        account.play()
        os._exit(0)
    os.read(ready, 1)
    time.sleep(rng.uniform(0.0, 0.05))  # where the blow falls is the point, not how long it takes
    os.kill(child, signal.SIGKILL)
    n_killed += os.waitpid(child, 0)[1] == signal.SIGKILL
    os.close(ready), os.close(told)
print(n_killed)
"""


@pytest.mark.slow
def test_kill_9_at_random_moments(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "60"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
    account = World(tmp_path, panel_of(60)).open()
    account.play()
    account.close()
    _check(tmp_path, 60)
