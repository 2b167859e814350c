"""What a sweep file says, as frozen values."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sharpen.space import Space

DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Metric:
    """The number that a sweep is about.

    Attributes:
        name: The key under which the program logs it.
        goal: Which way is better; ``minimize`` unless the file says otherwise, as in W&B.
    """

    name: str
    goal: Literal["maximize", "minimize"] = "minimize"
    target: float | None = None

    def larger_is_better(self, value: float) -> float:
        """Return a logged value turned so that larger is better; applied twice it gives the value back.

        >>> loss = Metric("val/loss")
        >>> loss.larger_is_better(0.3), loss.larger_is_better(loss.larger_is_better(0.3))
        (-0.3, 0.3)
        """
        return value if self.goal == "maximize" else 0.0 - value


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound that a metric must keep for its run to count.

    Attributes:
        metric: The key under which the program logs it.
        op: ``>=``, ``<=``, ``>`` or ``<``.
        bound: What it is compared with.
    """

    metric: str
    op: str
    bound: float

    def violation(self, value: float) -> float:
        """Return by how much a logged value misses the bound, in units of the bound's size; 0 when kept.

        A bound of 0 has the unit 1; a value that is not a number misses it infinitely.

        >>> enough = Constraint("val/n_trades", ">=", 30)
        >>> enough.violation(30), enough.violation(24)
        (0.0, 0.2)
        """
        if math.isnan(value):
            return math.inf
        if OPERATORS[self.op](value, self.bound):
            return 0.0
        # a strict bound that is met exactly is missed by nothing, and yet missed
        return max(abs(value - self.bound) / (abs(self.bound) or 1.0), sys.float_info.epsilon)


@dataclass(frozen=True, slots=True)
class EarlyTerminate:
    """When to end runs early: Hyperband, in W&B's words.

    Attributes:
        min_iter: The first iteration at which runs are compared; the next ones are ``eta`` times later.
        max_iter: The other way to say it: bands are ``max_iter / eta``, ``max_iter / eta**2``, …
        s: How many such bands ``max_iter`` gets; without effect next to ``min_iter``.
        eta: Of the runs that reach a band, the best ``1 / eta`` go on.
        strict: Compare the value at the band; otherwise the best value so far. True unless the file
            says otherwise, which is what W&B's engine does (its documentation says false).
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3.0
    strict: bool = True
    type: str = "hyperband"


@dataclass(frozen=True, slots=True)
class Sweep:
    """A search: space, method, metric, stop rule and program.

    Attributes:
        name: What people call it; the file's name without its ending when the file does not say.
        program: The training script; empty only when the command does not use ``${program}``.
        command: The words that start a run, macros not yet expanded.
        method: A name from the optimizer table.
        metric: What to optimise.
        space: What may vary, in the order of the file.
        stop: When to end runs early; None for never.
        run_cap: How many runs at most; None for no limit.
        seed: The root of every random stream of the sweep; None lets the caller choose one.
        description: For people.
        project: For people; W&B's grouping of sweeps.
        source_text: The file, to the letter.
        entity: For people; W&B's owner of a project.
        metrics: Everything to optimise; more than one makes it a search for trade-offs.
        constraints: Bounds on metrics that a run must keep to count.
        prior: Configurations to try before any other, complete and in the order of the file.
        max_failures: How many failed runs end the sweep; None for the default rule.
        time_cap_s: After how many seconds no new run starts; None for no limit.
        resume: Whether an interrupted run continues from its newest checkpoint rather than from the start.
    """

    name: str
    program: str
    command: tuple[str, ...]
    method: str
    metric: Metric
    space: Space
    stop: EarlyTerminate | None = None
    run_cap: int | None = None
    seed: int | None = None
    description: str = ""
    project: str = ""
    source_text: str = ""
    entity: str = ""
    metrics: tuple[Metric, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    prior: tuple[Mapping[str, Any], ...] = ()
    max_failures: int | None = None
    time_cap_s: float | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if not self.metrics:
            object.__setattr__(self, "metrics", (self.metric,))
