"""BOHB: its densities, and what it draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sharpen.optimizers import make
from sharpen.optimizers.bohb import densities
from sharpen.optimizers.kde import Density
from sharpen.space import Choice, Space
from sharpen.space.encoding import cube_of
from sharpen.testing.histories import SPACES
from sharpen.trial import Trial, TrialState

from .test_hyperband import SPACE, played


def test_a_density_of_numbers_is_a_mean_of_cut_off_normals() -> None:
    cube = cube_of(SPACE)
    points = np.random.default_rng(0).random((7, 2))
    found = Density.of(cube, points)
    np.testing.assert_allclose(found.widths, 1.06 * points.std(0) * 7 ** (-1 / 6))
    u = np.random.default_rng(1).random((5, 2))
    kernels = [stats.truncnorm(-p / found.widths, (1 - p) / found.widths, p, found.widths) for p in points]
    np.testing.assert_allclose(found.at(u), np.mean([k.pdf(u).prod(1) for k in kernels], axis=0), rtol=1e-9)


@pytest.mark.parametrize("name", SPACES)
def test_densities_over_all_options_sum_to_one(name) -> None:
    cube = cube_of(Space({"c": Choice(("a", "b", "c")), "d": Choice((True, False))}))
    points = cube.encode([{"c": "a", "d": True}, {"c": "b", "d": True}, {"c": "a", "d": False}])
    every = cube.encode([{"c": c, "d": d} for c in "abc" for d in (True, False)])
    assert Density.of(cube, points).at(every).sum() == pytest.approx(1.0)


def test_draws_follow_the_density() -> None:
    cube = cube_of(SPACE)
    found = Density.of(cube, np.array([[0.2, 0.5], [0.3, 0.9]]))
    u = found.draw(4000, 1.0, np.random.default_rng(0))
    assert ((u >= 0) & (u <= 1)).all()
    edges = np.linspace(0, 1, 21)
    middles = (edges[1:] + edges[:-1]) / 2
    grid = np.array([[a, b] for a in middles for b in middles])
    share = found.at(grid).reshape(20, 20).sum(1) / 400
    np.testing.assert_allclose(np.histogram(u[:, 0], edges)[0] / 4000, share, atol=0.02)


def test_the_model_is_of_the_largest_fidelity_with_enough_trials() -> None:
    def trial(n: int, x: float, fidelity: float, score: float) -> Trial:
        return Trial(n, {"x": x, "lr": 1e-3}, TrialState.FINISHED, (), score, "bohb", fidelity=fidelity)

    low = [trial(n, 0.9, 1, 5.0) for n in range(1, 20)]
    high = [trial(n, 0.1 + n / 1000, 3, float(n)) for n in range(20, 26)]
    cube = cube_of(SPACE)
    assert densities(cube, low[:5], 0.15) is None
    found = densities(cube, [*low, *high], 0.15)
    assert found is not None
    good, bad = found
    np.testing.assert_allclose(good.points[:, 0], [0.125, 0.124, 0.123])
    assert len(bad.points) == 3


def test_it_goes_where_good_ones_are() -> None:
    past = played(make("bohb", {"max_fidelity": 9}, seed=1), 200, lambda t: -((t.config["x"] - 0.3) ** 2))
    firsts = [t.config["x"] for t in past if t.parent is None]
    assert np.median([abs(x - 0.3) for x in firsts[60:]]) < 0.15  # of even draws 0.25
