"""HEBO: its transforms against closed forms and scipy, and that it finds what is good."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sharpen.optimizers import gaussian
from sharpen.optimizers.hebo import Hebo, _layers
from sharpen.optimizers.warping import likeliest_power, likeliest_warps, warp, yeo_johnson
from sharpen.space import Choice, Float, Space
from sharpen.trial import Trial, TrialState


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 2.0, 3.0])
def test_the_power_transform_is_that_of_scipy(power: float) -> None:
    y = np.random.default_rng(0).normal(size=50) * 3
    np.testing.assert_allclose(yeo_johnson(y, power), stats.yeojohnson(y, power), rtol=1e-9)


def test_the_power_is_the_likeliest() -> None:
    y = np.random.default_rng(1).lognormal(size=300)
    _, best = stats.yeojohnson(y)
    assert likeliest_power(y) == pytest.approx(best, abs=0.06)


def test_a_function_that_bends_at_one_end_is_warped_there() -> None:
    x = np.random.default_rng(0).random((50, 2))
    y = np.sin(8 * x[:, 0] ** 4)  # slow at first, then fast
    y = (y - y.mean()) / y.std()
    category = np.array([False, False])
    theta = gaussian.fit(x, y, np.zeros(50), category, gaussian.Prior())
    exponents = likeliest_warps(x, y, np.zeros(50), category, theta)
    stretched = np.diff(warp(np.array([[0.1, 0.5], [0.3, 0.5], [0.7, 0.5], [0.9, 0.5]]), exponents)[:, 0])
    assert stretched[2] > 2 * stretched[0]


def test_layers_are_those_of_pareto() -> None:
    values = np.array([[1.0, 0.0, 0], [0.0, 1.0, 0], [0.5, 0.5, 0], [0.4, 0.4, 0], [0.3, 0.3, 0]])
    assert [sorted(layer.tolist()) for layer in _layers(values)] == [[0, 1, 2], [3], [4]]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_beats_chance_on_a_noisy_bowl(seed: int) -> None:
    space = Space({"x": Float(0, 1), "lr": Float(1e-5, 1e-1, log=True), "kind": Choice(("a", "b"))})
    search, rng = Hebo(seed=seed), np.random.default_rng(seed)

    def truth(c: object) -> float:
        config = dict(c)  # type: ignore[call-overload]
        return -((config["x"] - 0.3) ** 2) * 4 - (np.log10(config["lr"]) + 3) ** 2 - (config["kind"] == "a")

    found: list[Trial] = []
    for n in range(1, 31):
        (p,) = search.ask(space, found, 1, np.random.default_rng(n))
        score = truth(p.config) + 0.05 * rng.normal()
        found.append(Trial(n, p.config, TrialState.FINISHED, (), score, p.origin))
    good = [truth(t.config) > -0.1 for t in found]  # two in a hundred random ones are
    assert sum(good[15:]) >= 4
    assert max(truth(t.config) for t in found) > -0.05
