"""ASHA: who goes on, and when."""

from __future__ import annotations

from collections import Counter

import pytest

from sharpen.optimizers import make
from sharpen.optimizers.asha import promotions
from sharpen.trial import Trial, TrialState

from .test_hyperband import played, quality


def done(number: int, score: float | None, fidelity: float = 1, parent: int | None = None) -> Trial:
    state = TrialState.FAILED if score is None else TrialState.FINISHED
    return Trial(number, {}, state, (), score, "asha", parent=parent, fidelity=fidelity)


def test_one_in_eta_of_those_that_have_ended_goes_on_and_high_rungs_come_first() -> None:
    past = [done(1, 1.0), done(2, 3.0)]
    assert promotions(past, (1, 3, 9), 3) == []
    past.append(done(3, 2.0))
    assert [p.parent for p in promotions(past, (1, 3, 9), 3)] == [2]
    past += [done(4, 0.1, 3, 2), done(5, None), done(6, 4.0), done(7, 0.0)]
    assert [p.parent for p in promotions(past, (1, 3, 9), 3)] == [6]
    past += [done(8, 0.2, 3, 6), done(9, 9.0), done(10, 0.3, 3, 9)]
    assert [(p.parent, p.fidelity) for p in promotions(past, (1, 3, 9), 3)] == [(10, 9)]


@pytest.mark.parametrize("n_agents", [1, 7])
def test_budgets_of_all_rungs_come_out_alike(n_agents) -> None:
    past = played(make("asha", {"max_fidelity": 9}, seed=2), 800, quality, n_agents)
    n = Counter(t.fidelity for t in past)
    assert n[1] / n[3] == pytest.approx(3, rel=0.2)
    assert n[3] / n[9] == pytest.approx(3, rel=0.2)
    assert all(past[t.parent - 1].config == t.config for t in past if t.parent)
