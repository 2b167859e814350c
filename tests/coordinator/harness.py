"""A coordinator with a clock that is set by hand, and short ways to ask it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sharpen import errors
from sharpen.coordinator.core import Coordinator
from sharpen.sweep import SweepState, Trials
from sharpen.trial import Report, Trial

SWEEP = """
program: train.py
method: random
metric: {name: val/sharpe, goal: maximize}
parameters: {x: {min: 0.0, max: 1.0}, kind: {values: [a, b, null]}}
"""
STOPPING = SWEEP + "early_terminate: {type: hyperband, min_iter: 2, eta: 3}\n"
MINIMIZE = STOPPING.replace("maximize", "minimize")


@dataclass
class HandClock:
    """Two clocks that go only when they are told to."""

    now: float = 0.0

    def time(self) -> float:
        self.now += 1e-3  # two things never happen at once
        return 1e9 + self.now

    def monotonic(self) -> float:
        return self.now


class CoordinatorHarness:
    """A coordinator and one who asks it; each answer is unpacked or raised, as a client would."""

    def __init__(self, home: Path, clock: HandClock | None = None) -> None:
        self.home = home
        self.clock = clock or HandClock()
        self.coordinator = Coordinator(home, self.clock)

    def ask(self, op: str, **args: Any) -> Any:
        (reply,) = self.coordinator.answer([{"op": op, "args": args}])
        return unpack(reply)

    def create(self, text: str = SWEEP, key: str = "key", **more: Any) -> str:
        place = {"source": "s.yaml", "workdir": "/"}
        return self.ask("create_sweep", key=key, text=text, place=place, **more)["sweep_id"]

    def lease(self, sweep_id: str, key: str, agent: str = "a") -> Any:
        return self.ask("lease", sweep_id=sweep_id, agent_id=agent, key=key)

    def held(self, sweep_id: str, key: str = "k1", agent: str = "a") -> dict[str, Any]:
        """Lease a run and return what names the lease."""
        run = self.lease(sweep_id, key, agent)["run"]
        return {"run_id": run["run_id"], "token": run["token"]}

    def report(self, held: Mapping[str, Any], step: int, **metrics: Any) -> str:
        rows = [[step, {name.replace("_", "/"): value for name, value in metrics.items()}]]
        return self.ask("report", **held, rows=rows)["stop"]

    def state(self, sweep_id: str) -> SweepState:
        return self.coordinator._session.sweep(sweep_id).state

    def restarted(self) -> SweepStates:
        """Return every sweep's state as a new coordinator over the same folder would have it."""
        fresh = Coordinator(self.home, self.clock)
        ids = [row.id for row in fresh._session.reader.sweeps(deleted=True)]
        found = {sweep_id: comparable(fresh._session.sweep(sweep_id).state) for sweep_id in ids}
        fresh.close()
        return found

    def in_memory(self) -> SweepStates:
        return {
            sweep_id: comparable(sweep.state) for sweep_id, sweep in self.coordinator._session.open.items()
        }

    def close(self) -> None:
        self.coordinator.close()


SweepStates = dict[str, SweepState]


def unpack(reply: Mapping[str, Any]) -> Any:
    if "error" in reply:
        raise errors.from_facts(**reply["error"])
    return reply["ok"]


def comparable(state: SweepState) -> SweepState:
    """Return a state without what a restart may change: deadlines, and a memo of the optimizer's silence.

    Not-a-number is not equal to itself, so a word stands for it; optimizers and stoppers go by their type.
    Time at work that has not been counted yet is lost, and that is all.
    """
    live = {
        n: replace(
            one,
            trial=without_nan(one.trial),
            watched={name: repr(log) for name, log in one.watched.items()},  # type: ignore[misc]
            lease=None if one.lease is None else replace(one.lease, deadline=0.0),
        )
        for n, one in state.live.items()
    }
    rules = replace(state.rules, optimizer=type(state.rules.optimizer), stopper=type(state.rules.stopper))  # type: ignore[arg-type]
    trials = Trials.of(without_nan(trial) for trial in state.trials)
    live = dict(sorted(live.items()))
    folded = Trials.of(without_nan(trial) for trial in state.configurations.folded)
    configurations = replace(state.configurations, folded=folded)
    state = replace(state, rules=rules, live=live, trials=trials, configurations=configurations)
    return replace(state, exhausted=False, counted_at=None)


def without_nan(trial: Trial) -> Trial:
    reports: Any = [Report(r.step, "nan" if math.isnan(r.value) else r.value) for r in trial.reports]  # type: ignore[arg-type]
    scores: Any = tuple("nan" if math.isnan(score) else score for score in trial.scores)
    return replace(trial, reports=tuple(reports), scores=scores, config=dict(trial.config))
