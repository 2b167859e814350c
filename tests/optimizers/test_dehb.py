"""DEHB: its schedule, its populations, its children."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.optimizers import make
from sharpen.optimizers.brackets import brackets
from sharpen.optimizers.subpopulations import ABOVE, FIRST, next_vacancy, population
from sharpen.seeds import rng_for
from sharpen.testing.optimizers import begun
from sharpen.trial import Trial, TrialState, best

from .test_hyperband import SPACE, played, quality

CYCLE = brackets(1, 27, 3)


def trial(number: int, fidelity: float, score: float | None = 0.0, is_first: bool = True) -> Trial:
    origin = FIRST if is_first else ABOVE
    return Trial(number, {"n": number}, TrialState.FINISHED, (), score, origin, fidelity=fidelity)


def test_one_pass_has_the_papers_brackets_in_their_order() -> None:
    past: list[Trial] = []
    while (vacancy := next_vacancy(past, CYCLE, 1)) is not None:
        past.append(trial(len(past) + 1, vacancy.fidelity, is_first=vacancy.below is None))
        assert vacancy.is_first_pass
    order = [1] * 27 + [3] * 9 + [9] * 3 + [27] + [3] * 12 + [9] * 4 + [27] + [9] * 6 + [27] * 2 + [27] * 4
    assert [t.fidelity for t in past] == order
    assert len(past) == 69
    assert (
        sum(t.fidelity or 0 for t in past) == 27 * 4 - 3 + 3 * 12 + 9 * 4 + 27 + 9 * 6 + 27 * 2 + 27 * 4 + 3
    )


def test_fifty_that_nobody_ends_are_on_first_rungs_alone() -> None:
    found = make("dehb", {"max_fidelity": 27}, seed=1).ask(SPACE, [], 49, rng_for(1, "ask"))
    assert Counter(p.fidelity for p in found) == {1: 27, 3: 12, 9: 6, 27: 4}


def test_a_population_begins_with_the_best_and_keeps_the_better_of_two() -> None:
    n_first = 9 + 12
    past = [trial(n, 3, float(n)) for n in range(1, n_first + 1)]
    first = population(past, 3, CYCLE)
    assert [t.number for t in first if t] == list(range(21, 9, -1))
    worse, equal, better, failed = (
        trial(22, 3, 0.0),
        trial(23, 3, 20.0),
        trial(24, 3, 99.0),
        trial(25, 3, None),
    )
    later = population([*past, worse, equal, better, failed], 3, CYCLE)
    assert [t.number for t in later if t] == [21, 23, 24, *range(18, 9, -1)]


def test_the_first_pass_promotes_and_later_ones_breed() -> None:
    past = played(make("dehb", {"max_fidelity": 9}, seed=3), 70, quality)
    n_first = 13 + 6 + 3
    for t in past[:n_first]:
        assert t.parent is None or past[t.parent - 1].config == t.config
    assert sum(t.parent is not None for t in past) == sum(t.parent is not None for t in past[:n_first]) == 5
    assert np.mean([t.config["x"] for t in past[n_first:]]) > np.mean([t.config["x"] for t in past[:9]])


@pytest.mark.parametrize("n_agents", [1, 8])
def test_it_finds_the_optimum_better_than_chance(n_agents) -> None:
    def value(t: Trial) -> float:
        return -((t.config["x"] - 0.7) ** 2) - (np.log10(t.config["lr"]) + 3) ** 2 / 9 - 0.1 / t.fidelity

    def found(method: str) -> float:
        won = [
            best(played(make(method, {"max_fidelity": 9}, seed=s), 150 * n_agents, value, n_agents, seed=s))
            for s in range(4)
        ]
        return float(np.mean([t.score for t in won if t and t.score is not None]))

    assert found("dehb") >= found("hyperband") - 1e-3


def test_agents_that_all_ask_at_once_get_different_configurations() -> None:
    search = make("dehb", {"max_fidelity": 9}, seed=3)
    past = played(search, 40, quality)
    for n in range(20):
        (p,) = search.ask(SPACE, past, 1, rng_for(4, "ask", n))
        past.append(begun(len(past) + 1, p))
    assert len({SPACE.key(t.config) for t in past[-20:]}) == 20


def test_a_failed_trial_is_no_parent() -> None:
    search = make("dehb", {"max_fidelity": 3}, seed=3)
    past = played(search, 60, lambda t: None if t.config["x"] > 0.3 else t.config["x"])
    past = [replace(t, state=TrialState.FAILED) if t.score is None else t for t in past]
    assert all(t.score is not None for t in population(past, 1, brackets(1, 3, 3)) if t)
    assert search.ask(SPACE, past, 3, rng_for(4, "ask"))


def test_what_is_wrong_with_a_setting_is_said() -> None:
    with pytest.raises(UsageError, match=r"give max_fidelity.*mutation must be above 0; crossover"):
        make("dehb", {"mutation": 0, "crossover": 2})
