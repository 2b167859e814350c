"""SMAC: the contract with a stand-in for the library, then the library itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.optimizers import QUICK, Wait, make
from sharpen.optimizers.smac import Smac, SmacProcess
from sharpen.space import Choice, Float, Int, Space
from sharpen.testing.optimizers import OptimizerContract, begun
from sharpen.trial import Trial, TrialState

SPACE = Space({"lr": Float(1e-5, 1e-1, log=True), "n": Int(1, 64), "kind": Choice(("a", "b", "c"))})


class Draws:
    """Puts random points in order: they follow from the question alone, as the library's do."""

    def __init__(self) -> None:
        self.questions: list[dict[str, Any]] = []

    def points(self, question: dict[str, Any]) -> list[list[float]]:
        self.questions.append(question)
        rng = np.random.default_rng(question["seed"])
        columns = [
            rng.integers(n, size=question["n"]) if n else rng.random(question["n"])
            for n in question["levels"]
        ]
        return np.column_stack(columns).astype(float).tolist()


class TestSmac(OptimizerContract):
    def make(self) -> Smac:
        return Smac(n_startup_trials=5, _library=Draws())


class TestSmacMultiFidelity(OptimizerContract):
    def make(self) -> Smac:
        return Smac("mf", n_startup_trials=5, max_fidelity=9.0, _library=Draws())


@pytest.fixture(scope="module")
def library() -> Iterator[SmacProcess]:
    one = SmacProcess()
    yield one
    one.close()


def score(config: Any) -> float:
    good = {"a": 0.0, "b": 1.0, "c": 0.2}[config["kind"]]
    return good - (np.log10(config["lr"]) + 3) ** 2 - ((config["n"] - 40) / 20) ** 2


def follow(search: Smac, n: int, past: list[Trial] | None = None) -> list[Trial]:
    found = list(past or [])
    while len(found) < n:
        answer = search.ask(SPACE, found, 1, np.random.default_rng(len(found)))
        (p,) = answer
        trial = begun(len(found) + 1, p)
        found.append(Trial(trial.number, p.config, TrialState.FINISHED, (), score(p.config), "smac"))
    return found


def test_it_is_taught_only_when_eight_more_trials_have_ended() -> None:
    library = Draws()
    search = Smac(seed=1, n_startup_trials=6, _library=library)
    follow(search, 24)
    assert [len(q["costs"]) for q in library.questions] == [6, 14, 22]
    assert library.questions[0]["levels"] == [0, 0, 3]


def test_a_point_that_is_rounded_to_what_was_tried_is_passed_over() -> None:
    whole = Int(8, 2048, log=True)  # too many values for a list, and far apart at the lower end
    space = Space({"lr": Float(0.0, 1.0), "n": whole, "m": whole})
    smac, past, rng = (
        Smac(n_startup_trials=3, seed=3, _library=Draws()),
        list[Trial](),
        np.random.default_rng(0),
    )
    for number in range(1, 20):
        (proposal,) = smac.ask(space, past, 1, rng)
        past.append(replace(begun(number, proposal), state=TrialState.FINISHED, score=0.0))
    assert len({space.key(trial.config) for trial in past}) == len(past)


def test_a_fresh_instance_asks_the_same_question() -> None:
    one, other = Draws(), Draws()
    past = follow(Smac(seed=1, n_startup_trials=6, _library=one), 17)
    again = follow(Smac(seed=1, n_startup_trials=6, _library=other), 18, past)
    assert other.questions[-1] == one.questions[-1]
    assert again[:17] == past


def test_an_infeasible_trial_costs_as_much_as_the_worst() -> None:
    library = Draws()
    past = follow(Smac(seed=1, n_startup_trials=6, _library=library), 6)
    past[2] = Trial(3, past[2].config, TrialState.FINISHED, (), None, "smac")
    Smac(seed=1, n_startup_trials=6, _library=library).ask(SPACE, past, 1, np.random.default_rng(0))
    costs = library.questions[-1]["costs"]
    assert costs[2] == max(-t.score for t in past if t.score is not None)


def test_agents_that_ask_together_are_sent_apart() -> None:
    search = Smac(seed=1, n_startup_trials=6, _library=Draws())
    past = follow(search, 6)
    proposals = search.ask(SPACE, past, 8, np.random.default_rng(0))
    u = np.array([SPACE.to_unit(p.config) for p in proposals])
    apart = np.abs(u[:, None] - u).max(-1) + np.eye(8)
    assert apart.min() >= 0.04


