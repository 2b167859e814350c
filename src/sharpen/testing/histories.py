"""Spaces and histories that the contract suites are run on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sharpen.space import Choice, Condition, Constant, Float, Int, Space
from sharpen.trial import ParameterValues, Report, Trial, TrialState

COUNTABLE = Space(
    {
        "depth": Int(1, 6),
        "flag": Choice((True, False)),
        "odd": Choice((0, None, "", False, 1)),
        "model.kind": Constant("tree"),
    }
)
MIXED = Space({"lr": Float(1e-4, 1e-1, log=True), "drop": Float(0.0, 0.5), **COUNTABLE.dimensions})
CONDITIONAL = Space(
    {
        "depth": Int(1, 5),
        "model": Choice(("tree", "line", "net")),
        "units": Choice((8, 16, 32)),
        "layers": Int(1, 4),
    },
    conditions={
        "depth": Condition("model", ("tree",)),
        "units": Condition("model", ("net",)),
        "layers": Condition("units", (16, 32)),
    },
    forbidden=({"model": "tree", "depth": 5}, {"units": 32, "layers": 4}),
)
"""13 configurations: 4 trees, 1 line, 1 + 4 + 3 nets; a parent stands behind one of its children."""
WIDE = Space(
    {**CONDITIONAL.dimensions, "lr": Float(1e-4, 1e-1, log=True), "leak": Float(0.0, 1.0)},
    conditions={**CONDITIONAL.conditions, "leak": Condition("model", ("line", "net"))},
    forbidden=CONDITIONAL.forbidden,
)
SPACES: Mapping[str, Space] = {
    "countable": COUNTABLE,
    "mixed": MIXED,
    "conditional": CONDITIONAL,
    "conditional and mixed": WIDE,
}

HISTORIES: Mapping[str, tuple[TrialState, ...]] = {
    "empty": (),
    "one": (TrialState.FINISHED,),
    "all failed": (TrialState.FAILED,) * 15,
    "all canceled or crashed": (TrialState.CANCELED, TrialState.CRASHED) * 8,
    "all running": (TrialState.RUNNING,) * 15,
    "all pending": (TrialState.PENDING,) * 4,
    "finished": (TrialState.FINISHED,) * 20,
    "stopped": (TrialState.STOPPED,) * 20,
    "every state": tuple(TrialState) * 5,
}
"""The states of the trials of a history, by what is special about it."""


def trial(
    number: int,
    *values: float,
    state: TrialState = TrialState.RUNNING,
    score: float | None = None,
    config: ParameterValues | None = None,
    origin: str = "",
) -> Trial:
    """Return a trial with the given reports at the steps 0, 1 and so on."""
    reports = tuple(Report(step, value) for step, value in enumerate(values))
    return Trial(number, config or {}, state, reports, score, origin)


def history(space: Space, states: Sequence[TrialState], seed: int = 0, origin: str = "random") -> list[Trial]:
    """Return one trial a state, with random configurations, reports and scores; every fifth is infeasible."""
    rng = np.random.default_rng(seed)
    trials: list[Trial] = []
    for number, state in enumerate(states, start=1):
        config = space.from_unit(rng.random(len(space.dimensions)).tolist())
        values: list[float] = rng.normal(size=0 if state is TrialState.PENDING else 4).tolist()
        has_score = state in (TrialState.FINISHED, TrialState.STOPPED) and number % 5 > 0
        if number % 5 == 0 and values:
            values[-1] = math.nan
        score = float(np.mean(values)) if has_score else None
        trials.append(trial(number, *values, state=state, score=score, config=config, origin=origin))
    return trials
