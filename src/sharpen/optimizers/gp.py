"""Bayesian search with a Gaussian process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from sharpen.extras import require
from sharpen.optimizers import observations
from sharpen.optimizers.draws import Keys
from sharpen.optimizers.observations import Observations
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.optimizers.user_prior import Belief, drawn
from sharpen.plugins import refuse_unless
from sharpen.replay import LastAnswer
from sharpen.space import Space
from sharpen.space.encoding import Cube, cube_of
from sharpen.threads import loading_one_thread
from sharpen.trial import Proposal, Trial

if TYPE_CHECKING:
    from sharpen.optimizers.surrogate import Kernels, Surrogate

_Fitted = tuple[Space, list[Trial]]
STEPS = 4  # a fit serves until there are so many-th more trials


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Looks where a Gaussian process expects the largest improvement on the best trial.

    The kernel is Matérn 5/2 with a lengthscale for each parameter; whole numbers and options that are
    numbers are coordinates rounded to what there is, other options are equal or not (Hamming). Its
    parameters are the most probable ones under log-normal priors. The acquisition is the log of the
    expected improvement on the best *predicted* outcome, because the best observed one of a noisy
    objective is a lucky one. Everything is computed from the history at each question.

    - **Bad outliers** are pulled in: what matters is where it is good, not how bad it gets elsewhere.
    - **Noise.** Where scores are means over folds, how much the folds differ beyond what each fold does to
      every configuration is each trial's own noise variance; a noise variance common to all is fitted.
    - **Stopped trials** count as what they had plus what others gained from there on, with a larger noise.
    - **Infeasible trials** (no score, or a constraint broken) teach a second process where the feasible
      region is, and the acquisition is weighted by its probability.
    - **Running trials** are taken to come out as predicted (the kriging believer), so that agents which ask
      together are sent to different places.
    - **Costs.** Where trials say what they cost, it looks for the largest improvement per unit of cost: of
      two places that promise as much, the one that is known sooner.
    - **Several metrics:** the first one is searched.

    Source: Snoek, Larochelle, Adams (2012), Practical Bayesian Optimization of Machine Learning Algorithms,
    section 3.2 for cost; Hvarfner et al. (2022), πBO, for beliefs; Ament et al. (2023), Unexpected
    Improvements to Expected Improvement; Ginsbourger et al. (2010), Kriging Is Well-Suited to Parallelize
    Optimization; Gardner et al. (2014), Bayesian Optimization with Inequality Constraints; Garrido-Merchán,
    Hernández-Lobato (2020), on rounding inside the kernel.

    Attributes:
        n_startup_trials: How many outcomes it wants before it trusts a model; evenly spread until then.
        n_candidates: How many points all over the space compete for a proposal.
        n_most_trials: It looks at no more trials than this: the best half, and the newest.
        fold_noise: Whether reports of folds say how exact a score is.
        prior_weight: How strongly it holds to what is near the configurations of ``prior``, in trials: after
            as many that counts as much as the expected improvement, and fades. 0 for not at all.
        seed: The sweep's seed, for the first trials.
    """

    n_startup_trials: int = 8
    n_candidates: int = 512
    n_most_trials: int = 150
    fold_noise: bool = True
    prior_weight: float = 0.0
    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)
    _kernels: LastAnswer[_Fitted, Any] = field(
        default_factory=LastAnswer[Any, Any], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse settings that make no sense, and an installation without what the fit needs later."""
        require("scipy", "samplers")
        refuse_unless(
            "gp",
            {
                "n_startup_trials must be 0 or more": self.n_startup_trials >= 0,
                "n_candidates must be 1 or more": self.n_candidates >= 1,
                "n_most_trials must be 2 or more": self.n_most_trials >= 2,
                "prior_weight must be 0 or more": self.prior_weight >= 0,
            },
        )

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` proposals; the same space, history and random stream give the same ones, always."""
        cube = cube_of(space)
        known = observations.read(space, history, self.n_most_trials, self.fold_noise)
        # while nothing is feasible a model would point to the same few corners
        is_feasible = any(not trial.is_infeasible for trial in known.scored)
        knows_enough = cube.axes and is_feasible and len(known.judged) >= self.n_startup_trials
        model = self._model(cube, known, history) if knows_enough else None
        belief = Belief.of(cube, history, self.prior_weight)
        if model and belief:
            model = replace(model, acquisition=replace(model.acquisition, belief=belief))
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        for _ in range(n):
            if model and batch.proposals:
                model = model.believing([batch.proposals[-1].config])
            config = model.improving(batch.seen, self.n_candidates, rng) if model else None
            if belief and not model:
                config = drawn(belief, cube, batch.seen, rng)
            batch.add(config, "gp")
        return batch.proposals

    def _model(self, cube: Cube, known: Observations, history: Sequence[Trial]) -> Surrogate:
        surrogate = _surrogate()

        def fit(fitted: _Fitted) -> Kernels:
            earlier = observations.read(*fitted, self.n_most_trials, self.fold_noise)
            return surrogate.Kernels.of(cube, earlier)

        kernels = self._kernels.get((cube.space, _earlier(history)), fit)
        return surrogate.Surrogate.of(cube, known, kernels)


@cache
def _surrogate() -> ModuleType:
    """Return the module that needs scipy, which the first runs need not wait for."""
    with loading_one_thread():  # a search that is resumed must not differ in its last digits
        from sharpen.optimizers import surrogate  # noqa: PLC0415

    return surrogate


def _earlier(history: Sequence[Trial]) -> list[Trial]:
    """Return the first trials that have ended, fewer than a fifth of them left out.

    A kernel's parameters hardly change with every trial: those fitted to these serve for several questions.

    >>> from sharpen.trial import TrialState
    >>> [len(_earlier([Trial(i, {}, state=TrialState.FINISHED) for i in range(n)])) for n in (3, 9, 26, 99)]
    [3, 8, 22, 97]
    """
    ended = [trial for trial in history if trial.state.is_final]
    n = 1
    while (following := n + max(1, n // STEPS)) <= len(ended):
        n = following
    return ended[:n]
