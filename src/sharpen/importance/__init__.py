"""Which parameters mattered in a search: pure functions of a space and its trials. Nothing is run again.

``observations`` turns trials into points and scores. ``forest`` fits the surrogate: regression trees whose
leaves are boxes of the unit cube. On it rest ``fanova`` (shares of the variance, alone and in pairs),
``local`` (what moves the score around the incumbent) and ``ablation`` (which steps led from the default to
the incumbent). ``ped_anova`` needs no surrogate: it compares where the good trials lie with where all lie.
``surrogate_skill`` asks first whether the trials can tell anything at all.

The methods answer different questions, so they are shown side by side and may differ.
"""

from sharpen.importance.ablation import AblationStep, ablation
from sharpen.importance.fanova import fanova
from sharpen.importance.forest import Forest, fit
from sharpen.importance.local import local_importance
from sharpen.importance.observations import MIN_TRIALS, Observations, observe
from sharpen.importance.ped_anova import ped_anova
from sharpen.importance.share import Share
from sharpen.importance.surrogate_skill import SurrogateSkill, weigh

__all__ = [
    "MIN_TRIALS",
    "AblationStep",
    "Forest",
    "Observations",
    "Share",
    "SurrogateSkill",
    "ablation",
    "fanova",
    "fit",
    "local_importance",
    "observe",
    "ped_anova",
    "weigh",
]
