# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a configuration of an agent earns on walk-forward folds.

An agent trains on the first part of a fold's training bars. Its checkpoint is chosen on the rest of them, the
tail, and the validation bars are looked at once, with that checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sharpen.errors import UsageError
from sharpen.folds import Fold
from sharpen.objectives.fold_jobs import FoldJob, Keep, TrainingResult
from sharpen.objectives.rl import technicals
from sharpen.objectives.rl.agent import Agent
from sharpen.objectives.rl.checkpoints import BestWeights, FoldCheckpoint
from sharpen.objectives.rl.evaluation import Track, fold_score, follow, sharpe
from sharpen.objectives.rl.market import MarketSettings, PortfolioMarket
from sharpen.objectives.rl.market_data import MARKET_COLUMNS, MarketData
from sharpen.objectives.rl.memory import refuse_too_large
from sharpen.objectives.rl.population import Member, Population
from sharpen.objectives.rl.settings import AgentSettings
from sharpen.seeds import seed_for

MIN_WINDOW_BARS = 20
_NO_TRADE = -1e9  # worse than any trade
_Windows = tuple[MarketSettings, MarketSettings, MarketSettings]
DEFAULT_MARKET: dict[str, Any] = {
    "max_trade": 0.1,
    "trade_unit": "value",
    "reward_per_unit": 1e-5,
    "episode_bars": 252,
    "random_start": True,
    "random_reset": True,
}
"""Where the market of a search differs from the defaults of :class:`MarketSettings`."""


@dataclass(frozen=True, slots=True)
class PortfolioSettings:
    """One configuration: the agent, its market, and how long it trains.

    Attributes:
        agent: The agent.
        market: The rules; the window is set by the fold.
        break_step: Environment steps of training on each fold; the last update is shortened to end there.
        n_checks: How often in that time the tail is looked at for the checkpoint.
        tail_share: The tail's share of a fold's training bars.
        scaling: How the state is shown; see :mod:`sharpen.objectives.rl.market_data`.
        technicals: Names of the technicals.
        columns: Columns of the whole market.

    Raises:
        UsageError: A number is out of range.
    """

    agent: AgentSettings
    market: MarketSettings
    break_step: int = 200_000
    n_checks: int = 5
    tail_share: float = 0.2
    scaling: str = "relative"
    technicals: tuple[str, ...] = technicals.DEFAULT
    columns: tuple[str, ...] = MARKET_COLUMNS

    def __post_init__(self) -> None:
        numbers = [(f.name, getattr(self.market, f.name)) for f in fields(MarketSettings)]
        odd = [name for name, value in numbers if _is_odd(name, value)]
        problems = [f"{', '.join(odd)}: give a finite number"] if odd else []
        for name, (holds, wanted) in _RANGES.items():
            value = getattr(self, name) if hasattr(self, name) else getattr(self.market, name)
            if name not in odd and not holds(value):
                problems.append(f"{name} is {value}, give {wanted}")
        if problems:
            raise UsageError("; ".join(problems), problems=problems)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> PortfolioSettings:
        """Return the settings that a flat configuration names; other keys are ignored.

        >>> PortfolioSettings.of({"agent": "sac", "cost_bps": 3, "break_step": 1e4}).break_step
        10000
        """
        kinds = {f.name: type(f.default) for f in fields(MarketSettings)}
        given = {k: _rule(k, kinds[k], v) for k, v in config.items() if k in kinds and v is not None}
        own: dict[str, Any] = {
            name: _rule(name, kind, config[name])
            for name, kind in _KINDS.items()
            if config.get(name) is not None
        }
        rules: dict[str, Any] = {**DEFAULT_MARKET, **given}
        return cls(AgentSettings.of(config), MarketSettings(**rules), **own)

    @property
    def flat(self) -> dict[str, Any]:
        """Every setting by its dotted name, as JSON can hold it."""
        by_name: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                by_name |= {f"{name}.{inner}": _plain(one) for inner, one in value.items()}
            else:
                by_name[name] = _plain(value)
        return by_name


def _is_odd(name: str, value: Any) -> bool:
    """Return whether a rule is no finite number where it must be one: a limit of inf is none."""
    if not isinstance(value, float):
        return False
    return math.isnan(value) if name == "turbulence_limit" else not math.isfinite(value)


def _rule(name: str, kind: Callable[[Any], Any], value: Any) -> Any:
    """Return a value as a rule's own type; a whole number may be written as 1e4, and no other is cut."""
    if kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {value!r}, must be true or false")
        return value
    with suppress(TypeError, ValueError, OverflowError):
        number = kind(value)
        if kind is not int or number == float(value):
            return number
    raise UsageError(f"{name} is {value!r}, must be a {'whole ' if kind is int else ''}number")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _names(text: Any) -> tuple[str, ...]:
    return (
        tuple(part.strip() for part in text.split(",") if part.strip())
        if isinstance(text, str)
        else tuple(text)
    )


