"""Covariance matrix adaptation, recomputed from the history."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.errors import MissingExtra
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.plugins import refuse_unless
from sharpen.replay import LastAnswer, Replay
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of
from sharpen.trial import UNDECIDED, ParameterValues, Proposal, Trial, TrialState

try:
    from cmaes import CMA
except ImportError as error:
    raise MissingExtra("cmaes", "samplers") from error

MOST_TRIES = 8
_Start = tuple[Space, bytes, int]  # the space, the mean and the size of a generation
_INFEASIBLE = 1e12  # only ranks matter


@dataclass(slots=True)
class _Generations:
    """A search, and the trials of the generation that it has not been told of yet."""

    cube: Cube
    size: int
    search: CMA
    waiting: list[Trial] = field(default_factory=list[Trial])

    @classmethod
    def start(cls, cube: Cube, mean: Floats, sigma: float, size: int) -> _Generations:
        """Return a search that knows of no trial."""
        bounds = np.tile([0.0, 1.0], (len(mean), 1))
        return cls(cube, size, CMA(mean=mean, sigma=sigma, bounds=bounds, population_size=size, seed=0))

    def take(self, trial: Trial) -> None:
        """Tell the search of a generation, with its last trial."""
        self.waiting.append(trial)
        if len(self.waiting) < self.size:
            return
        generation, self.waiting = self.waiting, []
        if not self.search.should_stop():
            u = self.cube.encode([t.config for t in generation])[:, ~self.cube.is_category]
            self.search.tell(list(zip(u, map(_loss, generation), strict=True)))


@dataclass(frozen=True, slots=True)
class CmaEs:
    """Moves a normal distribution over the unit cube towards the better half of each generation.

    The distribution is the one after all full generations of ended trials, in number order, computed from
    the history. Agents therefore never wait for a generation to end; a late trial is told with the next
    one. Whole numbers and options that are numbers are rounded, and now and then one of them goes a value
    up or down, so that it cannot get stuck when the step size falls below one value. Options without an
    order are drawn by the weights that the better half of the last three generations gave them, each
    option keeping a share.

    What a trial counts as: a finished one its score; a stopped one its score so far; infeasible ones
    worse than all others; failed ones nothing.

    Source: Hansen (2016), The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772; for the share kept by
    each option, Hamano et al. (2024), CatCMA, arXiv:2405.09962.

    Attributes:
        sigma: The first step size, in shares of a parameter's range.
        population: Trials in a generation; 0 for 4 + 3 ln D.
        seed: The sweep's seed, for draws without a model.
    """

    sigma: float = 0.25
    population: int = 0
    seed: int | None = None
    _replay: LastAnswer[_Start, Replay[_Generations, Trial]] = field(
        default_factory=LastAnswer[_Start, Replay[_Generations, Trial]], repr=False, compare=False
    )
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        refuse_unless(
            "cmaes",
            {
                "sigma must be above 0 and at most 1": 0 < self.sigma <= 1,
                "population must be 0, or 4 or more": self.population == 0 or self.population >= 4,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` proposals; the same space, history and random stream give the same ones, always."""
        cube = cube_of(space)
        size = self.population or 4 + math.floor(3 * math.log(max(len(cube.axes), 1)))
        own = [t for t in history if t.origin == "cmaes" and t.state.is_final and t.state not in UNDECIDED]
        own = [t for t in own if space.contains(t.config)]
        search = self._search(cube, history, own, size, rng)
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        shares = _shares(cube, own, size)
        for _ in range(n):
            config = _unseen(cube, search, shares, batch.seen, rng) if cube.axes else None
            batch.add(config, "cmaes")
        return batch.proposals

    def _search(
        self, cube: Cube, history: Sequence[Trial], own: Sequence[Trial], size: int, rng: np.random.Generator
    ) -> CMA | None:
        """Return the distribution of the numbers; None for fewer than two, which it cannot adapt to."""
        numbers = ~cube.is_category
        if numbers.sum() < 2:
            return None
        first = own[0].number if own else math.inf
        earlier = [t for t in history if t.number < first and t.origin != "cmaes" and _is_known(cube, t)]
        mean = np.full(int(numbers.sum()), 0.5)
        if earlier:
            mean = cube.encode([min(earlier, key=_loss).config])[0, numbers]
        begin = partial(_Generations.start, cube, mean, self.sigma, size)
        replay = self._replay.get(
            (cube.space, mean.tobytes(), size), lambda _: Replay(begin, _Generations.take)
        )
        search = copy.deepcopy(replay.after(own[: len(own) // size * size]).search)
        search.reseed_rng(int(rng.integers(2**31)))
        return search


def _is_known(cube: Cube, trial: Trial) -> bool:
    return (
        trial.state is TrialState.FINISHED and not trial.is_infeasible and cube.space.contains(trial.config)
    )


def _loss(trial: Trial) -> float:
    if trial.score is None or math.isnan(trial.score):
        return _INFEASIBLE * 2
    return -trial.score if trial.violation <= 0 else _INFEASIBLE * (1 + min(trial.violation, 1e3) / 1e3)


def _unseen(
    cube: Cube, search: CMA | None, shares: Sequence[Floats], seen: set[str], rng: np.random.Generator
) -> ParameterValues | None:
    """Return a draw that is allowed and in no trial yet; None when a few tries find none."""
    for _ in range(MOST_TRIES):
        u = rng.random(len(cube.axes))
        if search is not None:
            u[~cube.is_category] = _stepping(cube, search.ask(), rng)
        for d, share in enumerate(shares):
            if share.size:
                u[d] = cube.axes[d].units[rng.choice(len(share), p=share)]
        config = cube.decode(cube.snap(u[None])[0])
        if cube.space.key(config) not in seen and cube.space.allows(config):
            return config
    return None


def _stepping(cube: Cube, u: Floats, rng: np.random.Generator) -> Floats:
    """Return a draw in which each ordered parameter sometimes goes one value up or down."""
    axes = [axis for axis in cube.axes if axis.kind != "category"]
    for d, axis in enumerate(axes):
        if axis.kind == "ordered" and rng.random() < 1 / len(axes):
            u[d] = min(max(u[d] + rng.choice((-1.0, 1.0)) / len(axis.units), 0.0), 1.0)
    return u


def _shares(cube: Cube, own: Sequence[Trial], size: int) -> list[Floats]:
    """Return how often each option of each category is to be drawn; empty for axes that are numbers."""
    last = sorted(own[-3 * size :], key=_loss)
    better = last[: len(last) // 2] if len(last) >= size else []
    u = cube.encode([trial.config for trial in better])
    shares: list[Floats] = []
    is_category: Bools = cube.is_category
    for d, axis in enumerate(cube.axes):
        if is_category[d]:
            counts = np.array([(u[:, d] == unit).sum() for unit in axis.units], dtype=float)
            shares.append((counts + 1) / (counts + 1).sum())
        else:
            shares.append(np.empty(0))
    return shares
