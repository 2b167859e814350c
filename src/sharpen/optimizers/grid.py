"""Grid search."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sharpen.errors import UsageError
from sharpen.plugins import refuse_unless
from sharpen.space import Space, same
from sharpen.trial import UNDECIDED, ParameterValues, Proposal, Trial, TrialState


@dataclass(frozen=True, slots=True)
class GridSearch:
    """Every combination once, in the order of the space, the last parameter changing fastest.

    The next point is the one after the last that was proposed, so the grid is never held in memory and a
    restart goes on where it left off. Combinations that are forbidden, that differ only in parameters that
    are not there, or that a trial of another origin has, unless it was canceled, are passed over.

    Attributes:
        retries: How often a point is proposed again, after the others, as long as its trials failed,
            crashed or were canceled. A deleted trial counts as canceled.
    """

    retries: int = 0

    def __post_init__(self) -> None:
        """Refuse a setting that makes no sense."""
        refuse_unless("grid", {"retries must be 0 or more": self.retries >= 0})

    def ask(self, space: Space, history: Sequence[Trial], n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return the next ``n`` combinations, fewer at the end of the grid; the random stream is not used.

        Raises:
            UsageError: A parameter takes any real number of a range.

        >>> from sharpen.space import Choice, Int
        >>> space = Space({"a": Int(1, 2), "b": Choice((True, False))})
        >>> [dict(p.config) for p in GridSearch().ask(space, [], 3, np.random.default_rng(0))]
        [{'a': 1, 'b': True}, {'a': 1, 'b': False}, {'a': 2, 'b': True}]
        """
        last = next((t for t in reversed(history) if t.origin == "grid" and space.contains(t.asked)), None)
        # a retried point is not the furthest one: its own place says how far the grid has come
        if self.retries and last is not None:
            of_grid = (t for t in history if t.origin == "grid" and space.contains(t.asked))
            last = max(of_grid, key=lambda t: place(space, t.asked))
        elsewhere = {
            space.key(t.asked) for t in history if t.origin != "grid" and t.state is not TrialState.CANCELED
        }
        ahead = points(space, after=None if last is None else last.asked)
        if elsewhere:
            ahead = (config for config in ahead if space.key(config) not in elsewhere)
        configs = list(itertools.islice(ahead, n))
        if self.retries and len(configs) < n:
            taken = {space.key(config) for config in configs}
            missing = (c for c in unfinished(space, history, self.retries) if space.key(c) not in taken)
            configs += itertools.islice(missing, n - len(configs))
        return [Proposal(config, origin="grid") for config in configs]


def unfinished(space: Space, history: Sequence[Trial], retries: int) -> Iterator[dict[str, Any]]:
    """Yield the grid points, in order, whose every trial failed, crashed or was canceled.

    Args:
        space: All of its parameters are countable.
        history: Every trial of the sweep so far.
        retries: How many trials a point may have beyond its first.
    """
    decided: set[str] = set()
    n_tried: Counter[str] = Counter()
    for trial in history:
        key = space.key(trial.asked)
        n_tried[key] += 1
        if trial.state not in UNDECIDED:
            decided.add(key)
    for config in points(space):
        key = space.key(config)
        if key not in decided and n_tried[key] <= retries:
            yield config


def points(space: Space, after: ParameterValues | None = None) -> Iterator[dict[str, Any]]:
    """Yield every allowed configuration of a countable space once, in grid order.

    Args:
        space: All of its parameters are countable.
        after: A configuration of the space: start behind it; None for the beginning.

    Raises:
        UsageError: A parameter takes any real number of a range.

    >>> from sharpen.space import Choice, Condition
    >>> space = Space(
    ...     {"model": Choice(("tree", "line")), "depth": Choice((1, 2))},
    ...     conditions={"depth": Condition("model", ("tree",))},
    ... )
    >>> list(points(space))
    [{'model': 'tree', 'depth': 1}, {'model': 'tree', 'depth': 2}, {'model': 'line'}]
    """
    odometer = _Odometer(_axes(space))
    if after is not None:
        odometer.digits = place(space, after)
        odometer.turn(len(odometer.digits) - 1)
    while not odometer.is_over:
        full = odometer.values()
        config = {name: full[name] for name in space.active(full)} if space.conditions else full
        idle = next((i for i, name in enumerate(full) if odometer.digits[i] and name not in config), None)
        if idle is not None:  # the same configuration has come by with the idle parameter at its first value
            odometer.turn(_behind(space, idle))
            continue
        if space.allows(config):
            yield config
            odometer.turn(len(odometer.digits) - 1)
        else:
            odometer.turn(_last_of_forbidden(space, config))


def place(space: Space, config: ParameterValues) -> list[int]:
    """Return where a configuration is in the grid: its parameters' places, 0 for one that is not there."""
    axes = _axes(space)
    return [_index(axes[name], config[name]) if name in config else 0 for name in axes]


@dataclass(slots=True)
class _Odometer:
    axes: Mapping[str, Sequence[Any]]
    is_over: bool = False
    digits: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.digits = [0] * len(self.axes)

    def values(self) -> dict[str, Any]:
        return {name: values[i] for (name, values), i in zip(self.axes.items(), self.digits, strict=True)}

    def turn(self, at: int) -> None:
        """Go to the next value at a place, with everything behind it at its first."""
        sizes = [len(values) for values in self.axes.values()]
        self.digits[at + 1 :] = [0] * (len(sizes) - at - 1)
        while at >= 0:
            self.digits[at] += 1
            if self.digits[at] < sizes[at]:
                return
            self.digits[at] = 0
            at -= 1
        self.is_over = True


def _behind(space: Space, idle: int) -> int:
    """Return the place to turn when a parameter is idle: in front of it, if all it needs is there."""
    names = list(space.dimensions)
    needed = space.needed(names[idle])
    return idle - 1 if max(names.index(name) for name in needed) < idle else len(names) - 1


def _last_of_forbidden(space: Space, config: ParameterValues) -> int:
    """Return the last place that a forbidden combination rests on: what follows it makes no difference."""
    names = list(space.dimensions)
    matched = next(c for c in space.forbidden if not Space(space.dimensions, {}, (c,)).allows(config))
    needed = {other for name in matched for other in (name, *space.needed(name))}
    return max((names.index(name) for name in needed), default=-1)


def _axes(space: Space) -> dict[str, Sequence[Any]]:
    axes = {name: dimension.grid() for name, dimension in space.dimensions.items()}
    endless = [name for name, values in axes.items() if values is None]
    if endless:
        raise UsageError(
            f"grid search cannot count the real numbers of {', '.join(endless)}: "
            "give values: [a, b, …], or take method random or bayes",
            parameters=endless,
        )
    return {name: values for name, values in axes.items() if values is not None}


def _index(values: Sequence[Any], value: Any) -> int:
    if isinstance(values, range):
        return values.index(value)
    return next(i for i, option in enumerate(values) if same(option, value))