def test_with_budgets_the_best_go_on_and_the_model_is_of_one_budget() -> None:
    library = Draws()
    search = Smac("mf", seed=1, n_startup_trials=6, max_fidelity=9.0, _library=library)
    found: list[Trial] = []
    while len(found) < 60:
        answer = search.ask(SPACE, found, 1, np.random.default_rng(len(found)))
        assert not isinstance(answer, Wait)
        trial = begun(len(found) + 1, answer[0])
        value = score(trial.config) + float(trial.fidelity or 0)
        found.append(
            Trial(
                trial.number,
                trial.config,
                TrialState.FINISHED,
                (),
                value,
                "smac",
                parent=trial.parent,
                fidelity=trial.fidelity,
            )
        )
    assert {t.fidelity for t in found} == {1, 3, 9}
    assert all(t.parent is not None for t in found if t.fidelity == 9) or any(
        t.parent is None for t in found if t.fidelity == 9
    )
    by_cost = {-(t.score or 0): t.fidelity for t in found}
    for question in library.questions:
        assert len({by_cost[c] for c in question["costs"]}) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"facade": "hbo"}, "facade must be one of hpo, mf, bb, ac"),
        ({"facade": "mf"}, "give max_fidelity"),
        ({"max_fidelity": 9.0}, "max_fidelity and budget_variable need facade: mf"),
        ({"facade": "ac", "n_candidates": 9}, "facade ac has no n_candidates"),
        ({"n_trees": 9}, "smac has no setting 'n_trees'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make("smac", options)


def test_nobody_waits_for_it() -> None:
    assert "smac" not in QUICK


def test_the_library_gives_the_same_in_processes_whose_hashes_differ(
    monkeypatch: Any, library: SmacProcess
) -> None:
    found = []
    other = SmacProcess()
    monkeypatch.setenv("PYTHONHASHSEED", "123")  # of this process; the library's own is 0
    for one in (library, other):
        search = Smac(seed=3, n_startup_trials=10, n_candidates=300, _library=one)
        past = follow(search, 10)
        found.append([dict(p.config) for p in search.ask(SPACE, past, 5, np.random.default_rng(0))])
    other.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("facade", ["hpo", "bb", "ac"])
def test_the_library_finds_what_is_good(facade: str, library: SmacProcess) -> None:
    n_candidates = 0 if facade == "ac" else 300
    search = Smac(
        facade, seed=3, n_startup_trials=12, n_candidates=n_candidates, retrain_after=6, _library=library
    )
    found = follow(search, 24)
    at_random = max(t.score or 0 for t in found[:12])
    assert max(t.score or 0 for t in found) > at_random
    assert {t.origin for t in found} == {"smac"}


def test_a_belief_in_the_defaults_goes_with_the_question_and_fades() -> None:
    given = Trial(0, {"lr": 1e-3, "n": 32, "kind": "b"}, origin="prior", state=TrialState.FINISHED, score=0.0)
    lacking = [
        Trial(i, {"lr": 1e-5, "n": i, "kind": "a"}, state=TrialState.FINISHED, score=0.0)
        for i in range(1, 10)
    ]
    weights: list[float] = []
    for n in (5, 10):
        draws = Draws()
        Smac(n_startup_trials=5, retrain_after=5, prior_weight=6.0, seed=1, _library=draws).ask(
            SPACE, [given, *lacking][:n], 1, np.random.default_rng(0)
        )
        belief = draws.questions[0]["belief"]
        assert belief["centres"][0][2] == 1.0  # the place of b
        weights.append(belief["weight"])
    assert weights == pytest.approx([6.0 / 6, 6.0 / 11])
    search = Smac(n_startup_trials=5, prior_weight=6.0, _library=Draws())
    (first,) = search.ask(SPACE, [given], 1, np.random.default_rng(0))
    assert abs(np.log10(first.config["lr"]) + 3) < 4 * 0.2 * 3  # drawn near the default before a model


def test_the_library_holds_to_a_belief(library: SmacProcess) -> None:
    rng = np.random.default_rng(2)
    question: dict[str, Any] = {"facade": "hpo", "levels": [0, 3], "n": 1, "seed": 3, "settings": {}}
    question["points"] = np.column_stack([rng.random(12), rng.integers(3, size=12)]).tolist()
    question["costs"] = rng.random(12).tolist()
    belief = {"centres": [[0.3, 2.0]], "weight": 200.0}
    ((x, kind),) = library.points({**question, "belief": belief})
    assert abs(x - 0.3) < 0.05
    assert kind == 2.0


def test_a_process_that_died_is_started_again(library: SmacProcess) -> None:
    search = Smac(seed=3, n_startup_trials=10, n_candidates=300, _library=library)
    past = follow(search, 10)
    first = search.ask(SPACE, past, 2, np.random.default_rng(0))
    process: Any = library._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    fresh = Smac(seed=3, n_startup_trials=10, n_candidates=300, _library=library)
    assert fresh.ask(SPACE, past, 2, np.random.default_rng(0)) == first


def test_what_the_library_refuses_is_told(library: SmacProcess) -> None:
    with pytest.raises(RuntimeError, match="SMAC: KeyError"):
        library.points({})
