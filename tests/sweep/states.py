"""Small sweeps to move by hand, and the moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sharpen.optimizers import GridSearch, Optimizer, RandomSearch
from sharpen.space import Choice, Float, Space
from sharpen.stoppers import Never, Stopper
from sharpen.sweep import SweepRules, SweepState, step
from sharpen.sweep.effects import Effect, Granted
from sharpen.sweep.events import Event, LeaseAsked, ProgramExited, Reported
from sharpen.trial import GO_ON, StopDecision, Trial

LEASE_S = 30.0


class StopBelow:
    """Ends a trial whose newest value is below a limit."""

    def __init__(self, limit: float = 0.0) -> None:
        self.limit = limit

    def should_stop(self, trial: Trial, history: list[Trial]) -> StopDecision:
        if trial not in history:
            pytest.fail("judged outside of its history")  # which no sweep takes for a failure of the rule
        value = trial.reports[-1].value
        return StopDecision(True, f"{value} is below {self.limit}") if value < self.limit else GO_ON


def sweep(
    run_cap: int | None = 3,
    optimizer: Optimizer | None = None,
    stopper: Stopper | None = None,
    n_points: int | None = None,
    **rules: object,
) -> SweepState:
    dimension = Float(0.0, 1.0) if n_points is None else Choice(tuple(range(n_points)))
    found = SweepRules(
        space=Space({"x": dimension}),
        optimizer=optimizer or (RandomSearch() if n_points is None else GridSearch()),
        stopper=stopper or Never(),
        metric="val/sharpe",
        seed=0,
        run_cap=run_cap,
        lease_s=LEASE_S,
    )
    return SweepState(replace(found, **rules))  # type: ignore[arg-type]


def move(state: SweepState, *events: Event) -> SweepState:
    for event in events:
        state, _ = step(state, event)
    return state


def ask(state: SweepState, event: Event) -> Effect:
    return step(state, event)[1][-1]


def lease(
    state: SweepState, agent: str = "a", key: str | None = None, now: float = 0.0
) -> tuple[SweepState, int, int]:
    """Lease a run and return the state, its number and its token."""
    key = key or f"{agent}-{state.n_created}-{sum(live.token for live in state.live.values())}"
    state, effects = step(state, LeaseAsked(agent, key, now))
    granted = effects[-1]
    assert isinstance(granted, Granted)
    return state, granted.number, granted.token


def run_once(state: SweepState, value: float | None = 0.5, exit_code: int = 0, words: str = "") -> SweepState:
    """Lease a run, report a value, and end it."""
    state, n, token = lease(state)
    if value is not None:
        state = move(state, Reported(n, token, 1, value, 0.0))
    return move(state, ProgramExited(n, token, exit_code, words))
