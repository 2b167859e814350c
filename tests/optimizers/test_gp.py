"""The Gaussian process: its mathematics, computed in other ways too, and what it learns from a history."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from sharpen.optimizers import gaussian, make
from sharpen.optimizers.acquisition import Acquisition, Price, log_h
from sharpen.optimizers.gaussian import Prior
from sharpen.optimizers.gp import GaussianProcess
from sharpen.optimizers.surrogate import standardised
from sharpen.optimizers.user_prior import Belief
from sharpen.space import Choice, Condition, Constant, Float, Int, Space
from sharpen.space.encoding import cube_of, is_near
from sharpen.trial import Trial, TrialState

THETA = np.array([-0.5, 0.2, 0.1, 0.3, -2.0])
NUMBERS = np.zeros(3, dtype=bool)
MIXED = np.array([False, False, True])


def sample(n: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random((n, 3))
    x[:, 2] = np.round(x[:, 2] * 2) / 2
    return x, rng.normal(size=n), rng.uniform(0.0, 0.1, n)


def by_differences(function, point: np.ndarray) -> np.ndarray:
    steps = 1e-6 * np.eye(point.size)
    return np.array([(function(point + s) - function(point - s)) / 2e-6 for s in steps])


def test_it_predicts_what_scikit_learn_predicts() -> None:
    x, y, v = sample()
    ours = gaussian.condition(x, y, v, NUMBERS, THETA)
    signal, noise = np.exp(THETA[-2:])
    kernel = ConstantKernel(signal) * Matern(np.exp(THETA[:3]), nu=2.5) + ConstantKernel(
        gaussian.MEAN_VARIANCE
    )
    noise_each = v + noise + gaussian.JITTER
    theirs = GaussianProcessRegressor(kernel, alpha=noise_each, optimizer=None).fit(x, y)
    u = np.random.default_rng(1).random((7, 3))
    mean, deviation = theirs.predict(u, return_std=True)
    np.testing.assert_allclose(ours.predict(u)[0], mean, rtol=1e-8)
    np.testing.assert_allclose(ours.predict(u)[1], deviation**2, rtol=1e-7)
    loss, _ = gaussian.negative_log_likelihood(THETA, gaussian.distances(x, NUMBERS), y, v)
    assert loss == pytest.approx(-theirs.log_marginal_likelihood_value_)


@pytest.mark.parametrize("is_category", [NUMBERS, MIXED])
def test_the_slopes_of_the_likelihood_are_those_of_its_values(is_category) -> None:
    x, y, v = sample()
    squared = gaussian.distances(x, is_category)
    _, slope = gaussian.negative_log_likelihood(THETA, squared, y, v)
    differences = by_differences(lambda t: gaussian.negative_log_likelihood(t, squared, y, v)[0], THETA)
    np.testing.assert_allclose(slope, differences, rtol=1e-5)


def test_the_slopes_of_the_acquisition_are_those_of_its_values() -> None:
    x, y, v = sample()
    model = gaussian.condition(x, y, v, MIXED, THETA)
    price = Price(gaussian.condition(x, -y, v, MIXED, THETA), 0.7)
    belief = Belief(np.array([[0.3, 0.6, 0.5], [0.8, 0.4, 1.0]]), MIXED, 0.4)
    acquisition = Acquisition(model, 1.0, gaussian.condition(x, np.sign(y), v, MIXED, THETA), price, belief)
    u = np.array([[0.2, 0.7, 0.5], [0.9, 0.1, 1.0]])
    value, slope = acquisition.gradient(u)
    np.testing.assert_allclose(value, acquisition.value(u))
    for i, point in enumerate(u):
        numbers = by_differences(
            lambda p, last=point[2]: acquisition.value(np.array([[*p, last]]))[0], point[:2]
        )
        np.testing.assert_allclose(slope[i], [*numbers, 0.0], rtol=1e-5)


def test_options_without_an_order_are_only_equal_or_not() -> None:
    model = gaussian.condition(
        np.array([[0.5, 1 / 6]]), np.ones(1), np.zeros(1), np.array([False, True]), np.zeros(4)
    )
    same, near, far = model.predict(np.array([[0.5, 1 / 6], [0.5, 0.5], [0.5, 5 / 6]]))[0]
    assert same > near == far


def test_log_improvement_agrees_with_an_integral_where_it_does_not_underflow() -> None:
    for z in (-6.0, -2.5, -1.0, -0.999, 0.0, 3.0):
        expected, _ = integrate.quad(
            lambda e, z=z: (z + e) * stats.norm.pdf(e), -z, 40, epsabs=0, epsrel=1e-10
        )
        assert float(log_h(np.array([z]))[0]) == pytest.approx(math.log(expected), rel=1e-7)


def test_log_improvement_rises_without_a_jump_however_small_it_is() -> None:
    z = -np.geomspace(1e8, 0.5, 20_000)
    value = log_h(z)
    assert np.isfinite(value).all()
    assert (np.diff(value) > 0).all()
    np.testing.assert_allclose(value[z < -10], -(z**2)[z < -10] / 2, rtol=0.12)


def test_a_fit_finds_which_parameter_matters() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((60, 3))
    y = np.sin(9 * x[:, 0])
    theta = gaussian.fit(x, (y - y.mean()) / y.std(), np.zeros(60), NUMBERS, Prior())
    assert theta[0] < theta[1:3].min() - 1.0
    assert math.exp(theta[-1]) < 0.01


def test_a_point_is_next_to_the_configuration_that_it_is_rounded_to() -> None:
    cube = cube_of(Space({"lr": Float(0.0, 1.0), "n": Int(8, 2048, log=True)}))
    points = np.random.default_rng(0).random((50, 2))
    known = cube.encode([cube.decode(u) for u in points])
    assert np.abs(known - points).max() > 0.003  # by far more than the distance
    for at, u in enumerate(points):
        assert is_near(cube, u, known[[at]], 1e-9)
        assert not is_near(cube, u, np.delete(known, at, axis=0), 1e-9)


def test_points_go_to_the_nearest_values_and_absent_parameters_to_their_place() -> None:
    space = Space(
        {
            "depth": Int(1, 4),
            "kind": Choice(("tree", "line")),
            "lr": Float(0.0, 1.0),
            "seven": Constant(7),
            "many": Int(1, 10**6),
            "size": Choice((1, 2, 4)),
        },
        conditions={"depth": Condition("kind", ("tree",))},
    )
    cube = cube_of(space)
    assert [a.name for a in cube.axes] == ["depth", "kind", "lr", "many", "size"]
    assert [a.kind for a in cube.axes] == ["ordered", "category", "real", "real", "ordered"]
    u = cube.snap(np.array([[0.9, 0.1, 0.3, 0.5, 0.99], [0.9, 0.8, 0.3, 0.5, 0.0]]))
    np.testing.assert_allclose(u, [[0.875, 0.25, 0.3, 0.5, 5 / 6], [0.5, 0.75, 0.3, 0.5, 1 / 6]])
    configs = [cube.decode(point) for point in u]
    assert configs[0]["depth"] == 4
    assert "depth" not in configs[1]
    assert all(space.contains(config) for config in configs)
    np.testing.assert_allclose(cube.encode(configs), u, atol=1e-6)


LINE = Space({"x": Float(0.0, 1.0)})


def ask_on_a_line(past: list[Trial], n: int = 1, seed: int = 0) -> list[float]:
    return [p.config["x"] for p in GaussianProcess().ask(LINE, past, n, np.random.default_rng(seed))]


def on_a_line(xs, scores, **more) -> list[Trial]:
    pairs = zip(xs, scores, strict=True)
    return [
        Trial(n, {"x": float(x)}, TrialState.FINISHED, (), y, **more) for n, (x, y) in enumerate(pairs, 1)
    ]


def test_it_closes_in_on_the_top_of_a_hill() -> None:
    xs = np.linspace(0, 1, 11)
    past = on_a_line(xs, (-((xs - 0.634) ** 2)).tolist())
    assert ask_on_a_line(past)[0] == pytest.approx(0.634, abs=0.02)


def test_one_terrible_trial_does_not_hide_the_hill() -> None:
    xs = np.linspace(0, 1, 11)
    scores = (-((xs - 0.634) ** 2)).tolist()
    scores[0] = -1e9
    assert ask_on_a_line(on_a_line(xs, scores))[0] == pytest.approx(0.634, abs=0.03)


def test_it_keeps_out_of_where_trials_had_no_score_or_broke_a_constraint() -> None:
    xs = np.linspace(0, 1, 21)
    rising = xs.tolist()
    nowhere = on_a_line(xs, [y if x < 0.62 else None for x, y in zip(xs, rising, strict=True)])
    broken = [
        Trial(t.number, t.config, t.state, (), y, violation=max(0.0, t.config["x"] - 0.61))
        for t, y in zip(on_a_line(xs, rising), rising, strict=True)
    ]
    assert 0.4 < ask_on_a_line(nowhere)[0] < 0.68
    assert 0.4 < ask_on_a_line(broken)[0] < 0.68


def test_agents_that_ask_together_are_sent_to_different_places() -> None:
    xs = np.linspace(0, 1, 11)
    past = on_a_line(xs, np.sin(6 * xs).tolist())
    together = ask_on_a_line(past, n=4)
    assert min(abs(a - b) for i, a in enumerate(together) for b in together[:i]) > 0.9e-3
    waiting = [*past, Trial(12, {"x": together[0]}, TrialState.RUNNING)]
    assert abs(ask_on_a_line(waiting)[0] - together[0]) > 0.9e-3


def test_what_waits_is_believed_to_come_out_as_predicted() -> None:
    x, y, v = sample()
    model = gaussian.condition(x, y, v, NUMBERS, THETA)
    new = np.array([[0.31, 0.62, 0.5]])
    mean, variance = model.predict(new)
    after = gaussian.condition(np.r_[x, new], np.r_[y, mean], np.r_[v, 0.0], NUMBERS, THETA)
    assert after.predict(new)[0] == pytest.approx(mean, rel=1e-6)
    assert after.predict(new)[1] < variance


@pytest.mark.parametrize("seed", range(2))
def test_it_finds_a_better_point_than_random_search_with_as_many_trials(seed) -> None:
    space = Space({"a": Float(1e-4, 1.0, log=True), "b": Int(1, 40), "c": Choice(("x", "y", "z"))})

    def best_of(method: str) -> float:
        optimizer, past = make(method, seed=seed), list[Trial]()
        for turn in range(30):
            (p,) = optimizer.ask(space, past, 1, np.random.default_rng((seed, turn)))
            c = p.config
            score = -((math.log10(c["a"]) + 2.3) ** 2) - ((c["b"] - 17) / 10) ** 2 - (c["c"] != "y")
            past.append(Trial(turn + 1, c, TrialState.FINISHED, (), score, p.origin))
        return max(t.score for t in past)

    assert best_of("gp") > max(best_of("random"), -0.02)


SQUARE = Space({"x": Float(0.0, 1.0), "size": Int(1, 1000, log=True)})


def on_a_square(cost=None, n: int = 24) -> list[Trial]:
    """Return trials whose score is of x alone, and whose cost is a function of the size."""
    u = np.random.default_rng(0).random((n, 2))
    configs = [SQUARE.from_unit(point.tolist()) for point in u]
    costs = [None if cost is None else cost(config["size"]) for config in configs]
    return [
        Trial(n, c, TrialState.FINISHED, (), -((c["x"] - 0.3) ** 2), cost=k)
        for n, (c, k) in enumerate(zip(configs, costs, strict=True), 1)
    ]


def sizes(past: list[Trial]) -> float:
    """Return the mean size of what is asked for next, on the logarithmic scale, 0 to 1."""
    asked = [GaussianProcess().ask(SQUARE, past, 1, np.random.default_rng(seed))[0] for seed in range(8)]
    assert all(abs(p.config["x"] - 0.3) < 0.25 for p in asked), "what is good is looked for all the same"
    return float(np.mean([math.log(p.config["size"]) / math.log(1000) for p in asked]))


def test_of_places_that_promise_as_much_the_cheap_ones_come_first() -> None:
    assert sizes(on_a_square(cost=float)) < 0.15
    assert sizes(on_a_square(cost=lambda size: 1000.0 / size)) > 0.85


@pytest.mark.parametrize(
    "cost", [lambda size: 5.0, lambda size: None, lambda size: 2.0 if size > 900 else None]
)
def test_costs_that_say_nothing_change_nothing(cost) -> None:
    asked = [
        GaussianProcess().ask(SQUARE, past, 3, np.random.default_rng(1))
        for past in (on_a_square(), on_a_square(cost))
    ]
    assert asked[0] == asked[1]


def test_a_belief_multiplies_by_its_density_to_the_power_of_beta_over_n() -> None:
    (first, *rest) = on_a_line([0.25, *np.linspace(0, 1, 8)], [0.0] * 9, origin="prior")
    history = [first, *(replace(trial, origin="gp") for trial in rest)]
    belief = Belief.of(cube_of(LINE), history, strength=5.0)
    assert belief is not None
    points = np.array([[0.25], [0.45], [0.05]])
    np.testing.assert_allclose(belief.log_power(points), [0.0, -0.5 * 0.5, -0.5 * 0.5], atol=1e-9)
    assert Belief.of(cube_of(LINE), rest, strength=0.0) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_a_belief_it_begins_near_the_default_and_a_wrong_one_fades(seed) -> None:
    search = GaussianProcess(prior_weight=5.0, seed=seed)
    past = [Trial(1, {"x": 0.1}, TrialState.FINISHED, (), -((0.1 - 0.8) ** 2), "prior")]
    for n in range(2, 26):
        (p,) = search.ask(LINE, past, 1, np.random.default_rng(n))
        x = p.config["x"]
        past.append(Trial(n, p.config, TrialState.FINISHED, (), -((x - 0.8) ** 2), p.origin))
    assert np.mean([t.config["x"] < 0.6 for t in past[:8]]) > 0.8
    assert max(t.score for t in past) > -(0.02**2)


def test_it_is_random_until_enough_trials_have_an_outcome() -> None:
    past = on_a_line(np.linspace(0, 1, 7), [0.0] * 7)
    waiting = [*past, *(Trial(8 + i, {"x": 0.3}, TrialState.RUNNING) for i in range(9))]
    (p,) = GaussianProcess(n_startup_trials=8).ask(LINE, waiting, 1, np.random.default_rng(0))
    assert p.origin == "random"
    (p,) = GaussianProcess(n_startup_trials=7).ask(LINE, waiting, 1, np.random.default_rng(0))
    assert p.origin == "gp"


def ended(n: int) -> list[Trial]:
    xs = np.random.default_rng(5).random(n)
    return [Trial(i, {"x": x}, TrialState.FINISHED, score=-((x - 0.3) ** 2)) for i, x in enumerate(xs, 1)]


def test_a_fit_serves_until_a_fourth_more_trials_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that are made anew for each question, as imputed ones are, count as the same."""
    fits: list[int] = []
    fit = gaussian.fit
    monkeypatch.setattr(gaussian, "fit", lambda x, *more: fits.append(len(x)) or fit(x, *more))
    space, method = Space({"x": Float(0.0, 1.0)}), GaussianProcess()
    for n in range(20, 31):
        method.ask(space, ended(n), 1, np.random.default_rng(0))
    assert fits == [18, 22, 27]


def test_a_fit_is_not_taken_over_by_other_settings() -> None:
    space, history = Space({"x": Float(0.0, 1.0)}), ended(40)
    method = GaussianProcess()
    method.ask(space, history, 1, np.random.default_rng(0))
    asked = [
        one.ask(space, history, 1, np.random.default_rng(0))
        for one in (replace(method, n_most_trials=10), GaussianProcess(n_most_trials=10))
    ]
    assert asked[0] == asked[1]


def test_outcomes_of_any_size_are_standardised_alike() -> None:
    y, v = np.array([1.0, 2.0, 3.0, 4.0, -50.0]), np.full(5, 0.25)
    is_good = np.full(5, True)
    z, noise = standardised(y, v, is_good)
    huge = 2.0**1000
    huge_z, huge_noise = standardised(y * huge, v, is_good)
    assert huge_z.tolist() == z.tolist()
    assert huge_noise.max() < 1e-300
    assert noise.max() < 4.0
    ends, _ = standardised(np.array([1.79e308, -1.79e308]), np.zeros(2), np.full(2, True))
    assert ends.tolist() == [1.0, -1.0]
