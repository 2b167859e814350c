"""Bayesian search by the tree-structured Parzen estimator."""

from __future__ import annotations

import logging

import numpy as np
import optuna

from sharpen.optimizers import RandomSearch, make
from sharpen.optimizers.tpe import Tpe, _worth_telling
from sharpen.space import Choice, Constant, Dimension, Float, Int, Space
from sharpen.trial import Report, Trial, TrialState

SPACE = Space(
    {
        "a": Float(-1.0, 1.0),
        "b": Float(1e-3, 1.0, log=True),
        "c": Choice((True, False, None)),
        "d": Int(1, 40),
        "e": Constant("fixed"),
    }
)


def loss(config) -> float:
    return (
        (config["a"] - 0.3) ** 2
        + (np.log10(config["b"]) + 2) ** 2 / 4
        + (config["c"] is not False)
        + ((config["d"] - 20) / 40) ** 2
    )


def finished(n: int, seed: int = 0) -> list[Trial]:
    proposals = RandomSearch().ask(SPACE, [], n, np.random.default_rng(seed))
    return [
        Trial(i, p.config, TrialState.FINISHED, (), -loss(p.config), p.origin)
        for i, p in enumerate(proposals, 1)
    ]


def test_it_is_optunas_sampler_to_the_last_digit() -> None:
    past = finished(30)
    rng = np.random.default_rng(4)
    (ours,) = Tpe().ask(SPACE, past, 1, rng)

    axes = {
        "a": optuna.distributions.FloatDistribution(-1.0, 1.0),
        "b": optuna.distributions.FloatDistribution(1e-3, 1.0, log=True),
        "c": optuna.distributions.CategoricalDistribution([0, 1, 2]),
        "d": optuna.distributions.IntDistribution(1, 40),
    }
    seed = int(np.random.default_rng(4).integers(2**31))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True)
    )
    for t in past:
        params = {k: t.config[k] for k in "abd"} | {"c": [True, False, None].index(t.config["c"])}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=axes, value=t.score))
    theirs = study.ask(axes).params
    assert ours.origin == "tpe"
    assert ours.config == {**theirs, "c": (True, False, None)[theirs["c"]], "e": "fixed"}


def test_it_finds_a_better_point_than_random_search_with_as_many_trials() -> None:
    def best_of(method: str, seed: int) -> float:
        past: list[Trial] = []
        optimizer = make(method)
        for turn in range(60):
            (p,) = optimizer.ask(SPACE, past, 1, np.random.default_rng((seed, turn)))
            past.append(Trial(turn + 1, p.config, TrialState.FINISHED, (), -loss(p.config), p.origin))
        return min(-t.score for t in past)

    ours, random = ([best_of(method, seed) for seed in range(5)] for method in ("tpe", "random"))
    assert np.median(ours) < np.median(random)


def test_it_is_random_until_enough_trials_have_an_outcome() -> None:
    rng = np.random.default_rng(0)
    past = finished(9)
    others = [
        Trial(10 + i, past[0].config, state)
        for i, state in enumerate((TrialState.RUNNING, TrialState.FAILED, TrialState.PENDING))
    ]
    assert {p.origin for p in Tpe().ask(SPACE, [*past, *others], 3, rng)} == {"random"}
    infeasible = Trial(13, past[0].config, TrialState.FINISHED)
    assert {p.origin for p in Tpe().ask(SPACE, [*past, *others, infeasible], 3, rng)} == {"tpe"}


def sides(outcome_of_low: dict[str, object], n: int = 40) -> float:
    """Return the share of proposals in the low half, whose trials ended as given; the high half scored -1."""
    rng = np.random.default_rng(0)
    space = Space({"x": Float(0.0, 1.0)})
    past = []
    for number in range(1, n + 1):
        is_low = number % 2 == 0
        x = float(rng.random() / 2 + (0.0 if is_low else 0.5))
        outcome = outcome_of_low if is_low else {"state": TrialState.FINISHED, "score": -1.0}
        past.append(Trial(number, {"x": x}, **outcome))
    xs = [Tpe().ask(space, past, 1, np.random.default_rng(i))[0].config["x"] for i in range(40)]
    return float(np.mean(np.array(xs) < 0.5))


