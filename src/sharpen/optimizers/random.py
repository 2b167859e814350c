"""Random search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sharpen.optimizers.draws import Keys
from sharpen.optimizers.proposal_batch import ProposalBatch
from sharpen.space import Space
from sharpen.trial import Proposal, Trial


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Draws that cover the space evenly, without repeating one while there are new ones.

    With a seed, trial ``n`` is point ``n`` of a scrambled Sobol sequence: any first part of a sweep covers
    every parameter, and every few of them together, more evenly than independent draws do, and which
    point it is does not depend on the other trials. Without a seed, draws are independent. A point that
    is forbidden, or a repetition in a countable space, is replaced by an independent draw.

    Source: Bergstra, Bengio (2012), Random Search for Hyper-Parameter Optimization, JMLR 13; Owen (1998),
    Scrambling Sobol' and Niederreiter-Xing Points, Journal of Complexity 14.

    Attributes:
        seed: The sweep's seed.
    """

    seed: int | None = None
    _keys: Keys = field(default_factory=Keys, repr=False, compare=False)

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return ``n`` draws; a small space that is used up gives repeats rather than an end.

        >>> from sharpen.space import Choice
        >>> space = Space({"a": Choice((True, False))})
        >>> proposals = RandomSearch().ask(space, [], 2, np.random.default_rng(0))
        >>> sorted(p.config["a"] for p in proposals)
        [False, True]
        """
        batch = ProposalBatch(space, history, rng, self.seed, self._keys)
        for _ in range(n):
            batch.add(None, "random")
        return batch.proposals
