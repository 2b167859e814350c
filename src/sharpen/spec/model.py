"""What a sweep file says, as frozen values."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sharpen.space import Constant, Space, nest

FUNCTION = "(function)"
"""The program of a sweep whose runs are calls of a function, as with ``wandb.agent(ID, function=...)``."""

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
        target: The value at which the search has what it wants: once a run ends at it or better, no new
            runs start. None for no such value.
        impute: What the search takes for the value of a failed run: the ``worst`` of all runs, or the
            ``best`` or ``latest`` of its own; None to take none.
        impute_while_running: The same for a run that has not ended.
    """

    name: str
    goal: Literal["maximize", "minimize"] = "minimize"
    target: float | None = None
    impute: str | None = None
    impute_while_running: str | None = None

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

    def __str__(self) -> str:
        """Return it as the file has it.

        >>> str(Constraint("val/n_trades", ">=", 30.0))
        'val/n_trades >= 30'
        """
        return f"{self.metric} {self.op} {self.bound:g}"

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
    """When to end runs early.

    Attributes:
        min_iter: ``hyperband``, ``asha``: the first iteration at which runs are compared; the next ones are
            ``eta`` times later. ``median``, ``racing``: the first at which a run may be ended.
        max_iter: ``hyperband``: the other way to say it: bands are ``max_iter / eta``,
            ``max_iter / eta**2``, … ``asha``: no comparison from here on.
        s: ``hyperband``: how many such bands ``max_iter`` gets; without effect next to ``min_iter``.
            ``asha``: how many of the first rungs are left out.
        eta: Of the runs that reach a band, the best ``1 / eta`` go on.
        strict: Compare the value at the band; otherwise the best value so far. True unless the file
            says otherwise, which is what W&B's engine does (its documentation says false).
        type: The rule: ``hyperband`` is W&B's, all others are sharpen's own.
        options: What the rule takes beyond these, by name; for a rule of another package, all of it.
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3.0
    strict: bool = True
    type: str = "hyperband"
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Resources:
    """What one run needs.

    Attributes:
        threads: Processor threads.
        gpu: GPUs; a half lets two runs share one.
    """

    threads: int = 1
    gpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """A search: space, method, metric, stop rule and program.

    Attributes:
        name: What people call it; the file's name without its ending when the file does not say.
        program: The training script; empty only when the command does not use ``${program}``.
        command: The words that start a run, macros not yet expanded.
        method: A name from the optimizer table: the file's ``method``, or the ``type`` of its ``optimizer``.
        metric: What to optimise; the first of ``metrics``. One without a name where nothing is optimised.
        space: What may vary, in the order of the file, then the constants of its shorthands.
        stop: When to end runs early; None for never.
        run_cap: How many runs at most; None for no limit.
        seed: The root of every random stream of the sweep; None lets the caller choose one.
        description: For people.
        project: For people; W&B's grouping of sweeps.
        source_text: The file, to the letter.
        entity: For people; W&B's owner of a project.
        metrics: Everything to optimise; more than one makes it a search for trade-offs.
        constraints: Bounds on metrics that a run must keep to count.
        cost_metric: A metric that says what a step of a run costs; empty for none.
        prior: Configurations to try before any other, complete and in the order of the file.
        options: Settings of the search method, without its ``type``.
        repeats: How many runs, each with a seed of its own, a configuration gets.
        max_failures: How many failed runs end the sweep; None for the default rule.
        max_attempts: How often a run whose program is killed, for memory perhaps, is started in all.
        on_oom: What to halve in a run that ran out of memory before it is tried again: ``halve:NAME``.
        time_cap_s: After how many seconds no new run starts; None for no limit.
        resume: Whether an interrupted run continues from its newest checkpoint rather than from the start.
        resources: What one run needs.
        dotted: Names of parameters whose dots are part of the name, as in ``optimizer.lr: {…}`` written flat.
        ignored: Keys of W&B's in the file that have no effect here.
        dialect: The dialect that the file is written in.
        notes: What of the file was understood otherwise than it may have been meant: (path, sentence) pairs.
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
    cost_metric: str = ""
    prior: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    repeats: int = 1
    max_failures: int | None = None
    max_attempts: int = 2
    on_oom: str = ""
    time_cap_s: float | None = None
    resume: bool = False
    resources: Resources = field(default_factory=Resources)
    dotted: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    dialect: str = "wandb"
    notes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.metrics:
            object.__setattr__(self, "metrics", (self.metric,))

    @property
    def has_metric(self) -> bool:
        """Whether runs are ranked; a grid or a random search need no metric."""
        return bool(self.metric.name)

    @property
    def constants(self) -> dict[str, Any]:
        """The parameters that the file gives a value, such as the data and the costs."""
        dimensions = self.space.dimensions.items()
        return {name: dimension.value for name, dimension in dimensions if isinstance(dimension, Constant)}

    def with_budget(self, config: Mapping[str, Any], fidelity: float | None) -> dict[str, Any]:
        """Return a configuration with what a run may spend in the place of ``optimizer.budget_variable``.

        Nothing changes where the file names no such parameter, or where the run may spend the whole.
        """
        name = self.options.get("budget_variable")
        if not name or fidelity is None:
            return dict(config)
        return {**config, name: int(fidelity) if float(fidelity).is_integer() else fidelity}

    def nested(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration as programs see it: nested where the file nests, flat where it does not.

        What the configuration leaves out, because its condition does not hold, stays out.
        """
        ordered = {name: config[name] for name in self.space.dimensions if name in config}
        return nest(ordered, self.dotted)
