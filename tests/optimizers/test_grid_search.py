"""Grid search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.optimizers import GridSearch
from sharpen.space import Choice, Constant, Float, Int, Space
from sharpen.trial import Proposal, Trial, TrialState

RNG = np.random.default_rng(0)
SPACE = Space({"a": Int(3, 5), "b": Choice((True, False, None)), "c": Constant(0), "d": Choice(("x", "y"))})


def as_trials(proposals: list[Proposal]) -> list[Trial]:
    return [Trial(n, p.config, TrialState.RUNNING, origin=p.origin) for n, p in enumerate(proposals, 1)]


@pytest.mark.parametrize("n", [1, 4, 18, 50])
def test_all_combinations_come_once_in_the_order_of_nested_loops(n) -> None:
    found: list[Proposal] = []
    while batch := GridSearch().ask(SPACE, as_trials(found), n, RNG):
        found += batch
    expected = itertools.product((3, 4, 5), (True, False, None), (0,), ("x", "y"))
    assert [tuple(p.config.values()) for p in found] == list(expected)
    assert [list(p.config) for p in found] == [["a", "b", "c", "d"]] * 18


def test_trials_of_another_origin_do_not_advance_the_grid() -> None:
    (first,) = GridSearch().ask(SPACE, [], 1, RNG)
    extra = [Trial(n, {"a": 4}, TrialState.FAILED, origin="enqueued") for n in (1, 2, 3)]
    assert GridSearch().ask(SPACE, extra, 1, RNG) == [first]


def test_a_grid_too_large_to_hold_is_no_trouble() -> None:
    space = Space({f"x{i}": Int(0, 99) for i in range(12)})
    past = [Trial(n, {}, TrialState.FINISHED, origin="grid") for n in range(1, 102)]
    (p,) = GridSearch().ask(space, past, 1, RNG)
    assert space.size == 100**12
    assert (p.config["x11"], p.config["x10"], p.config["x9"]) == (1, 1, 0)


def test_real_numbers_are_refused_by_name() -> None:
    space = Space({"n": Int(1, 2), "lr": Float(0.0, 1.0), "l2": Float(0.0, 1.0)})
    with pytest.raises(UsageError, match=r"real numbers of lr, l2: give values") as caught:
        GridSearch().ask(space, [], 1, RNG)
    assert caught.value.facts["parameters"] == ["lr", "l2"]