_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "break_step": (lambda x: x >= 1, "1 or more"),
    "n_checks": (lambda x: x >= 1, "1 or more"),
    "tail_share": (lambda x: 0 < x < 1, "one between 0 and 1"),
    "initial_cash": (lambda x: x > 0, "more than 0"),
    "max_trade": (lambda x: x > 0, "more than 0"),
    "dead_zone": (lambda x: 0 <= x < 1, "0 or more, below 1: actions end at 1"),
    "cost_bps": (lambda x: 0 <= x < 10_000, "0 or more, below 10000: that is all"),
    "slippage_bps": (lambda x: 0 <= x < 10_000, "0 or more, below 10000: that is all"),
    "reward_per_unit": (lambda x: x > 0, "more than 0"),
    "bonus_gamma": (lambda x: 0 <= x < 1, "0 or more, below 1"),
    "episode_bars": (lambda x: x >= 0, "0 or more: 0 for all up to the window's end"),
    "turbulence_limit": (lambda x: x > 0, "more than 0: turbulence is never below"),
    "delisting_return": (lambda x: -1 <= x <= 10, "-1 to 10: -0.3 is 30 % less"),
}
_KINDS: dict[str, Any] = {
    "break_step": int,
    "n_checks": int,
    "tail_share": float,
    "scaling": str,
    "technicals": _names,
    "columns": _names,
}


PortfolioJob = FoldJob[PortfolioSettings, FoldCheckpoint]


def train(
    data: MarketData,
    jobs: Sequence[PortfolioJob],
    device: str = "cpu",
    keep: Keep[FoldCheckpoint] = lambda checkpoints: None,
) -> list[TrainingResult[FoldCheckpoint]]:
    """Train an agent for each job, side by side, and return what each earned on its fold's validation bars.

    Jobs may differ in everything. Those that differ in ``break_step``, ``n_checks``, ``scaling`` or in what
    has been done of them train one after another, and so do more than the memory holds at once: the results
    are the same.

    Args:
        data: The bars, with what is known at each close.
        jobs: Configurations, folds and seeds.
        device: Where the tensors live.
        keep: See :data:`sharpen.objectives.fold_jobs.Keep`.

    Raises:
        UsageError: A window is too short, or not even one job would fit into memory.
    """
    results: list[TrainingResult[FoldCheckpoint] | None] = [None] * len(jobs)
    by_pace: dict[tuple[Any, ...], list[int]] = {}
    for k, job in enumerate(jobs):
        by_pace.setdefault(_pace(job), []).append(k)
    for job_indices in by_pace.values():
        for part in _that_fit(data, [jobs[k] for k in job_indices], device):
            indices = [job_indices.pop(0) for _ in part]
            training = _Training.begin(data, part, device)
            training.run(lambda indices=indices, of=training: keep(lambda: of.checkpoints(indices)))
            for k, result in zip(indices, training.results(), strict=True):
                results[k] = result
    return [result for result in results if result is not None]


def _pace(job: PortfolioJob) -> tuple[Any, ...]:
    """Return what jobs that train side by side have in common."""
    settings, begun = job.settings, job.begun
    done = None if begun is None else (begun.first_step, begun.n_checks, begun.n_steps)
    return (settings.break_step, settings.n_checks, settings.scaling, done)


def _that_fit(data: MarketData, jobs: Sequence[PortfolioJob], device: str) -> list[Sequence[PortfolioJob]]:
    """Return the jobs in parts that fit into memory, in order."""
    n_seen = 1 + len(data.symbols) + data.table.shape[1]
    try:
        refuse_too_large([job.settings.agent for job in jobs], n_seen, len(data.symbols), device)
    except UsageError:
        if len(jobs) == 1:
            raise
        half = len(jobs) // 2
        return [*_that_fit(data, jobs[:half], device), *_that_fit(data, jobs[half:], device)]
    return [jobs]


def _windows(settings: PortfolioSettings, fold: Fold) -> _Windows:
    """Return the market of the bars to train on, of the tail, and of validation."""
    n_tail = round((fold.train_stop - fold.train_start) * settings.tail_share)
    cut = fold.train_stop - n_tail
    spans = ((fold.train_start, cut), (cut, fold.train_stop), (fold.val_start, fold.val_stop))
    for name, (start, stop) in zip(("training", "tail", "validation"), spans, strict=True):
        if stop - start < MIN_WINDOW_BARS:
            raise UsageError(
                f"fold {fold.number}: its {name} window has {stop - start} bars, and {MIN_WINDOW_BARS} are"
                " needed: use more bars or fewer folds",
                n_bars=stop - start,
            )
    first, second, third = (replace(settings.market, first_bar=a, stop_bar=b) for a, b in spans)
    return first, second, third


