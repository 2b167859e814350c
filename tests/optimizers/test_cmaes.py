"""CMA-ES, replayed from the history."""

from __future__ import annotations

import numpy as np
from cmaes import CMA

from sharpen.optimizers import make
from sharpen.optimizers.cmaes import CmaEs
from sharpen.space import Choice, Float, Int, Space
from sharpen.trial import Trial, TrialState

LINES = Space({"a": Float(0.0, 1.0), "b": Float(0.0, 1.0), "c": Float(0.0, 1.0)})


def score(config) -> float:
    return -sum((value - 0.3) ** 2 for value in config.values())


def follow(optimizer: CmaEs, n: int, space: Space = LINES, loss=score) -> list[Trial]:
    past: list[Trial] = []
    for turn in range(n):
        (p,) = optimizer.ask(space, past, 1, np.random.default_rng(turn))
        past.append(Trial(turn + 1, p.config, TrialState.FINISHED, (), loss(p.config), p.origin))
    return past


def test_it_is_the_librarys_search_told_generation_by_generation() -> None:
    past = follow(CmaEs(), 37)
    library = CMA(
        mean=np.full(3, 0.5), sigma=0.25, bounds=np.tile([0.0, 1.0], (3, 1)), population_size=7, seed=0
    )
    for start in range(0, 35, 7):
        library.tell([(np.array(list(t.config.values())), -t.score) for t in past[start : start + 7]])
    library.reseed_rng(int(np.random.default_rng(99).integers(2**31)))
    (p,) = CmaEs().ask(LINES, past, 1, np.random.default_rng(99))
    np.testing.assert_allclose(list(p.config.values()), library.ask())


def test_it_closes_in() -> None:
    past = follow(CmaEs(), 150)
    assert max(t.score for t in past[-20:]) > -1e-3
    assert np.mean([t.score for t in past[-20:]]) > np.mean([t.score for t in past[:20]])


def test_whole_numbers_and_options_come_along() -> None:
    space = Space({"n": Int(1, 40), "x": Float(0.0, 1.0), "k": Choice(("a", "b", "c", "d"))})

    def loss(c) -> float:
        return -(((c["n"] - 30) / 10) ** 2) - (c["x"] - 0.3) ** 2 - (c["k"] != "c")

    past = follow(CmaEs(), 120, space, loss)
    late = past[-30:]
    assert np.mean([t.config["k"] == "c" for t in late]) > 0.5
    assert abs(np.median([t.config["n"] for t in late]) - 30) <= 4


def test_it_starts_at_the_best_trial_that_was_given() -> None:
    given = [
        Trial(n, {"a": v, "b": v, "c": v}, TrialState.FINISHED, (), s, "prior")
        for n, (v, s) in enumerate(((0.1, 0.0), (0.9, 1.0)), 1)
    ]
    configs = [CmaEs(sigma=0.01).ask(LINES, given, 1, np.random.default_rng(i))[0].config for i in range(20)]
    np.testing.assert_allclose([list(c.values()) for c in configs], 0.9, atol=0.05)


def test_a_late_trial_is_told_as_if_it_had_come_in_time() -> None:
    past = follow(CmaEs(), 21)
    late = [*past[:3], Trial(4, past[3].config, TrialState.RUNNING, origin="cmaes"), *past[4:]]
    lived = CmaEs()
    lived.ask(LINES, late, 1, np.random.default_rng(0))
    assert lived.ask(LINES, past, 1, np.random.default_rng(0)) == CmaEs().ask(
        LINES, past, 1, np.random.default_rng(0)
    )


def test_infeasible_trials_rank_last_and_near_misses_before_far_ones() -> None:
    def told(bad: dict[str, object]) -> list[float]:
        past = follow(CmaEs(), 7)
        past[0] = Trial(1, past[0].config, TrialState.FINISHED, (), origin="cmaes", **bad)
        return list(CmaEs().ask(LINES, past, 1, np.random.default_rng(0))[0].config.values())

    worst = told({"score": -1e9})
    assert told({"score": None}) == worst
    assert told({"score": 1e9, "violation": 0.5}) == worst
    assert told({"score": 1e9}) != worst


def test_without_two_numbers_to_adapt_it_still_learns_the_options() -> None:
    space = Space({"k": Choice(tuple("abcdefgh")), "m": Choice(tuple("abcdefgh"))})
    proposals = make("cmaes").ask(space, [], 5, np.random.default_rng(0))
    assert len({space.key(p.config) for p in proposals}) == 5


def test_a_whole_number_can_leave_its_value_when_the_steps_have_become_small() -> None:
    space = Space({"n": Int(1, 9), "x": Float(0.0, 1.0)})
    proposals = CmaEs(sigma=1e-3).ask(space, [], 60, np.random.default_rng(0))
    assert {p.config["n"] for p in proposals} == {4, 5, 6}
