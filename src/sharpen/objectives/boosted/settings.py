"""Every hyperparameter of the boosted classifier, with its default and its range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from sharpen.errors import UsageError


def _number(
    default: float, low: float, high: float, text: str, *, above: bool = False, int_only: bool = False
) -> Any:
    def allows(value: float) -> bool:
        return (low < value if above else low <= value) and value <= high

    kind: type = int if int_only else float
    low_end = "(" if above else "["
    high_end = "]" if math.isfinite(high) else ")"
    return field(
        default=kind(default),
        metadata={
            "kind": kind,
            "help": text,
            "range": f"{low_end}{low:g}, {high:g}{high_end}",
            "allows": allows,
        },
    )


def _count(default: int, low: int, high: float, text: str) -> Any:
    return _number(default, low, high, text, int_only=True)


def _depth(default: int, most: int, text: str) -> Any:
    def allows(value: int) -> bool:
        return value == -1 or 1 <= value <= most

    return field(
        default=default,
        metadata={"kind": int, "help": text, "range": f"[1, {most}], or -1", "allows": allows},
    )


def _flag(default: bool, text: str) -> Any:
    return field(default=default, metadata={"kind": bool, "help": text, "range": "true or false"})


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """One configuration: the trees, the labels, and how probabilities become positions.

    The names of the tree settings are those of xgboost's, and those of lightgbm's that xgboost has no name
    for; each library gets them in its own words. Each field's ``metadata`` holds its ``help`` and ``range``.

    Raises:
        UsageError: A value is of the wrong type or out of range; all problems at once.

    >>> ClassifierSettings(max_depth=3).max_depth
    3
    >>> ClassifierSettings(subsample=1.5, n_estimators=0)
    Traceback (most recent call last):
    sharpen.errors.UsageError: n_estimators is 0, must be in [1, 100000]; subsample is 1.5, must be in (0, 1]
    """

    model: str = field(default="xgboost", metadata={"kind": str, "help": "xgboost or lightgbm"})
    max_depth: int = _depth(4, 16, "deepest a tree may grow; -1 for no limit")
    num_leaves: int = _count(0, 0, 131_072, "most leaves of a tree; 0 for no limit but the depth's")
    learning_rate: float = _number(0.05, 0, 1, "shrinkage of each tree", above=True)
    n_estimators: int = _count(200, 1, 100_000, "number of trees")
    min_child_weight: float = _number(1.0, 0, math.inf, "least sum of hessians in a leaf")
    subsample: float = _number(0.8, 0, 1, "share of the rows for each tree", above=True)
    colsample_bytree: float = _number(0.8, 0, 1, "share of the features for each tree", above=True)
    reg_lambda: float = _number(1.0, 0, math.inf, "L2 penalty of the leaf weights")
    reg_alpha: float = _number(0.0, 0, math.inf, "L1 penalty of the leaf weights")
    gamma: float = _number(0.0, 0, math.inf, "least loss that a split must save")
    min_split_gain: float = _number(
        0.0, 0, math.inf, "the same by lightgbm's name; the larger of the two counts"
    )
    min_child_samples: int = _count(1, 1, math.inf, "least rows in a leaf; lightgbm only")
    max_bin: int = _count(32, 2, 65_535, "bins of each feature's histogram")
    atr_window_bars: int = _count(14, 2, 10_000, "bars of the average true range that scales the barriers")
    tp_atr_mult: float = _number(2.0, 0, math.inf, "take-profit barrier, in average true ranges", above=True)
    sl_atr_mult: float = _number(2.0, 0, math.inf, "stop-loss barrier, in average true ranges", above=True)
    horizon_bars: int = _count(10, 1, 10_000, "bars after which a label, and a bet, ends")
    threshold: float = _number(0.05, 0, 1, "a bet |2p - 1| up to this is no bet")
    ramp: float = _number(0.1, 0, 1, "a bet this far above the threshold is of full size", above=True)
    allow_short: bool = _flag(True, "whether a bet may be on a falling price")
    embargo_bars: int = _count(0, 0, math.inf, "bars kept free between a label's end and validation")
    cost_bps: float = _number(5.0, 0, 10_000, "cost per side of a change of position, in basis points")
    delisting_return: float = _number(
        0.0, -1, 1, "what a holder earns after the last close of a symbol whose bars end early"
    )
    risk_free_rate: float = _number(
        0.0, -0.5, 1, "what the capital could earn without risk, a year; every return is above it"
    )
    borrow_rate: float = _number(0.0, 0, 10, "cost of borrowing what is sold short, a year")

    def __post_init__(self) -> None:
        problems = [p for f in fields(self) if (p := _problem(f, getattr(self, f.name)))]
        if self.model == "xgboost" and self.min_child_samples != 1:
            problems.append(
                f"min_child_samples is {self.min_child_samples!r}, must be 1 for xgboost, which has no such "
                "limit: use min_child_weight"
            )
        if problems:
            raise UsageError("; ".join(problems), problems=problems)

    @property
    def split_gain(self) -> float:
        """The least loss that a split must save, by either of its names."""
        return max(self.gamma, self.min_split_gain)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ClassifierSettings:
        """Return the settings that a flat configuration names; other keys are ignored.

        A whole number is taken where a fraction is meant, and ``2.0`` where a count is.

        >>> ClassifierSettings.of({"reg_lambda": 2, "n_estimators": 50.0, "data": "stocks"}).n_estimators
        50
        """
        known = {f.name: f.metadata["kind"] for f in fields(cls)}
        return cls(**{k: _cast(known[k], v) for k, v in config.items() if k in known})


def _cast(kind: type, value: Any) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if kind is int and type(value) is float and value.is_integer():
        return int(value)
    return value


def _problem(setting: Field[Any], value: Any) -> str | None:
    kind: type = setting.metadata["kind"]
    if type(value) is not kind:
        return f"{setting.name} is {value!r}, must be of type {kind.__name__}"
    allows = setting.metadata.get("allows")
    if allows is not None and not allows(value):
        return f"{setting.name} is {value!r}, must be in {setting.metadata['range']}"
    return None
