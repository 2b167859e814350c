"""Brackets as the paper has them, and a search through them that restarts, fails and waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.optimizers import Done, Wait, make
from sharpen.optimizers.brackets import brackets, rungs
from sharpen.seeds import rng_for
from sharpen.space import Choice, Float, Space
from sharpen.testing.optimizers import begun
from sharpen.trial import Trial, TrialState, best

SPACE = Space({"x": Float(0.0, 1.0), "lr": Float(1e-5, 1e-1, log=True)})


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_a_sampler_proposes_what_is_on_first_rungs(sampler) -> None:
    search = make("hyperband", {"max_fidelity": 9, "sampler": sampler}, seed=1)
    past = played(search, 200, lambda t: -((t.config["x"] - 0.3) ** 2) - 1 / t.fidelity)
    firsts = [t.config["x"] for t in past if t.parent is None]
    assert np.median([abs(x - 0.3) for x in firsts[60:]]) < 0.18  # of even draws 0.25


# (1, 27, 3) is the paper's formula; logarithms of floats lose a rung of (1, 243, 3) and (1, 1000, 10)
@pytest.mark.parametrize(
    ("settings", "fidelities", "sizes"),
    [
        ((1, 27, 3), (1, 3, 9, 27), [(27, 9, 3, 1), (12, 4, 1), (6, 2), (4,)]),
        ((1, 81, 3), (1, 3, 9, 27, 81), [(81, 27, 9, 3, 1), (34, 11, 3, 1), (15, 5, 1), (8, 2), (5,)]),
        ((1e5, 1e6, 3), (111111, 333333, 1000000), [(9, 3, 1), (5, 1), (3,)]),
        ((1, 243, 3), (1, 3, 9, 27, 81, 243), None),
        ((1, 1000, 10), (1, 10, 100, 1000), None),
        ((0.1, 0.9, 3.0), (0.1, 0.3, 0.9), [(9, 3, 1), (5, 1), (3,)]),
        ((2, 17, 2), (2, 4, 8, 17), None),
        ((5, 5, 3), (5,), [(1,)]),
    ],
)
def test_rungs_and_brackets_are_exact(settings, fidelities, sizes) -> None:
    assert rungs(*settings) == fidelities
    assert all(isinstance(r, int) for r in rungs(*settings)) == (settings[0] >= 1)
    cycle = brackets(*settings)
    assert [b.fidelities for b in cycle] == [fidelities[i:] for i in range(len(fidelities))]
    assert sizes is None or [b.sizes for b in cycle] == sizes


def scored(trial: Trial, score: float | None) -> Trial:
    return replace(trial, state=TrialState.FINISHED, score=score)


def played(search, n_turns, value, n_agents=1, space=SPACE, seed=0) -> list[Trial]:
    """Return the history of a search whose agents end in random order."""
    past: list[Trial] = []
    rng = np.random.default_rng(seed)
    for _ in range(n_turns):
        running = [t for t in past if t.state is TrialState.RUNNING]
        answer = (
            []
            if len(running) >= n_agents
            else search.ask(space, past, 1, rng_for(seed, "ask", len(past) + 1))
        )
        if isinstance(answer, Done):
            break
        if isinstance(answer, Wait) or not answer:
            ended = running[rng.integers(len(running))]
            past[ended.number - 1] = scored(ended, value(ended))
            continue
        past.append(begun(len(past) + 1, answer[0]))
        if n_agents == 1:
            past[-1] = scored(past[-1], value(past[-1]))
    return past


def quality(trial: Trial) -> float:
    return trial.config["x"] + trial.fidelity


def test_one_pass_is_the_papers_table_and_the_best_of_each_rung_go_on() -> None:
    past = played(make("hyperband", {"max_fidelity": 27, "passes": 1}, seed=5), 500, quality)
    assert Counter(t.fidelity for t in past) == {1: 27, 3: 9 + 12, 9: 3 + 4 + 6, 27: 1 + 1 + 2 + 4}
    first = past[:27]
    on = sorted(t.config["x"] for t in past if t.fidelity == 3 and t.parent and t.parent <= 27)
    assert on == sorted(t.config["x"] for t in first)[-9:]
    for t in past:
        if t.parent is not None:
            assert past[t.parent - 1].config == t.config
            assert past[t.parent - 1].fidelity * 3 == t.fidelity


@pytest.mark.parametrize("n_agents", [2, 5, 40])
def test_agents_that_end_in_any_order_carry_out_the_same_brackets(n_agents) -> None:
    search = make("hyperband", {"max_fidelity": 9, "passes": 2}, seed=5)
    past = played(search, 2000, quality, n_agents, seed=n_agents)
    assert all(t.state is TrialState.FINISHED for t in past)
    assert Counter(t.fidelity for t in past) == {1: 18, 3: 6 + 10, 9: 2 + 2 + 6}
    assert len({t.parent for t in past if t.parent}) == sum(t.parent is not None for t in past)


def test_what_failed_does_not_go_on_and_a_rung_without_a_score_ends_its_bracket() -> None:
    def value(t: Trial) -> float | None:
        return None if t.fidelity == 1 else quality(t)

    past = played(make("hyperband", {"max_fidelity": 9, "passes": 1}, seed=5), 500, value)
    assert Counter(t.fidelity for t in past) == {1: 9, 3: 5, 9: 1 + 3}


def test_what_broke_a_constraint_goes_on_last() -> None:
    search = make("hyperband", {"max_fidelity": 3}, seed=5)
    past: list[Trial] = []
    for p in search.ask(SPACE, past, 3, rng_for(1, "ask")):
        past.append(begun(len(past) + 1, p))
    past = [replace(scored(t, 10.0 - t.number), violation=float(t.number < 3)) for t in past]
    (p,) = search.ask(SPACE, past, 1, rng_for(2, "ask"))
    assert (p.parent, p.fidelity) == (3, 3)


def test_a_deleted_run_keeps_its_place() -> None:
    from sharpen.sweep.trials import blank

    search = make("hyperband", {"max_fidelity": 9, "passes": 1}, seed=5)
    past = played(search, 13, quality)
    gone = [blank(t) if t.number in (1, 11) else t for t in past]
    assert [t.fidelity for t in gone] == [t.fidelity for t in past]
    before, after = (search.ask(SPACE, h, 20, rng_for(1, "ask")) for h in (past, gone))
    assert len(before) - len(after) in (0, 1)


def test_the_winner_is_among_equal_fidelities() -> None:
    past = played(make("hyperband", {"max_fidelity": 9}, seed=5), 60, lambda t: -t.config["x"] - t.fidelity)
    won = best(past)
    assert won is not None
    assert won.fidelity == 9
    whole = Trial(99, {"x": 0.5}, TrialState.FINISHED, (), -99.0)
    assert best([*past, whole]) is whole


def test_runs_of_others_are_no_part_of_a_bracket_but_are_not_repeated() -> None:
    space = Space({"c": Choice(tuple(range(12)))})
    others = [
        Trial(n, {"c": n}, TrialState.FINISHED, (), 1.0, "prior" if n < 3 else "rerun", fidelity=9)
        for n in range(1, 6)
    ]
    found = make("hyperband", {"max_fidelity": 9}, seed=5).ask(space, others, 7, rng_for(1, "ask"))
    assert sorted(p.config["c"] for p in found) == [0, 6, 7, 8, 9, 10, 11]
    assert all(p.fidelity == 1 for p in found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give max_fidelity"),
        ({"max_fidelity": 9, "min_fidelity": 10, "eta": 1}, "at most max_fidelity; eta must be 2 or more"),
        ({"max_fidelity": 9, "sampler": "grid"}, "sampler must be one of random, tpe, gp"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said(options, words) -> None:
    with pytest.raises(UsageError, match=words):
        make("hyperband", options)
