"""What every search method must do, whatever its name."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from sharpen import spec
from sharpen.optimizers import OPTIMIZERS, make
from sharpen.space import Choice, Constant, Space
from sharpen.trial import Proposal, Trial, TrialState

from .histories import COUNTABLE, HISTORIES, MIXED, history

SPACES = {"countable": COUNTABLE, "mixed": MIXED}
EVERYWHERE = [
    pytest.param(method, space, id=f"{method}-{name}")
    for method in OPTIMIZERS
    for name, space in SPACES.items()
    if not (method == "grid" and space.size is None)
]
RANDOMISED = [case for case in EVERYWHERE if case.values[0] != "grid"]

pytestmark = pytest.mark.filterwarnings("error")


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def configs(proposals: list[Proposal]) -> list[dict[str, object]]:
    return [dict(p.config) for p in proposals]


def test_the_name_table_is_the_one_that_sweep_files_may_use() -> None:
    assert tuple(OPTIMIZERS) == spec.METHODS


@pytest.mark.parametrize("states", HISTORIES.values(), ids=HISTORIES.keys())
@pytest.mark.parametrize(("method", "space"), EVERYWHERE)
def test_proposals_are_in_the_space_distinct_and_say_who_made_them(method, space, states) -> None:
    proposals = make(method).ask(space, history(space, states), 4, rng())
    assert len(proposals) == 4
    assert all(space.contains(p.config) for p in proposals)
    assert len({space.key(p.config) for p in proposals}) == 4
    assert all(p.origin for p in proposals)


@pytest.mark.parametrize("states", HISTORIES.values(), ids=HISTORIES.keys())
@pytest.mark.parametrize(("method", "space"), EVERYWHERE)
def test_the_same_question_has_the_same_answer_and_nothing_is_changed(method, space, states) -> None:
    past = history(space, states)
    kept = copy.deepcopy(past)
    first, second = (make(method).ask(space, past, 3, rng()) for _ in range(2))
    assert configs(first) == configs(second)
    assert past == kept


@pytest.mark.parametrize("states", HISTORIES.values(), ids=HISTORIES.keys())
@pytest.mark.parametrize(("method", "space"), RANDOMISED)
def test_another_random_stream_has_another_answer(method, space, states) -> None:
    past = history(space, states)
    assert configs(make(method).ask(space, past, 3, rng(1))) != configs(
        make(method).ask(space, past, 3, rng(2))
    )


@pytest.mark.parametrize(("method", "space"), EVERYWHERE)
def test_a_restart_goes_on_as_if_nothing_had_happened(method, space) -> None:
    """A long-lived instance sees trials move through their states; a fresh one sees only the result."""
    lived = make(method)
    past: list[Trial] = []
    for turn in range(14):
        here = lived.ask(space, past, 2, rng(turn))
        fresh = make(method).ask(space, copy.deepcopy(past), 2, rng(turn))
        assert configs(here) == configs(fresh)
        for p in here:
            past.append(Trial(len(past) + 1, p.config, TrialState.RUNNING, origin=p.origin))
        done = max(0, len(past) - 3)
        for i in range(done):
            if past[i].state is TrialState.RUNNING:
                score = None if i % 5 == 4 else float(past[i].config["depth"])
                past[i] = Trial(i + 1, past[i].config, TrialState.FINISHED, (), score, past[i].origin)


@pytest.mark.parametrize("method", OPTIMIZERS)
def test_one_instance_serves_two_sweeps(method) -> None:
    other = Space({"depth": COUNTABLE.dimensions["depth"], "flag": Choice((True, False, None))})
    shared = make(method)
    shared.ask(COUNTABLE, history(COUNTABLE, HISTORIES["finished"]), 2, rng())
    past = history(other, HISTORIES["finished"], seed=3)
    assert configs(shared.ask(other, past, 2, rng())) == configs(make(method).ask(other, past, 2, rng()))


@pytest.mark.parametrize("method", OPTIMIZERS)
def test_true_false_zero_none_and_empty_text_are_ordinary_values(method) -> None:
    space = Space({"x": Choice((True, False, 0, 1, None, ""))})
    found: list[Trial] = []
    optimizer = make(method)
    for turn in range(6):
        (p,) = optimizer.ask(space, found, 1, rng(turn))
        found.append(Trial(len(found) + 1, p.config, TrialState.FINISHED, (), 0.5, p.origin))
    assert {repr(t.config["x"]) for t in found} == {"True", "False", "0", "1", "None", "''"}


@pytest.mark.parametrize("method", OPTIMIZERS)
def test_what_is_running_is_not_proposed_again(method) -> None:
    space = Space({"x": Choice(tuple(range(12)))})
    past = [
        Trial(n, {"x": n - 1}, TrialState.RUNNING if n > 2 else TrialState.FINISHED, (), None, "grid")
        for n in range(1, 12)
    ]
    (p,) = make(method).ask(space, past, 1, rng())
    assert p.config["x"] == 11


@pytest.mark.parametrize("method", OPTIMIZERS)
def test_a_space_of_constants_has_one_point(method) -> None:
    (p,) = make(method).ask(Space({"a": Constant(None), "b": Choice((7,))}), [], 1, rng())
    assert p.config == {"a": None, "b": 7}


@pytest.mark.parametrize("method", OPTIMIZERS)
def test_a_small_space_that_is_used_up_ends_or_repeats_but_does_not_fail(method) -> None:
    space = Space({"x": Choice((True, False))})
    past = [Trial(n, {"x": n % 2 == 1}, TrialState.FINISHED, (), float(n), "grid") for n in range(1, 21)]
    proposals = make(method).ask(space, past, 3, rng())
    assert len(proposals) == (0 if method == "grid" else 3)
    assert all(space.contains(p.config) for p in proposals)
    if proposals:
        assert {p.config["x"] for p in proposals[:2]} == {True, False}


@pytest.mark.parametrize("method", OPTIMIZERS)
def test_trials_from_outside_the_space_are_put_up_with(method) -> None:
    past = [Trial(n, {"other": n}, TrialState.FINISHED, (), float(n), "enqueued") for n in range(1, 16)]
    (p,) = make(method).ask(COUNTABLE, past, 1, rng())
    assert COUNTABLE.contains(p.config)
