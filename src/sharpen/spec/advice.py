"""Advice on sweep files that are right: what will waste runs or mislead, and the fix."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sharpen.space import Choice, Constant, Dimension, Float, Int, Normal, Rounded, Weighted
from sharpen.spec.command import MACROS
from sharpen.spec.model import Constraint, EarlyTerminate, Metric, Sweep

STARTUP = {  # method -> the setting that says how many runs are random, and its default
    "bayes": ("n_startup_trials", 8),
    "gp": ("n_startup_trials", 8),
    "tpe": ("n_startup_trials", 10),
    "nsga2": ("population", 20),
}
COST_AWARE = ("bayes", "gp")
WITHOUT_ORDER = ("grid", "random")  # the order of values is nothing to these
LINEAR_DECADES = 2
HUGE_DECADES = 6

_RATE = re.compile(r"(^|_)(lr|learning_rate|eta0|weight_decay|wd)$")
_LARGER_IS_BETTER = re.compile(
    r"(^|[^a-z])(sharpe|sortino|calmar|acc|accuracy|auc|auroc|f1|r2|precision|recall|return|returns|reward"
    r"|profit|profit_factor|pnl|hit_rate|hit_ratio|win_rate|win_ratio|winrate|ic)($|[^a-z])"
)
_SMALLER_IS_BETTER = re.compile(
    r"(^|[^a-z])(loss|logloss|nll|error|err|rmse|mse|mae|mape|perplexity|ppl|drawdown|max_drawdown|turnover)"
    r"($|[^a-z])"
)


@dataclass(frozen=True, slots=True)
class Lint:
    """A piece of advice.

    Attributes:
        path: Where in the file.
        sentence: What is likely to go wrong, and the fix.
    """

    path: str
    sentence: str


def lint(sweep: Sweep) -> list[Lint]:
    """Return advice on a sweep, in the order of the rules; nothing for one that needs none.

    >>> from sharpen.spec import parse
    >>> for advice in lint(parse('''
    ... {program: t.py, method: random, run_cap: 9, metric: {name: val/sharpe},
    ...  parameters: {lr: {min: 0.0001, max: 0.1}}}''')):
    ...     print(advice.path, advice.sentence)
    $.metric.goal val/sharpe sounds better when larger, but goal is minimize: write goal: maximize
    $.parameters.lr nine tenths of the draws fall between 0.01009 and 0.1, since the scale is linear: add \