def test_what_a_trial_came_to_is_told() -> None:
    reports = tuple(Report(i, 5.0) for i in range(3))
    better = sides({"state": TrialState.FINISHED, "score": 1.0})
    infeasible = sides({"state": TrialState.FINISHED, "score": None})
    infeasible_stopped = sides({"state": TrialState.STOPPED, "score": None, "reports": reports})
    stopped = sides({"state": TrialState.STOPPED, "score": 5.0, "reports": reports})
    running = sides({"state": TrialState.RUNNING, "reports": reports})
    assert better > 0.8
    assert max(infeasible, infeasible_stopped, stopped, running) < 0.2


def test_failed_trials_tell_nothing() -> None:
    past = finished(20)
    failed = [
        Trial(20 + i, past[i].config, state)
        for i, state in enumerate((TrialState.FAILED, TrialState.CRASHED, TrialState.CANCELED), 1)
    ]
    ask = [Tpe().ask(SPACE, trials, 1, np.random.default_rng(2)) for trials in (past, [*past, *failed])]
    assert ask[0] == ask[1]


def test_among_stopped_trials_more_folds_rank_above_fewer_and_infeasible_ones_last() -> None:
    space = Space({"x": Choice(("far", "near", "never")), "y": Float(0.0, 1.0)})
    came = {"far": (6, 0.1), "near": (3, 0.9), "never": (6, None)}
    rng = np.random.default_rng(0)
    past: list[Trial] = []
    for number in range(1, 61):
        x = tuple(came)[number % 3]
        n_reports, score = came[x]
        reports = tuple(Report(i, 0.0) for i in range(n_reports))
        past.append(Trial(number, {"x": x, "y": rng.random()}, TrialState.STOPPED, reports, score))
    found = [Tpe().ask(space, past, 1, np.random.default_rng(i))[0].config["x"] for i in range(60)]
    assert found.count("far") > 36
    assert found.count("never") < 18


def test_agents_that_ask_together_are_sent_to_different_places() -> None:
    space = Space({"x": Float(0.0, 1.0)})
    past = [Trial(n, {"x": n / 31}, TrialState.FINISHED, (), -abs(n / 31 - 0.5)) for n in range(1, 31)]
    xs = [p.config["x"] for p in Tpe().ask(space, past, 8, np.random.default_rng(0))]
    assert np.std(xs) > 0.02
    assert len(set(xs)) == 8


class Cubed:
    """A dimension that the optimizer has never heard of: a quantile function and nothing else."""

    def from_unit(self, u: float) -> float:
        return u**3

    def to_unit(self, value: float) -> float:
        return value ** (1 / 3)

    def contains(self, value: object) -> bool:
        return isinstance(value, float) and 0 <= value <= 1

    def grid(self) -> None:
        return None


def test_a_dimension_of_any_shape_is_searched_through_its_quantiles() -> None:
    dimension: Dimension = Cubed()
    space = Space({"x": dimension})
    past = [Trial(n, {"x": (n / 31) ** 3}, TrialState.FINISHED, (), -abs(n / 31 - 0.9)) for n in range(1, 31)]
    xs = [p.config["x"] for p in Tpe().ask(space, past, 10, np.random.default_rng(0))]
    assert all(space.contains({"x": x}) for x in xs)
    assert np.median(np.cbrt(xs)) > 0.7


def test_it_writes_no_log_and_leaves_optunas_settings_alone(caplog, capsys) -> None:
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            Tpe().ask(SPACE, finished(12), 2, np.random.default_rng(0))
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        optuna.logging.disable_propagation()
    assert not caplog.records
    assert capsys.readouterr() == ("", "")
    assert not logging.getLogger("optuna.storages._in_memory").disabled


def test_a_long_history_is_told_by_its_best_and_newest_and_the_good_density_is_the_same() -> None:
    past = finished(900)
    few = Tpe(n_most_trials=400)
    told = _worth_telling(SPACE, past, few.n_most_trials)
    assert len(told) == 400
    ranked = sorted(past, key=lambda t: t.score, reverse=True)
    assert {t.number for t in ranked[:25]} <= {t.number for t in told}
    (p,) = few.ask(SPACE, past, 1, np.random.default_rng(0))
    assert p.origin == "tpe"


def test_near_misses_of_a_constraint_rank_above_far_ones() -> None:
    space = Space({"x": Float(0.0, 1.0)})
    rng = np.random.default_rng(0)
    past = [
        Trial(n, {"x": x}, TrialState.FINISHED, (), 1.0, violation=0.1 + x)
        for n, x in enumerate(rng.random(40).tolist(), 1)
    ]
    xs = [Tpe().ask(space, past, 1, np.random.default_rng(i))[0].config["x"] for i in range(40)]
    assert np.median(xs) < 0.3
