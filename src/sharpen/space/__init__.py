"""The search space: each dimension maps the unit interval onto its values, and back.

An optimizer may work in the unit cube (:meth:`Space.from_unit`), read the dimensions' own bounds, or do
both. A distribution of any shape is its quantile function, so a new one is a new small class here.

Notation: ``u`` is a point of [0, 1]; names of nested parameters are dotted (``optimizer.lr``).
"""

from sharpen.space.conditions import Bound, Condition, Joined, When
from sharpen.space.dimensions import Choice, Constant, Dimension, Float, Int, same
from sharpen.space.shaped import Beta, Normal, Rounded, Weighted
from sharpen.space.space import Space, nest

__all__ = [
    "Beta",
    "Bound",
    "Choice",
    "Condition",
    "Constant",
    "Dimension",
    "Float",
    "Int",
    "Joined",
    "Normal",
    "Rounded",
    "Space",
    "Weighted",
    "When",
    "nest",
    "same",
]