distribution: log_uniform_values
    """
    return [Lint(path, sentence) for check in CHECKS for path, sentence in check(sweep)]


Advice = Iterator[tuple[str, str]]


def place(sweep: Sweep, name: str) -> str:
    """Return where a parameter is in the file.

    >>> from sharpen.spec import parse
    >>> place(parse("{program: t, method: grid, metric: {name: m}, parameters: {a.b: {value: 1}}}"), "a.b")
    '$.parameters.a.b'
    """
    nested = name if name in sweep.dotted else ".parameters.".join(name.split("."))
    return f"$.parameters.{nested}"


def _goals(sweep: Sweep) -> Advice:
    for i, metric in enumerate(sweep.metrics):
        path = "$.metric.goal" if len(sweep.metrics) == 1 else f"$.metrics[{i}].goal"
        if metric.goal == "minimize" and _sounds(metric, _LARGER_IS_BETTER, _SMALLER_IS_BETTER):
            yield (
                path,
                f"{metric.name} sounds better when larger, but goal is minimize: write goal: maximize",
            )
        if metric.goal == "maximize" and _sounds(metric, _SMALLER_IS_BETTER, _LARGER_IS_BETTER):
            yield (
                path,
                f"{metric.name} sounds better when smaller, but goal is maximize: write goal: minimize",
            )


def _sounds(metric: Metric, like: re.Pattern[str], unlike: re.Pattern[str]) -> bool:
    name = metric.name.lower()
    return bool(like.search(name)) and not unlike.search(name)


def _method(sweep: Sweep) -> Advice:
    if sweep.method == "nsga2" and len(sweep.metrics) == 1:
        yield "$.method", "nsga2 searches trade-offs between several metrics: for one metric take bayes"
    if sweep.method in ("bayes", "gp", "tpe", "cmaes") and len(sweep.metrics) > 1:
        yield "$.method", f"{sweep.method} searches the first of the metrics alone: for trade-offs take nsga2"


def _later_targets(sweep: Sweep) -> Advice:
    for i, metric in enumerate(sweep.metrics):
        if i and metric.target is not None:
            yield f"$.metrics[{i}].target", "has no effect: only the first metric's ends a sweep"


def _cost(sweep: Sweep) -> Advice:
    if sweep.cost_metric and sweep.method not in COST_AWARE:
        yield "$.cost_metric", f"has no effect: {sweep.method} does not ask what a run costs; bayes does"


def _run_cap(sweep: Sweep) -> Advice:
    endless = sweep.method != "grid" and sweep.metric.target is None and sweep.time_cap_s is None
    if endless and sweep.run_cap is None:
        yield "$.run_cap", f"{sweep.method} search never ends by itself: add run_cap, or time_cap"
    size = sweep.space.size
    if sweep.run_cap is None:
        return
    n_configs = sweep.run_cap // sweep.repeats
    if n_configs == 0:
        return  # what is said of repeats is all there is to say
    if sweep.method == "grid" and size is not None and size > n_configs:
        yield (
            "$.run_cap",
            f"the grid has {size} configurations and only the first {n_configs} will run, which leaves "
            "whole values of the first parameters out: raise run_cap, list fewer values, or take random",
        )
    n_startup = _n_startup(sweep)
    if n_configs <= n_startup:
        yield (
            "$.run_cap",
            f"the first {n_startup} runs of {sweep.method} are random, so that it learns nothing from "
            f"{n_configs}: raise it to {30 * sweep.repeats} or more",
        )
    if len(sweep.prior) > n_configs:
        yield (
            "$.prior",
            f"lists {len(sweep.prior)} configurations, but run_cap is {sweep.run_cap}: raise it",
        )


def _size(sweep: Sweep) -> Advice:
    size, cap = sweep.space.size, sweep.run_cap
    if size is None or sweep.method == "grid":
        return
    if size == 1:
        if sweep.repeats == 1:
            yield "$.parameters", "nothing varies, so that every run is the same: give values, or min and max"
    elif cap is not None and cap > size * sweep.repeats:
        yield (
            "$.run_cap",
            f"there are {size} configurations, so that some are run again: lower it to "
            f"{size * sweep.repeats}, or take grid",
        )


def _constraints(sweep: Sweep) -> Advice:
    for name in dict.fromkeys(c.metric for c in sweep.constraints):
        own = [c for c in sweep.constraints if c.metric == name]
        low = max((c for c in own if c.op in (">", ">=")), key=lambda c: (c.bound, c.op == ">"), default=None)
        high = min(
            (c for c in own if c.op in ("<", "<=")), key=lambda c: (c.bound, c.op != "<"), default=None
        )
        if low is None or high is None:
            continue
        is_strict = low.op == ">" or high.op == "<"
        if low.bound > high.bound or (is_strict and low.bound == high.bound):
            yield (
                f"$.constraints.{name}",
                f"no value is both {_bound(low)} and {_bound(high)}: no run can win",
            )


def _bound(constraint: Constraint) -> str:
    return f"{constraint.op} {constraint.bound:g}"


def _n_startup(sweep: Sweep) -> int:
    setting, default = STARTUP.get(sweep.method, ("", 0))
    given = sweep.options.get(setting, default)
    return given if isinstance(given, int) else default


def _repeats(sweep: Sweep) -> Advice:
    cap, repeats = sweep.run_cap, sweep.repeats
    if cap is not None and cap % repeats:
        whole = cap // repeats * repeats
        fix = f"{whole} or {whole + repeats}" if whole else str(repeats)
        yield (
            "$.run_cap",
            f"the last configuration gets {cap % repeats} of its {repeats} runs, and cannot win: take {fix}",
        )


def _scales(sweep: Sweep) -> Advice:
    for name, dimension in sweep.space.dimensions.items():
        linear = _linear(dimension)
        if linear is None:
            continue
        low, high = linear
        is_rate = bool(_RATE.search(name.rsplit(".", 1)[-1].lower()))
        fix = "log_uniform_values" if isinstance(dimension, Float) else "q_log_uniform_values"
        if low <= 0 < high and is_rate:
            yield (
                place(sweep, name),
                f"a rate matters by its order of magnitude, and {low:g} has none: give a min such as "
                f"{high / 1000:g} and distribution: {fix}",
            )
        elif low > 0 and (high / low > 10**LINEAR_DECADES or (is_rate and high / low > 2)):
            yield (
                place(sweep, name),
                f"nine tenths of the draws fall between {low + (high - low) / 10:.4g} and {high:g}, since "
                f"the scale is linear: add distribution: {fix}",
            )


def _linear(dimension: Dimension) -> tuple[float, float] | None:
    match dimension:
        case Rounded(inner, _):
            return _linear(inner)
        case Float(low, high, False) | Int(low, high, False):
            return low, high
        case _:
            return None


def _ranges(sweep: Sweep) -> Advice:
    for name, dimension in sweep.space.dimensions.items():
        inner = dimension.dimension if isinstance(dimension, Rounded) else dimension
        path = place(sweep, name)
        if isinstance(inner, Float | Normal):
            yield from ((path, sentence) for sentence in _log_range(inner))
        if isinstance(dimension, Rounded) and dimension.from_unit(0.0) == dimension.from_unit(1.0):
            only = dimension.from_unit(0.0)
            yield path, f"rounding to multiples of {dimension.q:g} always gives {only:g}: make q smaller"
        elif isinstance(dimension, Rounded) and isinstance(inner, Float):
            yield from ((path, sentence) for sentence in _passed_bounds(dimension, inner))
        if isinstance(dimension, Int) and (dimension.low, dimension.high) == (0, 1):
            yield (
                path,
                "only 0 and 1 are drawn, as both bounds are whole numbers: write min: 0.0 and max: 1.0 for "
                "all numbers between, or values: [0, 1]",
            )
        if isinstance(dimension, Weighted) and 0 in dimension.weights:
            never = [repr(o) for o, w in zip(dimension.options, dimension.weights, strict=True) if w == 0]
            yield path, f"never draws {', '.join(never)}, whose probability is 0: leave it out"
        if isinstance(dimension, Choice):
            yield from ((path, sentence) for sentence in _listed(dimension, sweep.method))


def _log_range(dimension: Float | Normal) -> Iterator[str]:
    if not dimension.log:
        return
    low, high = dimension.from_unit(0.0), dimension.from_unit(1.0)
    decades = math.log10(high) - math.log10(low)
    if decades > HUGE_DECADES:
        yield (f"spans {decades:.0f} powers of ten, most of which will be wasted: two to four are usual")
    if isinstance(dimension, Float) and 1 < low < high <= math.e:
        yield (
            f"draws from {low:.4g} to {high:.4g}, as log_uniform takes exponents of e: write "
            f"distribution: log_uniform_values for {math.log(low):.4g} to {math.log(high):.4g}"
        )


def _passed_bounds(dimension: Rounded, inner: Float) -> Iterator[str]:
    first, last = dimension.from_unit(0.0), dimension.from_unit(1.0)
    if first < inner.low or last > inner.high:
        yield (
            f"rounding to multiples of {dimension.q:g} gives {first:g} to {last:g}, beyond "
            f"{inner.low:g} to {inner.high:g}: let min and max be multiples of q"
        )


def _listed(dimension: Choice, method: str) -> Iterator[str]:
    options = dimension.options
    if len(options) == 1:
        yield "lists one value: write value: for a constant, which says so"
    if method in WITHOUT_ORDER:
        return
    numbers = [option for option in options if type(option) is int]
    if len(numbers) == len(options) > 3 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        yield (
            f"lists whole numbers in a row, whose order the search then does not know: write "
            f"min: {numbers[0]} and max: {numbers[-1]}"
        )


def _stopping(sweep: Sweep) -> Advice:
    stop = sweep.stop
    if stop is None:
        return
    path = "$.early_terminate"
    if stop.type == "hyperband" and stop.min_iter is not None and stop.s is not None:
        yield f"{path}.s", "has no effect beside min_iter: remove it, or give max_iter instead of min_iter"
    n_folds = sweep.space.dimensions.get("n_folds")
    if isinstance(n_folds, Constant) and isinstance(n_folds.value, int):
        yield from _beyond_folds(stop, n_folds.value)
    min_runs = stop.options.get("min_runs", 0)
    if sweep.run_cap is not None and isinstance(min_runs, int) and min_runs >= sweep.run_cap:
        yield (
            f"{path}.min_runs",
            f"{min_runs} runs are needed before one is ended, but run_cap is {sweep.run_cap}: lower it",
        )


def _beyond_folds(stop: EarlyTerminate, n_folds: int) -> Advice:
    if stop.min_iter is not None and stop.min_iter >= n_folds:
        yield (
            "$.early_terminate.min_iter",
            f"runs are first compared after fold {stop.min_iter}, but there are {n_folds} folds, so that "
            f"none is ended early: lower it to {max(1, n_folds // 3)}",
        )
    elif stop.min_iter is not None and stop.type in ("hyperband", "asha"):
        band = float(stop.min_iter)
        while band < n_folds:
            band *= stop.eta
        if int(band) == n_folds:
            yield (
                "$.early_terminate.min_iter",
                f"runs are compared again after fold {n_folds}, their last, when nothing is left to save: "
                f"take {n_folds - 1} or {n_folds + 1} folds",
            )
    if stop.max_iter is not None and stop.max_iter > n_folds:
        yield (
            "$.early_terminate.max_iter",
            f"is {stop.max_iter}, but a run ends after {n_folds} folds: write {n_folds}",
        )


def _without_effect(sweep: Sweep) -> Advice:
    for name in sweep.ignored:
        yield f"$.{name}", "has no effect here: it is part of W&B's own service"
    for i, metric in enumerate(sweep.metrics if len(sweep.metrics) > 1 else ()):
        if metric.impute or metric.impute_while_running:
            key = "impute" if metric.impute else "impute_while_running"
            yield f"$.metrics[{i}].{key}", "has no effect among several metrics: remove it"
    for i, word in enumerate(sweep.command):
        inside = [f"${{{name}}}" for name in MACROS if f"${{{name}}}" in word and word != f"${{{name}}}"]
        if inside:
            yield (
                f"$.command[{i}]",
                f"{inside[0]} is only filled in when it is a word by itself: split {word!r}",
            )


def _notes(sweep: Sweep) -> Advice:
    yield from sweep.notes


def _without_metric(sweep: Sweep) -> Advice:
    if not sweep.metric.name:
        yield "$", "has no metric: the runs are made and kept, and there is no best run and no verdict"


CHECKS: tuple[Callable[[Sweep], Advice], ...] = (
    _notes,
    _without_metric,
    _goals,
    _method,
    _later_targets,
    _cost,
    _run_cap,
    _size,
    _constraints,
    _repeats,
    _scales,
    _ranges,
    _stopping,
    _without_effect,
)
