"""What is on the disk is what is in memory, after any words in any order."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sharpen.wire import dumps

from .desks import MINIMIZE, STOPPING, SWEEP, HandClock, Office

pytestmark = pytest.mark.timeout(3600)  # the thorough profile takes its time
GRID = SWEEP.replace("random", "grid").replace("{min: 0.0, max: 1.0}", "{values: [1, 2]}")
AGENTS = st.sampled_from(["a", "b", "dead"])
VALUES = st.sampled_from([0.1, 0.5, -0.3, 0.0, -0.0, math.nan, math.inf, "fast", None, 7])
METRICS = st.dictionaries(st.sampled_from(["val/sharpe", "val/sharpe", "loss"]), VALUES, min_size=1)


class Restoring(RuleBasedStateMachine):
    """Random requests to a coordinator, each followed by a comparison with a fresh one."""

    @initialize(texts=st.lists(st.sampled_from([SWEEP, STOPPING, MINIMIZE, GRID]), min_size=1, max_size=2))
    def begin(self, texts: list[str]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.office = Office(Path(self.folder.name) / "home", HandClock())
        self.sweeps = [self.office.create(text, key=str(n), run_cap=4) for n, text in enumerate(texts)]
        self.n_keys = 0
        self.leases: list[tuple[str, int]] = []

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.close()
            self.folder.cleanup()

    def send(self, *requests: tuple[str, dict[str, Any]]) -> list[Any]:
        """Send a batch as a host would receive it, sometimes a second time, as after a lost reply."""
        batch = [json.loads(dumps({"op": op, "args": args})) for op, args in requests]
        return self.office.coordinator.answer(batch)

    @rule(data=st.data(), agent=AGENTS, twice=st.booleans())
    def lease(self, data: st.DataObject, agent: str, twice: bool) -> None:
        self.n_keys += 1
        sweep_id = data.draw(st.sampled_from(self.sweeps))
        request = ("lease", {"sweep_id": sweep_id, "agent_id": agent, "key": f"k{self.n_keys}"})
        (reply,) = self.send(request)
        if "run" in reply["ok"]:
            run = reply["ok"]["run"]
            self.leases.append((run["run_id"], run["token"]))
            if twice:
                assert self.send(request) == [reply]

    def words(self, data: st.DataObject) -> tuple[str, dict[str, Any]]:
        """Draw a request about a lease that is held, or was."""
        run_id, token = data.draw(st.sampled_from(self.leases))
        op, args = data.draw(
            st.one_of(
                st.tuples(
                    st.just("report"),
                    st.fixed_dictionaries(
                        {"rows": st.lists(st.tuples(st.integers(0, 5), METRICS), min_size=1, max_size=3)}
                    ),
                ),
                st.tuples(
                    st.just("exit"),
                    st.fixed_dictionaries(
                        {
                            "exit_code": st.sampled_from([0, 0, 1, -9]),
                            "last_words": st.sampled_from(["boom", "bang"]),
                        }
                    ),
                ),
                st.tuples(st.just("release"), st.just({})),
                st.tuples(st.just("summarize"), st.fixed_dictionaries({"values": METRICS})),
            )
        )
        return op, {"run_id": run_id, "token": token, **args}

    @rule(data=st.data(), n=st.integers(1, 4), twice=st.booleans())
    def speak(self, data: st.DataObject, n: int, twice: bool) -> None:
        if not self.leases:
            return
        requests = [self.words(data) for _ in range(n)]
        self.send(*requests)
        if twice:
            before = self.office.in_memory()
            once = self.send(requests[-1])
            assert self.office.in_memory() == before, (requests[-1], once)

    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        sweep_id = data.draw(st.sampled_from(self.sweeps))
        held = [pair for pair in self.leases if pair[0].startswith(sweep_id)]
        (reply,) = self.send(("beat", {"sweep_id": sweep_id, "agent_id": "a", "held": held}))
        assert set(reply) == {"ok"}

    @rule(seconds=st.sampled_from([1.0, 31.0]))
    def tick(self, seconds: float) -> None:
        self.office.clock.now += seconds
        self.office.coordinator.tick()

    @rule(data=st.data(), run_cap=st.sampled_from([None, 1, 4, 6]))
    def reopen(self, data: st.DataObject, run_cap: int | None) -> None:
        self.send(("reopen", {"sweep_id": data.draw(st.sampled_from(self.sweeps)), "run_cap": run_cap}))

    @rule()
    def change_hosts(self) -> None:
        self.office.close()
        self.office = Office(self.office.home, self.office.clock)

    @invariant()
    def disk_and_memory_are_one(self) -> None:
        on_disk = self.office.restarted()
        for sweep_id, state in self.office.in_memory().items():
            assert on_disk[sweep_id] == state


TestRestoring = Restoring.TestCase
TestRestoring.settings = settings(stateful_step_count=20)
