"""HEBO: a Gaussian process of transformed outcomes over warped inputs, and three acquisitions at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sharpen.arrays import Bools, Floats, Ints
from sharpen.extras import require
from sharpen.optimizers import observations
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.observations import Observations
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.optimizers.sobol import MOST_DIMENSIONS, Sobol
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of, is_near
from sharpen.threads import loading_one_thread
from sharpen.trial import ParameterValues, Proposal, Trial

if TYPE_CHECKING:
    from sharpen.optimizers.gaussian import Posterior

NEAREST = 1e-3
N_GENERATIONS = 8
N_KEPT = 100
SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Hebo:
    """Looks where lower bound, expected improvement and its probability together promise most.

    Scores are made to look normal by a power transform, so that bad outliers and skewed noise do not govern
    the model; each parameter is warped, so that a function may vary fast at one end and slowly at the other.
    Where scores are means over folds, how much the folds differ is each trial's own noise, and a noise common
    to all is fitted. The three acquisitions often disagree: proposals are drawn from the points that no other
    beats in all three, which also sends agents that ask together to different places. Infeasible trials teach
    a second process where the feasible region is. Of several metrics the first one is searched.

    Unlike the authors' program the warp of an axis is one of 25, and the kernel is the one of ``gp``.

    Source: Cowen-Rivers et al. (2022), HEBO: Pushing the Limits of Sample-Efficient Hyper-parameter
    Optimisation, JAIR 74.

    Attributes:
        n_startup_trials: How many outcomes it wants before it trusts a model; evenly spread until then. 0 for
            one more than there are parameters, at least 4.
        n_candidates: How many points a generation of the search for the best ones has.
        n_most_trials: It looks at no more trials than this: the best half, and the newest.
        input_warping: Whether parameters are warped.
        power_transform: Whether scores are made to look normal.
        seed: The sweep's seed, for the first trials.
    """

    n_startup_trials: int = 0
    n_candidates: int = 256
    n_most_trials: int = 150
    input_warping: bool = True
    power_transform: bool = True
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense, and an installation without what the fit needs later."""
        require("scipy", "samplers")
        refuse_unless(
            "hebo",
            {
                "n_startup_trials must be 0 or more": self.n_startup_trials >= 0,
                "n_candidates must be 8 or more": self.n_candidates >= 8,
                "n_most_trials must be 4 or more": self.n_most_trials >= 4,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` proposals; the same space, history and random stream give the same ones, always."""
        cube = cube_of(space)
        known = observations.read(space, history, self.n_most_trials)
        n_wanted = self.n_startup_trials or max(4, 1 + len(cube.axes))
        model = _Model.of(self, cube, known) if cube.axes and len(known.judged) >= n_wanted else None
        front = model.front(self.n_candidates, rng) if model else np.empty((0, len(cube.axes)))
        in_flight = cube.encode([t.config for t in [*known.judged, *known.waiting]])
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        queue = iter(front)
        for _ in range(n):
            config = next(
                (c for u in queue if (c := _allowed(cube, u, batch.seen, in_flight)) is not None), None
            )
            taken = batch.add(config, "hebo")
            in_flight = np.concatenate([in_flight, cube.encode([taken])])
        return batch.proposals


def _allowed(cube: Cube, u: Floats, seen: set[str], in_flight: Floats) -> ParameterValues | None:
    """Return the configuration at a point; None for one that is forbidden or next to a known one."""
    if is_near(cube, u, in_flight, NEAREST):
        return None
    config = cube.decode(u)
    return config if cube.space.key(config) not in seen and cube.space.allows(config) else None


@dataclass(frozen=True, eq=False)
class _Model:
    """What is known, in the units of the processes."""

    cube: Cube
    outcome: Posterior | None
    feasibility: Posterior | None
    exponents: Floats
    target: float
    kappa: float
    centres: Floats

    @staticmethod
    def of(settings: Hebo, cube: Cube, known: Observations) -> _Model:
        """Return what outcomes teach."""
        with loading_one_thread():
            from sharpen.optimizers import gaussian, warping  # noqa: PLC0415 - they need scipy
            from sharpen.optimizers.surrogate import FEASIBILITY_PRIOR  # noqa: PLC0415

        is_category, n_axes = cube.is_category, len(cube.axes)
        exponents = np.ones((2, n_axes))
        outcome, target, centres = None, 0.0, np.empty((0, n_axes))
        is_good = np.array([not t.is_infeasible for t in known.scored], dtype=bool)
        if is_good.any():
            x = cube.encode([t.config for t in known.scored])
            y, v = normal(known.y, known.v, is_good, settings.power_transform)
            prior = gaussian.Prior()
            theta = gaussian.fit(x, y, v, is_category, prior)
            if settings.input_warping and len(y) > 2:
                exponents = warping.likeliest_warps(x, y, v, is_category, theta)
                theta = gaussian.fit(_warped(x, exponents, is_category), y, v, is_category, prior)
            outcome = gaussian.condition(_warped(x, exponents, is_category), y, v, is_category, theta)
            predicted, _ = outcome.predict(outcome.x)
            target = float(predicted[is_good].max())
            centres = x[np.argsort(np.where(is_good, -predicted, np.inf), kind="stable")[:8]]
        feasibility = None
        if (known.feasible <= 0).any():
            x = _warped(cube.encode([t.config for t in known.judged]), exponents, is_category)
            no_noise = np.zeros(len(x))
            theta = gaussian.fit(x, known.feasible, no_noise, is_category, FEASIBILITY_PRIOR)
            feasibility = gaussian.condition(x, known.feasible, no_noise, is_category, theta)
        t = max(len(known.judged), 2)
        kappa = math.sqrt((2 + n_axes / 2) * math.log(t) + math.log(3 * math.pi**2 / 0.3))
        return _Model(cube, outcome, feasibility, exponents, target, kappa, centres)

    def front(self, n: int, rng: np.random.Generator) -> Floats:
        """Return points that no other found one beats in all acquisitions, in random order, (M, D)."""
        n_axes = len(self.cube.axes)
        start = rng.random((n, n_axes)) if n_axes > MOST_DIMENSIONS else Sobol(n_axes, rng).points(0, n)
        points = self.cube.snap(np.concatenate([start, self.centres]))
        values = self.acquisitions(points, rng)
        for _ in range(N_GENERATIONS):
            parents = points[_best(values, N_KEPT)]
            children = self._children(parents, n // 2, rng)
            points = np.concatenate([points, children])
            values = np.concatenate([values, self.acquisitions(children, rng)])
            kept = _best(values, 2 * N_KEPT)
            points, values = points[kept], values[kept]
        layers = _layers(values)
        order = [i for layer in layers for i in rng.permutation(layer)]
        return points[order]

    def acquisitions(self, u: Floats, rng: np.random.Generator) -> Floats:
        """Return upper bound, log expected improvement and log probability of it, (M, 3)."""
        from sharpen.optimizers.acquisition import log_h, log_ndtr  # noqa: PLC0415 - it needs scipy

        x = _warped(u, self.exponents, self.cube.is_category)
        values = np.zeros((len(u), 3))
        if self.outcome is not None:
            mean, variance = self.outcome.predict(x)
            sigma = np.sqrt(variance)
            noise = math.sqrt(2 * math.exp(self.outcome.theta[-1]))
            noisy = mean + noise * rng.standard_normal(len(u))  # the paper's: a wrong model is not trusted
            z = (noisy - self.target) / sigma
            values[:] = np.column_stack([noisy + self.kappa * sigma, np.log(sigma) + log_h(z), log_ndtr(z)])
        if self.feasibility is not None:
            mean, variance = self.feasibility.predict(x)
            values += log_ndtr(mean / np.sqrt(variance + 0.01))[:, None]
        return values

    def _children(self, parents: Floats, n: int, rng: np.random.Generator) -> Floats:
        """Return points between two parents each, some of their coordinates moved."""
        a, b = (parents[rng.integers(len(parents), size=n)] for _ in range(2))
        children = np.where(rng.random(a.shape) < 0.5, a, b)
        moved = children + rng.choice([0.2, 0.05, 0.01], size=(n, 1)) * rng.standard_normal(a.shape)
        moved = np.where(~self.cube.is_real & (rng.random(a.shape) < 0.5), rng.random(a.shape), moved)
        is_moved = rng.random(a.shape) < max(0.2, 2.0 / a.shape[1])
        return self.cube.snap(np.where(is_moved, moved, children))


def normal(y: Floats, v: Floats, is_good: Bools, use_power: bool) -> tuple[Floats, Floats]:
    """Return outcomes with mean 0 and variance 1 that look normal, and noise variances to match.

    Args:
        y: (N,)
        v: (N,)
        is_good: (N,) those that the power is chosen by.
        use_power: Whether to transform at all.

    >>> y = np.exp(np.linspace(0, 5, 30))
    >>> both = [normal(y, np.zeros(30), np.full(30, True), use_power)[0] for use_power in (False, True)]
    >>> [round(float((z**3).mean()), 2) for z in both]  # their skewness
    [1.56, 0.48]
    """
    from sharpen.optimizers.surrogate import standardised  # noqa: PLC0415 - it needs scipy
    from sharpen.optimizers.warping import likeliest_power, yeo_johnson  # noqa: PLC0415

    z, noise = standardised(y, v, is_good)
    if not use_power or is_good.sum() < 4:
        return z, noise
    power = likeliest_power(z[is_good])
    bent = yeo_johnson(z, power)
    slope = np.exp((power - 1) * np.sign(z) * np.log1p(np.abs(z)))  # of the transform: noise bends with it
    scale = max(float(bent.std()), SMALLEST)
    return (bent - bent.mean()) / scale, np.minimum(noise * (slope / scale) ** 2, 4.0)


def _warped(x: Floats, exponents: Floats, is_category: Bools) -> Floats:
    from sharpen.optimizers.warping import warp  # noqa: PLC0415 - it needs scipy

    return np.where(is_category, x, warp(x, exponents))


def _layers(values: Floats, most: int = 2**31) -> list[Ints]:
    """Return the points in layers: those that none beats, then those that only these beat, and so on.

    Args:
        values: (M, K) larger is better.
        most: With so many points in layers the others are left out.
    """
    beats = np.ones((len(values), len(values)), dtype=np.bool_)
    is_more = np.zeros_like(beats)
    for column in values.T:
        beats &= column[:, None] >= column
        is_more |= column[:, None] > column
    n_above: Ints = (beats & is_more).sum(0)
    is_left = np.ones(len(values), dtype=np.bool_)
    layers: list[Ints] = []
    while is_left.any() and len(values) - is_left.sum() < most:
        layer: Ints = np.flatnonzero(is_left & (n_above == 0))
        layers.append(layer)
        is_left[layer] = False
        n_above = n_above - (beats & is_more)[layer].sum(0)
    return layers


def _best(values: Floats, n: int) -> Ints:
    return np.concatenate(_layers(values, n))[:n]
