"""Evolution towards the Pareto front of several metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sharpen.arrays import Floats, Ints
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.plugins import refuse_unless
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of
from sharpen.trial import ParameterValues, Proposal, Trial, TrialState

MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class Nsga2:
    """Crosses and mutates the trials nearest to the Pareto front, the loneliest first among equals.

    The steady-state form of NSGA-II: the population is the best of all trials so far, so it follows from
    the history and agents never wait for a generation to end. Two parents win tournaments by front, then
    by crowding distance; numbers are crossed by simulated binary crossover and mutated by polynomial
    mutation in the unit cube, options are taken from either parent or drawn anew. Feasible trials rank
    above trials that broke a constraint, and these by how far they missed it. Only finished trials with
    all their metrics become parents.

    Source: Deb et al. (2002), A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE TEC 6;
    Durillo et al. (2009), On the Effect of the Steady-State Selection Scheme in Multi-Objective Genetic
    Algorithms; Deb, Agrawal (1995), Simulated Binary Crossover for Continuous Search Space.

    Attributes:
        population: How many trials the next ones descend from; as many random trials come first.
        crossover: The probability that two parents are crossed, rather than one copied, before mutation.
        eta_crossover: How close children stay to a parent; larger is closer.
        eta_mutation: How small mutations are; larger is smaller.
        seed: The sweep's seed, for the first trials.
    """

    population: int = 20
    crossover: float = 0.9
    eta_crossover: float = 15.0
    eta_mutation: float = 20.0
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "nsga2",
            {
                "population must be 2 or more": self.population >= 2,
                "crossover must be from 0 to 1": 0 <= self.crossover <= 1,
                "eta_crossover must be 0 or more": self.eta_crossover >= 0,
                "eta_mutation must be 0 or more": self.eta_mutation >= 0,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` proposals; the same space, history and random stream give the same ones, always."""
        cube = cube_of(space)
        parents = [
            t for t in history if t.state is TrialState.FINISHED and _is_whole(t) and space.contains(t.config)
        ]
        is_ready = bool(cube.axes) and len(parents) >= self.population
        u = cube.encode([t.config for t in survivors(parents, self.population)]) if is_ready else None
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        for _ in range(n):
            batch.add(self._child(cube, u, batch.seen, rng) if u is not None else None, "nsga2")
        return batch.proposals

    def _child(
        self, cube: Cube, u: Floats, seen: set[str], rng: np.random.Generator
    ) -> ParameterValues | None:
        """Return a new and allowed descendant of the ranked population ``u``; None when a few tries fail."""
        for _ in range(MOST_TRIES):
            # survivors come best first, so the smaller of two places wins the tournament
            first, second = (u[rng.integers(len(u), size=2).min()] for _ in range(2))
            child = self._crossed(cube, first, second, rng) if rng.random() < self.crossover else first
            config = cube.decode(cube.snap(self._mutated(cube, child, rng)[None])[0])
            if cube.space.key(config) not in seen and cube.space.allows(config):
                return config
        return None

    def _crossed(self, cube: Cube, a: Floats, b: Floats, rng: np.random.Generator) -> Floats:
        power = 1 / (self.eta_crossover + 1)
        share = rng.random(a.size)
        beta = np.where(share < 0.5, (2 * share) ** power, (0.5 / np.maximum(1 - share, 1e-12)) ** power)
        sides = rng.choice((-1.0, 1.0), size=a.size)
        number = 0.5 * (a + b + sides * beta * (a - b))
        either = np.where(rng.random(a.size) < 0.5, a, b)
        return np.where(cube.is_category | (rng.random(a.size) < 0.5), either, np.clip(number, 0.0, 1.0))

    def _mutated(self, cube: Cube, u: Floats, rng: np.random.Generator) -> Floats:
        power = 1 / (self.eta_mutation + 1)
        share = rng.random(u.size)
        step = np.where(share < 0.5, (2 * share) ** power - 1, 1 - (2 * (1 - share)) ** power)
        number = np.clip(u + step, 0.0, 1.0)
        changed = rng.random(u.size) < 1 / u.size
        changed[rng.integers(u.size)] = True
        # a polynomial step is mostly smaller than one value of an ordered parameter: draw those anew
        anew = np.where(cube.is_real, number, rng.random(u.size))
        return np.where(changed, anew, u)


def _is_whole(trial: Trial) -> bool:
    return bool(trial.objectives) and bool(np.isfinite(trial.objectives).all())


def survivors(trials: Sequence[Trial], n: int) -> list[Trial]:
    """Return the best trials, best first: kept constraints, then fronts, then crowding distance."""
    feasible = [t for t in trials if t.violation <= 0]
    broken = sorted((t for t in trials if t.violation > 0), key=lambda t: (t.violation, t.number))
    if not feasible:
        return broken[:n]
    values = np.array([t.objectives for t in feasible])
    front = fronts(values, most=n)
    chosen = np.flatnonzero(front >= 0)
    lonely = np.zeros(len(values))
    for rank in range(int(front.max()) + 1):
        lonely[front == rank] = crowding(values[front == rank])
    order = chosen[np.lexsort((chosen, -lonely[chosen], front[chosen]))]
    ranked = [feasible[int(i)] for i in order]
    return [*ranked, *broken][:n]


def fronts(values: Floats, most: int | None = None) -> Ints:
    """Return each point's front: 0 for those that none beats, 1 for those only these beat, and so on.

    Args:
        values: (N, metrics), larger is better.
        most: No further front is looked for once this many points have theirs; -1 for the others.

    >>> fronts(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])).tolist()
    [0, 0, 1]
    """
    front = np.full(len(values), -1, dtype=np.int64)
    # by falling metrics: the first one that is left is beaten by none that is left
    order = np.lexsort(tuple(-values.T[::-1]))
    left, rank, wanted = order, 0, len(values) if most is None else min(most, len(values))
    while (front >= 0).sum() < wanted:
        candidates = left
        while candidates.size:
            first, rest = candidates[0], candidates[1:]
            front[first] = rank
            at_least = (values[first] >= values[rest]).all(1)
            candidates = rest[~(at_least & (values[first] > values[rest]).any(1))]
        left, rank = left[front[left] < 0], rank + 1
    return front


def crowding(values: Floats) -> Floats:
    """Return each point's distance to its neighbours along each metric, summed; infinite at the ends.

    >>> crowding(np.array([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]])).tolist()
    [inf, 2.0, inf]
    """
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        width = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if width > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return distance
