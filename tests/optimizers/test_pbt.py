"""Populations: who copies whom, what is changed, and that it finds what it should."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from sharpen.errors import UsageError
from sharpen.optimizers import Wait, make
from sharpen.optimizers.generations import Plan
from sharpen.optimizers.pbt import perturbed
from sharpen.optimizers.time_varying import TimeVarying, kernel, option_probabilities
from sharpen.seeds import rng_for
from sharpen.space import Choice, Float, Int, Space
from sharpen.testing.histories import SPACES
from sharpen.testing.optimizers import begun
from sharpen.trial import Trial, TrialState

from .test_hyperband import scored

SPACE = Space({"lr": Float(1e-5, 1e-1, log=True)})
METHODS = ("pbt", "pb2")


def trained(search, n_turns, gain, space=SPACE, seed=0, n_agents=3) -> list[Trial]:
    """Return the history of a population whose score is the sum of what each interval adds."""
    past: list[Trial] = []
    height: dict[int, float] = {}
    rng = np.random.default_rng(seed)
    for _ in range(n_turns):
        running = [t for t in past if t.state is TrialState.RUNNING]
        asks = len(running) < n_agents
        answer = search.ask(space, past, 1, rng_for(seed, "ask", len(past) + 1)) if asks else Wait()
        if isinstance(answer, Wait):
            ended = running[rng.integers(len(running))]
            height[ended.number] = height.get(ended.parent or 0, 0.0) + gain(ended)
            past[ended.number - 1] = scored(ended, height[ended.number])
        elif not isinstance(answer, list) or not answer:
            break
        else:
            past.append(begun(len(past) + 1, answer[0]))
    return past


def by_rate(t: Trial) -> float:
    return math.exp(-((math.log10(t.config["lr"]) + 3) ** 2))


@pytest.mark.parametrize("method", METHODS)
def test_generations_wait_and_the_worst_copy_weights_and_hyperparameters(method) -> None:
    options = {"population": 8, "interval": 50, "max_fidelity": 200}
    past = trained(make(method, options, seed=1), 500, by_rate)
    assert Counter(t.fidelity for t in past) == {50: 8, 100: 8, 150: 8, 200: 8}
    assert all(isinstance(t.fidelity, int) for t in past)
    for g in range(1, 4):
        before, now = past[8 * (g - 1) : 8 * g], past[8 * g : 8 * g + 8]
        order = sorted(before, key=lambda t: -(t.score or 0))
        top, bottom = {t.number for t in order[:2]}, {t.number for t in order[-2:]}
        for own, t in zip(before, now, strict=True):
            if own.number in bottom:
                assert t.parent in top
                assert t.origin == f"{method}-exploit"
            else:
                assert (t.parent, t.config, t.origin) == (own.number, own.config, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_search_that_was_killed_anywhere_goes_on_with_the_same_plan(method) -> None:
    options = {"population": 6, "max_fidelity": 4}
    past = trained(make(method, options, seed=1), 500, by_rate)
    for k in range(len(past)):
        g = k // 6
        known = past[: 6 * g] + [begun(t.number, _as_proposal(t)) for t in past[6 * g : k]]
        (p,) = make(method, options, seed=1).ask(SPACE, known, 1, rng_for(0, "ask", k + 1))
        assert (p.config, p.parent, p.fidelity) == (past[k].config, past[k].parent, past[k].fidelity)


def _as_proposal(t: Trial):
    from sharpen.trial import Proposal

    return Proposal(t.config, t.parent, t.origin, t.fidelity)


def four(*scores: float | None) -> list[Trial]:
    return [
        Trial(n, {}, TrialState.FAILED if s is None else TrialState.FINISHED, (), s)
        for n, s in enumerate(scores, 1)
    ]


@pytest.mark.parametrize(
    ("scores", "donors"),
    [
        ((1.0, 1.0, 1.0, 5.0), {3: [4]}),
        ((5.0, 1.0, 1.0, 1.0), {4: [1]}),
        ((1.0, 1.0, 1.0, 1.0), {}),
        ((1.0, 2.0, 3.0, None), {4: [3]}),
        ((None, None, 3.0, 1.0), {1: [3], 2: [3]}),
        ((None, None, None, None), {1: [], 2: [], 3: [], 4: []}),
        ((None, None, 1.0, None), {1: [3], 2: [3], 4: [3]}),
    ],
)
def test_ties_never_make_the_worst_the_donor(scores, donors) -> None:
    found = Plan(4, 1, None, 0.25).donors(four(*scores))
    assert {n: [t.number for t in each] for n, each in found.items()} == donors


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_what_is_changed_stays_in_the_space_and_options_change_only_when_drawn_anew(space) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        config = space.complete(space.from_unit(rng.random(len(space.dimensions)).tolist()))
        if not space.allows(config):
            continue
        new = perturbed(space, config, 0.25, rng)
        assert space.contains(new)
        assert space.allows(new)
    mixed = Space({"n": Int(1, 1000), "c": Choice(("a", "b", "c")), "x": Float(0.0, 1.0)})
    changed = perturbed(mixed, {"n": 100, "c": "a", "x": 0.5}, 0.0, rng)
    assert changed["n"] in (80, 120)
    assert changed["c"] == "a"
    assert round(changed["x"], 9) in (0.4, 0.6)


def test_the_process_is_scikit_learns_with_time_held_still() -> None:
    rng = np.random.default_rng(0)
    x, u = rng.random((12, 2)), rng.random((5, 2))
    y = rng.normal(size=12)
    still = [np.column_stack([a, np.zeros(len(a))]) for a in (x, u)]
    ours = TimeVarying(still[0], y, np.array([False, False]), 0.5, 0.1, 0.1, 2.0)
    theirs = GaussianProcessRegressor(ConstantKernel(2.0) * RBF(0.5), alpha=0.2, optimizer=None).fit(x, y)
    mean, sigma = theirs.predict(u, return_std=True)
    found = ours.predict(still[1], still[0][:0])
    np.testing.assert_allclose(found[0], mean, rtol=1e-6)
    np.testing.assert_allclose(found[1], sigma, rtol=1e-6)
    less = ours.predict(still[1], still[1])[1]
    assert (less < found[1]).all(), "what has been picked is known"


def test_a_mixed_kernel_is_half_product_and_half_sum() -> None:
    a, b = np.array([[0.2, 1.0, 0.0]]), np.array([[0.7, 2.0, 3.0]])
    k_x, k_t = math.exp(-0.25), 0.9**1.5
    flags = np.array([False, True])
    assert kernel(a, b, flags, 1.0, 0.1)[0, 0] == pytest.approx(0.5 * k_x * k_t)
    same = np.array([[0.7, 1.0, 3.0]])
    assert kernel(a, same, flags, 1.0, 0.1)[0, 0] == pytest.approx((0.5 * k_x + 0.5 * (k_x + 1)) * k_t)


def test_options_that_paid_are_likelier_and_none_is_given_up() -> None:
    assert option_probabilities(3, []).tolist() == pytest.approx([1 / 3] * 3)
    found = option_probabilities(3, [(n % 3, float(n % 3 == 1)) for n in range(60)])
    assert found.argmax() == 1
    assert found.sum() == pytest.approx(1.0)
    assert found.min() > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_copies_end_near_the_best_rate(method) -> None:
    def off(method: str) -> float:
        past = trained(make(method, {"population": 8, "max_fidelity": 12}, seed=4), 2000, by_rate, seed=4)
        return float(np.median([abs(math.log10(t.config["lr"]) + 3) for t in past[-8:]]))

    assert off(method) < 0.5  # of even draws 1


@pytest.mark.parametrize("method", METHODS)
def test_what_is_wrong_with_a_setting_is_said(method) -> None:
    with pytest.raises(UsageError, match=r"population must be 2 or more; interval must .* quantile must"):
        make(method, {"population": 1, "interval": 0, "quantile": 0.6})
