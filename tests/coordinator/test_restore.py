"""What is on the disk is what is in memory, after any words in any order."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sharpen import spec
from sharpen.jsonable import dumps

from .harness import MINIMIZE, STOPPING, SWEEP, CoordinatorHarness, HandClock

pytestmark = pytest.mark.timeout(3600)  # the thorough profile takes its time
GRID = SWEEP.replace("random", "grid").replace("{min: 0.0, max: 1.0}", "{values: [1, 2]}")
FULL = STOPPING + "name: full\n"
REPEATED = STOPPING + "repeats: 2\n"
AGENTS = st.sampled_from(["a", "b", "dead"])
VALUES = st.sampled_from([0.1, 0.5, -0.3, 0.0, -0.0, math.nan, math.inf, "fast", None, 7])
METRICS = st.dictionaries(st.sampled_from(["val/sharpe", "val/sharpe", "loss"]), VALUES, min_size=1)
POINTS = st.sampled_from([{"x": 0.5}, {"x": 1}, {"x": 3.0}, {"kind": "b"}, {"y": 1}, {}])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "run_cap": st.sampled_from([None, 2, 4, 7]),
        "max_failures": st.sampled_from([None, 1, 2]),
        "time_cap_s": st.sampled_from([None, 20.0, 90.0]),
        "name": st.sampled_from(["one", "two"]),
    },
)


@pytest.fixture(autouse=True, scope="module")
def a_file_that_wants_more() -> Iterator[None]:
    """Let sweeps named ``full`` have two metrics, a constraint, a prior and resumption."""
    parse = spec.parse

    def more(text: str, where: str) -> spec.Sweep:
        read = parse(text, where=where)
        if "name: full" not in text:
            return read
        metrics = (read.metric, spec.Metric("loss"))
        constraints = (spec.Constraint("loss", "<=", 0.3),)
        prior = ({"x": 0.125, "kind": "a"}, {"x": 0.25, "kind": "b"})
        return replace(read, metrics=metrics, constraints=constraints, prior=prior, resume=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "parse", more)
        yield


class Restoring(RuleBasedStateMachine):
    """Random requests to a coordinator, each followed by a comparison with a fresh one."""

    @initialize(
        texts=st.lists(
            st.sampled_from([SWEEP, STOPPING, MINIMIZE, GRID, FULL, FULL, REPEATED, FULL + "repeats: 3\n"]),
            min_size=1,
            max_size=2,
        )
    )
    def begin(self, texts: list[str]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.harness = CoordinatorHarness(Path(self.folder.name) / "home", HandClock())
        self.sweeps = [self.harness.create(text, key=str(n), run_cap=4) for n, text in enumerate(texts)]
        self.n_keys = 0
        self.leases: list[tuple[str, int]] = []

    def teardown(self) -> None:
        if hasattr(self, "harness"):
            self.harness.close()
            self.folder.cleanup()

    def send(self, *requests: tuple[str, dict[str, Any]]) -> list[Any]:
        """Send a batch as a host would receive it, sometimes a second time, as after a lost reply."""
        batch = [json.loads(dumps({"op": op, "args": args})) for op, args in requests]
        return self.harness.coordinator.answer(batch)

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
            before = self.harness.in_memory()
            once = self.send(requests[-1])
            assert self.harness.in_memory() == before, (requests[-1], once)

    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        sweep_id = data.draw(st.sampled_from(self.sweeps))
        held = [pair for pair in self.leases if pair[0].startswith(sweep_id)]
        (reply,) = self.send(("beat", {"sweep_id": sweep_id, "agent_id": "a", "held": held}))
        assert set(reply) == {"ok"}

    @rule(seconds=st.sampled_from([1.0, 31.0]))
    def tick(self, seconds: float) -> None:
        self.harness.clock.now += seconds
        self.harness.coordinator.tick()

    @rule(data=st.data(), run_cap=st.sampled_from([None, 1, 4, 6]))
    def reopen(self, data: st.DataObject, run_cap: int | None) -> None:
        self.send(("reopen", {"sweep_id": data.draw(st.sampled_from(self.sweeps)), "run_cap": run_cap}))

    @rule(data=st.data(), op=st.sampled_from(["pause", "stop", "cancel"]))
    def steer(self, data: st.DataObject, op: str) -> None:
        words = {"reason": "enough"} if op == "cancel" else {}
        self.send_twice((op, {"sweep_id": data.draw(st.sampled_from(self.sweeps)), **words}))

    @rule(data=st.data(), op=st.sampled_from(["cancel_run", "rerun", "delete"]), number=st.integers(1, 5))
    def steer_run(self, data: st.DataObject, op: str, number: int) -> None:
        run_id = f"{data.draw(st.sampled_from(self.sweeps))}-{number}"
        self.n_keys += 1
        words = {
            "cancel_run": {"run_id": run_id, "reason": "no good"},
            "rerun": {"run_id": run_id, "key": f"again{self.n_keys}"},
            "delete": {"target": run_id},
        }
        self.send_twice((op, words[op]))

    @rule(data=st.data(), points=st.lists(POINTS, min_size=1, max_size=2))
    def queue(self, data: st.DataObject, points: list[dict[str, Any]]) -> None:
        self.n_keys += 1
        words = {"key": f"add{self.n_keys}", "points": points}
        self.send_twice(("add", {"sweep_id": data.draw(st.sampled_from(self.sweeps)), **words}))

    @rule(data=st.data(), changes=CHANGES)
    def edit(self, data: st.DataObject, changes: dict[str, Any]) -> None:
        self.send_twice(("edit", {"sweep_id": data.draw(st.sampled_from(self.sweeps)), "changes": changes}))

    @rule(data=st.data(), sure=st.integers(0, 5))
    def delete_sweep(self, data: st.DataObject, sure: int) -> None:
        if sure == 5:  # seldom: nothing much happens afterwards
            self.send_twice(("delete", {"target": data.draw(st.sampled_from(self.sweeps))}))

    @rule(data=st.data(), step=st.sampled_from([None, 0, 2, 4]))
    def save_checkpoint(self, data: st.DataObject, step: int | None) -> None:
        if self.leases:
            run_id, token = data.draw(st.sampled_from(self.leases))
            file = {"name": "c", "type": "checkpoint", "digest": f"d{step}", "n_bytes": 1}
            metadata = {} if step is None else {"step": step}
            self.send_twice(("artifact", {"run_id": run_id, "token": token, "metadata": metadata, **file}))

    def send_twice(self, request: tuple[str, dict[str, Any]]) -> None:
        """Send a request, and again as after a lost reply: the second changes nothing."""
        first = self.send(request)
        before = self.harness.in_memory()
        assert [set(reply) for reply in self.send(request)] == [set(reply) for reply in first]
        assert self.harness.in_memory() == before

    @rule()
    def change_hosts(self) -> None:
        self.harness.close()
        self.harness = CoordinatorHarness(self.harness.home, self.harness.clock)

    @invariant()
    def disk_and_memory_are_one(self) -> None:
        on_disk = self.harness.restarted()
        for sweep_id, state in self.harness.in_memory().items():
            assert on_disk[sweep_id] == state


TestRestoring = Restoring.TestCase
TestRestoring.settings = settings(stateful_step_count=20)


def test_failures_that_a_person_has_forgiven_stay_forgiven_and_later_ones_count(tmp_path: Path) -> None:
    """Those before the sweep was reopened are as many as had ended then, not as there were runs."""
    harness = CoordinatorHarness(tmp_path / "home", HandClock())
    sweep_id = harness.create(SWEEP, run_cap=4)
    first, second = harness.held(sweep_id, "k1"), harness.held(sweep_id, "k2")
    _fail(harness, first, "boom")
    harness.ask("pause", sweep_id=sweep_id)
    harness.ask("reopen", sweep_id=sweep_id, run_cap=None)  # the second run is at work meanwhile
    _fail(harness, second, "bang")
    for state in (harness.state(sweep_id), harness.restarted()[sweep_id]):
        assert (state.n_failures, state.n_same_failures, state.last_failure) == (1, 1, "bang")
    harness.close()


def test_the_newest_failure_is_the_one_of_the_latest_date(tmp_path: Path) -> None:
    harness = CoordinatorHarness(tmp_path / "home", HandClock())
    sweep_id = harness.create(SWEEP, run_cap=4)
    runs = [harness.held(sweep_id, f"k{n}") for n in range(3)]
    for place, words in ((2, "bang"), (1, "boom"), (0, "boom")):
        harness.clock.now += 1.0
        _fail(harness, runs[place], words)
    for state in (harness.state(sweep_id), harness.restarted()[sweep_id]):
        assert (state.n_failures, state.n_same_failures, state.last_failure) == (3, 2, "boom")
    harness.close()


def _fail(harness: CoordinatorHarness, held: dict[str, Any], words: str) -> None:
    lease = {"run_id": held["run_id"], "token": held["token"]}
    harness.ask("exit", **lease, exit_code=1, last_words=words)
