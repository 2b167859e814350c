"""Whether the trials can say which parameters matter: the surrogate against shuffled scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sharpen.importance.forest import fit
from sharpen.importance.observations import Observations
from sharpen.seeds import rng_for, seed_for

N_SHUFFLES = 19  # the smallest p is then 0.05
N_TREES = 32  # enough that each trial is out of some tree's bag
MAX_TRIALS = 500  # as many are enough for that, too: the cost does not grow with the sweep
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class SurrogateSkill:
    """What a surrogate of the trials is worth.

    Attributes:
        n_trials: How many trials there are.
        r_squared: Of a forest, out of bag; 0 is no better than the mean.
        p: Share of forests of shuffled scores that did as well.
    """

    n_trials: int
    r_squared: float
    p: float

    @property
    def can_tell(self) -> bool:
        """Whether importances say more than they would of noise."""
        return self.p <= LEVEL and self.r_squared > 0.0

    @property
    def sentence(self) -> str:
        """The same in words."""
        figures = f"out-of-bag R2 {self.r_squared:.2f} over {self.n_trials} trials, p = {self.p:.2g}"
        if self.can_tell:
            return f"A model of the score foretells trials that it has not seen: {figures}."
        return (
            "The sweep cannot tell which parameters matter: a model of the score does not foretell trials"
            f" that it has not seen ({figures}). The shares are what noise would show, too."
        )


def weigh(seen: Observations, seed: int) -> SurrogateSkill:
    """Return whether a forest of the scores does better than forests of shuffled scores.

    Args:
        seen: The trials; of more than :data:`MAX_TRIALS` a random part is used.
        seed: Of the shuffles and the forests.
    """
    rng = rng_for(seed, "importance", "shuffles")
    rows = rng.permutation(len(seen.scores))[:MAX_TRIALS]
    some = replace(seen, points=seen.points[rows], scores=seen.scores[rows])
    own = fit(some, seed, N_TREES).r_squared
    as_good = 0
    for k in range(N_SHUFFLES):
        shuffled = replace(some, scores=rng.permutation(some.scores))
        as_good += fit(shuffled, seed_for(seed, "importance", "shuffle", k), N_TREES).r_squared >= own
    return SurrogateSkill(len(seen.scores), own, (1 + as_good) / (1 + N_SHUFFLES))
