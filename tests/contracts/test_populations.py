"""Methods that wait for a generation or go on from parents, sharpen's own and the smallest ones."""

from __future__ import annotations

import pytest

from sharpen.optimizers import Optimizer, Wait, make
from sharpen.testing import ExploitExplore, Generations, PopulationContract
from sharpen.testing.populations import play


class TestGenerations(PopulationContract):
    def make(self) -> Optimizer:
        return Generations()


class TestExploitExplore(PopulationContract):
    n_trials = 6

    def make(self) -> Optimizer:
        return ExploitExplore()


class TestPbt(PopulationContract):
    n_trials = 12

    def make(self) -> Optimizer:
        return make("pbt", {"population": 4, "interval": 3, "max_fidelity": 9})


class TestPb2(PopulationContract):
    n_trials = 12

    def make(self) -> Optimizer:
        return make("pb2", {"population": 4, "interval": 3, "max_fidelity": 9})


def test_each_part_is_worked_at_by_all_members_and_the_worse_goes_on_from_the_better() -> None:
    trials = play(ExploitExplore, 2)
    assert [trial.fidelity for trial in trials] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    for part in (trials[2:4], trials[4:6]):
        assert sorted(trial.origin for trial in part) == ["continue", "exploit"]
        assert len({trial.parent for trial in part}) == 1


def test_a_method_that_waits_for_nothing_is_found_out() -> None:
    class Sleeper:
        def ask(self, space: object, history: object, n: int, rng: object) -> Wait:
            return Wait()

    with pytest.raises(AssertionError, match="no trial is pending or running"):
        play(Sleeper, 1)
