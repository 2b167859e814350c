"""Runs that had to do with less than was proposed: what the search sees of them, and what is written."""

from __future__ import annotations

import numpy as np

from sharpen.optimizers import GridSearch
from sharpen.space import Choice, Int, Space
from sharpen.sweep import step
from sharpen.sweep.effects import Accepted, Rejected, SetConfig
from sharpen.sweep.events import MadeSmaller, ProgramExited, Reported
from sharpen.trial import Trial, TrialState

from .states import lease, move, sweep

SPACE = Space({"x": Int(8, 64_000), "y": Choice(("a", "b"))})


def test_its_score_is_that_of_the_smaller_values() -> None:
    state, n, token = lease(sweep(space=SPACE))
    asked = state.trials[0].config
    assert asked["x"] > 8
    less = {"x": 8, "unknown": 1, "y": "b"}
    state, effects = step(state, MadeSmaller(n, token, less))
    assert effects == [SetConfig(1, {**asked, "x": 8}, asked), Accepted()]
    again = step(state, MadeSmaller(n, token, less))
    assert again == (state, [Accepted()])
    state = move(state, Reported(n, token, 1, 0.5, 0.0), ProgramExited(n, token, 0))
    trial = state.trials[0]
    assert (trial.config, trial.asked, trial.score) == ({**asked, "x": 8}, asked, 0.5)


def test_a_method_sees_no_configuration_that_it_may_not_propose() -> None:
    state, n, token = lease(sweep(space=SPACE))
    asked = state.trials[0].config
    state, effects = step(state, MadeSmaller(n, token, {"x": 16}))
    state, effects = step(state, MadeSmaller(n, token, {"x": 4}))
    assert effects == [SetConfig(1, {**asked, "x": 4}, asked), Accepted()]
    assert (state.trials[0].config, state.trials[0].asked) == (asked, asked)


def test_only_whoever_holds_the_run_says_so_and_only_of_smaller_numbers() -> None:
    state, n, token = lease(sweep(space=SPACE))
    assert isinstance(step(state, MadeSmaller(n, token + 1, {"x": 8}))[1][-1], Rejected)
    for odd in ({"x": 1_000_000}, {"x": "8"}, {"x": None}, {"x": True}, {}):
        assert step(state, MadeSmaller(n, token, odd)) == (state, [Accepted()])


def test_a_grid_goes_on_behind_the_point_that_it_had_proposed() -> None:
    space = Space({"x": Choice((8, 16, 32))})
    halved = Trial(1, {"x": 8}, TrialState.FINISHED, score=0.5, origin="grid", proposed={"x": 16})
    (following,) = GridSearch().ask(space, [halved], 1, np.random.default_rng(0))
    assert following.config == {"x": 32}