@dataclass
class _Training:
    """A training of all jobs, which have gone equally far."""

    data: MarketData
    jobs: Sequence[PortfolioJob]
    windows: Sequence[_Windows]
    population: Population
    best: list[BestWeights]
    n_checks: int
    first_step: int
    n_done: int = 0  # steps before this process
    seconds: float = 0.0

    @classmethod
    def begin(cls, data: MarketData, jobs: Sequence[PortfolioJob], device: str) -> _Training:
        windows = [_windows(job.settings, job.fold) for job in jobs]
        members = [
            Member(job.settings.agent, seed_for(job.seed, "fold", job.fold.number), fitted)
            for job, (fitted, _, _) in zip(jobs, windows, strict=True)
        ]
        settings, begun = jobs[0].settings, jobs[0].begun
        population = Population(
            members,
            lambda m: PortfolioMarket(
                data, [x.market for x in m], m[0].agent.n_envs, settings.scaling, device
            ),
            device,
        )
        if begun is None:
            return cls(data, jobs, windows, population, [BestWeights() for _ in jobs], 0, 0)
        for number, job in enumerate(jobs):
            if job.begun is not None:
                population.load(number, job.begun.member)
        best = [BestWeights() if job.begun is None else job.begun.best for job in jobs]
        return cls(data, jobs, windows, population, best, begun.n_checks, begun.first_step, begun.n_steps)

    def run(self, after_update: Callable[[], None]) -> None:
        """Train to the end, with looks at the tail on the way."""
        settings, began = self.jobs[0].settings, time.perf_counter()
        n_steps = settings.break_step - self.first_step
        for check in range(self.n_checks + 1, settings.n_checks + 1):
            stop = self.first_step + math.ceil(n_steps * check / settings.n_checks)
            self.population.train(stop, after_update=after_update, limit=settings.break_step)
            self._keep_best()
            self.n_checks = check
            after_update()
        self.seconds = time.perf_counter() - began

    def checkpoints(self, indices: Sequence[int]) -> dict[int, FoldCheckpoint]:
        """Return the members that are sound, by the places of their jobs."""
        return {
            index: self._checkpoint(number)
            for number, index in enumerate(indices)
            if self.population.problem(number) is None
        }

    def _checkpoint(self, number: int) -> FoldCheckpoint:
        member = self.population.save(number)
        return FoldCheckpoint(member, self.best[number], self.n_checks, self.first_step)

    def results(self) -> list[TrainingResult[FoldCheckpoint]]:
        """Return what each job came to."""
        return [self._result(number) for number in range(len(self.jobs))]

    def _keep_best(self) -> None:
        """Judge every member on its tail, and keep its weights where they are its best."""
        for stack in self.population.stacks:
            tracks = self._follow(stack.agent, [self.windows[number][1] for number in stack.numbers])
            for number, track in zip(stack.numbers, tracks, strict=True):
                tail_sharpe = sharpe(track, self.data.bars_per_year)
                tail_sharpe = tail_sharpe if math.isfinite(tail_sharpe) else _NO_TRADE
                if self.population.problem(number) is None and tail_sharpe > self.best[number].sharpe:
                    weights = self.population.weights(number)
                    self.best[number] = BestWeights(tail_sharpe, self.population.n_steps(number), weights)

    def _result(self, number: int) -> TrainingResult[FoldCheckpoint]:
        """Return what a member's best checkpoint earned on validation."""
        population, best = self.population, self.best[number]
        problem = population.problem(number)
        n_steps = (population.n_steps(number) - self.n_done) * len(population.members)
        figures = population.figures(number) | {
            "tail_sharpe": best.sharpe if best.sharpe > _NO_TRADE else math.nan,
            "best_step": float(best.step),
            "steps_per_second": n_steps / max(self.seconds, 1e-9),
        }
        if problem is not None or best.weights is None:
            return TrainingResult(None, problem or "no checkpoint could be judged on the tail", figures)
        alone = population.alone(number, best.weights)
        fitted, _, judged = self.windows[number]
        ways = [self._follow(alone, [market])[0] for market in (fitted, judged)]
        train_sharpe = sharpe(ways[0], self.data.bars_per_year)
        fold = self.jobs[number].fold.number
        score = fold_score(fold, self.data, judged, ways[1], train_sharpe)
        kept = self._checkpoint(number) if self.jobs[number].is_parent else None
        return TrainingResult(score, None, figures, kept)

    def _follow(self, agent: Agent, markets: Sequence[MarketSettings]) -> list[Track]:
        return follow(agent, self.data, markets, self.jobs[0].settings.scaling)
