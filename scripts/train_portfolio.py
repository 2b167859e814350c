"""Train a portfolio agent, fold by fold, and report to the sweep, if there is one.

Alone, ``python scripts/train_portfolio.py --agent ppo`` prints each fold and a closing line. In a sweep the
same command reports the running means that the sweep judges; the step is the fold.
"""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.errors import UsageError
from sharpen.objectives.program import bars_facts, flag, in_order_of, library_versions
from sharpen.objectives.rl.portfolio_settings import PORTFOLIO_SETTINGS, entropy_coefficient, refuse_unknown
from sharpen.objectives.rl.settings import AGENTS, SYNONYMS, AgentSettings
from sharpen.walk_forward import add_options, check, keep_returns, load_bars, plan_of, report

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.folds import Fold
    from sharpen.objectives.fold_score import FoldScore
    from sharpen.objectives.program import LoadedBars
    from sharpen.objectives.rl.checkpoints import FoldCheckpoint
    from sharpen.objectives.rl.market_data import MarketData
    from sharpen.objectives.rl.portfolio import PortfolioSettings, TrainingResult
    from sharpen.tracking import Run

PLAN = ("n_folds", "train_ratio", "gap_bars", "window")
SEEN = ("data", "market_file", "lockbox_share")
CHECKPOINT = "checkpoint.safetensors"
TOLD_EVERY_S = 5.0


def parse(argv: list[str] | None) -> dict[str, Any]:
    """Return the options; of the agent and its market only those that are given."""
    options = vars(parser().parse_args(argv))
    if options["go_on"] and not options["out"]:
        parser().error("--go_on needs --out, the folder with the checkpoint")
    return options


def parser() -> argparse.ArgumentParser:
    """Return what reads the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    add, own = parser.add_argument, argparse.SUPPRESS
    for setting in fields(AgentSettings):
        kind = flag if setting.metadata["kind"] is bool else setting.metadata["kind"]
        choices, words = AGENTS if setting.name == "agent" else None, setting.metadata["help"]
        add(f"--{setting.name}", type=kind, help=words, choices=choices, default=own)
        for other in [other for other, name in SYNONYMS.items() if name == setting.name]:
            its = entropy_coefficient if other == "ent_coef" else kind
            add(f"--{other}", type=its, help=f"another name of --{setting.name}", default=own)
    for name, (kind, words) in PORTFOLIO_SETTINGS.items():
        add(f"--{name}", type=flag if kind is bool else kind, help=words, default=own)
    add_options(parser, data="us20")
    add("--market_file", default="", help="CSV or Parquet file with a date and columns such as the VIX")
    add("--folds_at_once", type=flag, default=False, help="whether all folds train side by side")
    add("--device", default="cpu", help="cpu, or cuda")
    add("--checkpoint_s", type=float, default=30.0, help="seconds between two checkpoints, which --out keeps")
    add("--go_on", type=flag, default=False, help="whether to go on from the checkpoint in --out")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = parse(argv)
    try:
        from sharpen import tracking

        runs = tracking.init_all(config=options)
        with ExitStack() as until_all_are_done:
            for run in runs:
                until_all_are_done.enter_context(run)
            train(runs)
    except UsageError as error:
        print(f"train_portfolio: {error}", file=sys.stderr)
        return 2
    return 0


@dataclass
class Candidate:
    """A run with its configuration, and what it has earned so far.

    Attributes:
        run: The run.
        settings: Its configuration.
        bars: The data set.
        cut: Where the lockbox begins.
        scores: Of the folds so far.
        folds: Members in training, by fold; at the end of a run that another may go on from, of every fold.
        is_over: Whether it is not to go on: its training has broken down, or the sweep ends it.
        is_finished: Whether its returns are kept and it is closed.
        problem: Why its training broke down, should it have.
    """

    run: Run
    settings: PortfolioSettings
    bars: LoadedBars
    cut: int
    scores: list[FoldScore] = field(default_factory=list)
    folds: dict[int, FoldCheckpoint] = field(default_factory=dict)
    is_over: bool = False
    is_finished: bool = False
    problem: str | None = None

    @property
    def needs(self) -> tuple[Any, ...]:
        """What runs must share to be trained side by side: bars, what is known of them, and folds."""
        config, settings = self.run.config, self.settings
        known = (settings.technicals, settings.columns, settings.scaling, self.run.permutation_seed)
        names = (*SEEN, *PLAN, "folds_at_once", "device", "checkpoint_s")
        return (*known, *(str(config[name]) for name in names))

    @property
    def is_alone(self) -> bool:
        """Whether nobody keeps what is logged, so that people are told in words."""
        from sharpen.tracking.terminal_sink import TerminalSink

        return isinstance(self.run.sink, TerminalSink)

    @property
    def infeasible(self) -> str | None:
        """Why it must not be chosen as it stands; None when it may be."""
        from sharpen.objectives.progress import progress

        if self.problem is not None or not self.scores:
            return self.problem
        return progress(self.scores, self.run.config["min_trades"]).infeasible

    @property
    def is_parent(self) -> bool:
        """Whether another run may go on from this one, as where runs differ in budget."""
        return self.run.fidelity is not None

    @property
    def begun(self) -> dict[str, Any]:
        """What makes its training what it is: a checkpoint of other words is of another training."""
        config = self.run.config
        names = (*SEEN, *PLAN)
        drawn = {"seed": self.run.seed, "permutation_seed": self.run.permutation_seed}
        return {**self.settings.flat, **{name: config[name] for name in names}, **drawn}

    def restore(self) -> None:
        """Take up what its checkpoint holds, and report the folds that its sweep does not know of."""
        from sharpen.objectives.rl import checkpoints

        found, step = self.run.checkpoint, -1
        path = self.own_file if found is None else found.path
        if path is None or not path.is_file():
            if path is not None:
                print(f"train_portfolio: there is no {path} to go on from: begins anew", file=sys.stderr)
            return
        step = -1 if found is None else found.step
        kept = checkpoints.go_on(checkpoints.load(path), self.begun)
        self.folds = dict(kept.folds)
        for score in kept.scores:
            self.scores.append(score)
            if score.number > step and not self.is_over:
                report_scores(self, {})

    @property
    def own_file(self) -> Path | None:
        """Where a run of no sweep keeps its checkpoint; None when it is not to go on."""
        config = self.run.config
        return Path(config["out"]) / CHECKPOINT if config["out"] and config["go_on"] else None

    def save(self, step: int | None = None) -> None:
        """Keep all that it needs to go on, should it be interrupted."""
        from sharpen.objectives.rl import checkpoints

        if self.is_over:
            return
        state = checkpoints.RunCheckpoint(self.begun, tuple(self.scores), self.folds)
        if self.run.in_sweep:
            checkpoints.save(state, self.run.dir / CHECKPOINT)
            last = self.scores[-1].number if self.scores else 0
            self.run.save_checkpoint(self.run.dir / CHECKPOINT, last if step is None else step)
        elif folder := self.run.config["out"]:
            Path(folder).mkdir(parents=True, exist_ok=True)
            checkpoints.save(state, Path(folder) / CHECKPOINT)


def train(runs: Sequence[Run]) -> None:
    """Train and report configurations: on the folds, or, when asked to, on the lockbox."""
    import torch

    from sharpen.objectives.rl.portfolio import PortfolioSettings

    torch.set_num_threads(1)  # runs share the cores
    alike: dict[tuple[Any, ...], list[Candidate]] = {}
    for run in runs:
        refuse_unknown(run.config, [action.dest for action in parser()._actions])
        settings = PortfolioSettings.of(run.config)
        check(run)
        candidate = Candidate(run, settings, *load_bars(run.config))
        seen = bars_facts(candidate.bars, candidate.cut)
        if candidate.is_alone:
            print(bars_line(candidate), flush=True)
        else:
            versions = library_versions("numpy", "torch", "TA-Lib", "skfolio")
            run.summary.update(replace(seen, versions=versions).to_summary())
        if run.stage == "lockbox":
            report_lockbox(candidate)
        else:
            alike.setdefault(candidate.needs, []).append(candidate)
    for candidates in alike.values():
        search(candidates)


def search(candidates: Sequence[Candidate]) -> None:
    """Score configurations on every fold, side by side, and report each fold as it is known."""
    from sharpen.folds import split
    from sharpen.objectives.progress import closing_line

    first = candidates[0]
    config, panel = first.run.config, first.bars.panel.slice(0, first.cut)
    data = known_at_each_close(first, in_order_of(first.run.permutation_seed, panel))
    folds = split(len(data), plan_of(config), first_bar=data.warmup_bars)
    at_once = len(folds) if config["folds_at_once"] else 1
    try:
        for one in candidates:
            one.restore()
        for start in range(0, len(folds), at_once):
            judge(candidates, folds[start:][:at_once], data)
        for one in candidates:
            if one.is_parent:
                one.save(step=0)  # a run that goes on from this one reports every fold anew
    finally:  # the sweep may stop a run; the verdict needs the returns of stopped ones, too
        for one in candidates:
            finish(one)
    for one in candidates:
        if one.scores:
            print(closing_line(one.scores, one.infeasible))


def judge(candidates: Sequence[Candidate], folds: Sequence[Fold], data: MarketData) -> None:
    """Train the configurations on folds that they have no score of, and report each."""
    from sharpen.objectives.rl.portfolio import Job
    from sharpen.objectives.rl.portfolio import train as train_jobs

    pairs = [
        (one, fold)
        for one in candidates
        if not one.is_over
        for fold in folds
        if fold.number not in [score.number for score in one.scores]
    ]
    jobs = [
        Job(one.settings, fold, one.run.seed, one.folds.get(fold.number), one.is_parent)
        for one, fold in pairs
    ]
    every_s = candidates[0].run.config["checkpoint_s"]
    due = [time.monotonic() + every_s]

    def keep(at_work: Callable[[], Mapping[int, FoldCheckpoint]]) -> None:
        if time.monotonic() >= due[0]:
            keep_all(pairs, at_work())
            due[0] = time.monotonic() + every_s

    for (one, fold), result in zip(
        pairs, train_jobs(data, jobs, candidates[0].run.config["device"], keep), strict=True
    ):
        one.folds.pop(fold.number, None)
        if result.checkpoint is not None:
            one.folds[fold.number] = result.checkpoint
        report_fold(one, fold, result)


def keep_all(pairs: Sequence[tuple[Candidate, Fold]], at_work: Mapping[int, FoldCheckpoint]) -> None:
    """Keep the checkpoints of the runs at work."""
    for place, checkpoint in at_work.items():
        one, fold = pairs[place]
        one.folds[fold.number] = checkpoint
    for one in {id(pairs[place][0]): pairs[place][0] for place in at_work}.values():
        one.save()


def report_fold(candidate: Candidate, fold: Fold, result: TrainingResult) -> None:
    """Report a fold, unless the run is over."""
    if candidate.is_over:
        return
    run = candidate.run
    figures = {f"train/{name}": value for name, value in result.figures.items()}
    if result.score is None:
        candidate.is_over, candidate.problem = True, f"fold {fold.number}: {result.problem}"
        print(f"fold {fold.number}: infeasible: {result.problem}")
        if not candidate.is_alone:
            run.summary["infeasible"] = candidate.problem
            finite = {name: value for name, value in figures.items() if math.isfinite(value)}
            run.log({**finite, "val/sharpe": math.nan}, step=fold.number)
        return
    candidate.scores.append(result.score)
    report_scores(candidate, figures)


def report_scores(candidate: Candidate, figures: Mapping[str, float]) -> None:
    """Report the means over the folds so far; of a run that is alone, the last fold in words."""
    if candidate.is_alone:
        print(fold_line(candidate.scores[-1], figures.get("train/steps_per_second")), flush=True)
        return
    report(candidate.run, candidate.scores, figures)
    candidate.is_over = bool(candidate.run.stopped)
    if candidate.is_over:
        finish(candidate)


def bars_line(candidate: Candidate) -> str:
    """Return what bars an agent trades, in a line."""
    panel, cut = candidate.bars.panel, candidate.cut
    first, last = (str(panel.time[k].astype("datetime64[D]")) for k in (0, cut - 1))
    return f"{candidate.bars.name}: {len(panel.symbols)} stocks, {cut:,} bars from {first} to {last}"


def fold_line(score: FoldScore, steps_per_second: float | None) -> str:
    """Return what a fold came to, in a line."""
    ours = "no trade" if math.isnan(score.val_sharpe) else f"validation Sharpe {score.val_sharpe:.2f}"
    pace = "" if steps_per_second is None else f", {steps_per_second:,.0f} steps/s"
    beside = f"buy-and-hold {score.baseline_sharpe:.2f}, {score.val_n_trades} trades"
    return f"fold {score.number}: {ours}, {beside}{pace}"


def finish(candidate: Candidate) -> None:
    """Keep a run's returns, and close it: others may go on."""
    if not candidate.is_finished:
        candidate.is_finished = True
        keep_returns(candidate.run, candidate.scores)
        candidate.run.finish()


def known_at_each_close(candidate: Candidate, panel: Panel) -> MarketData:
    """Return the bars with technicals and market columns."""
    from sharpen.objectives.rl.market_columns import read_columns
    from sharpen.objectives.rl.market_data import market_data

    settings, file = candidate.settings, candidate.run.config["market_file"]
    more = read_columns(Path(file), panel.time, panel.bars_per_year) if file else {}
    return market_data(panel, settings.technicals, settings.columns, settings.scaling, more)


def report_lockbox(candidate: Candidate) -> None:
    """Train on the development bars and report what the agent earned on the lockbox, and nothing else."""
    from sharpen.folds import Fold
    from sharpen.objectives.progress import lockbox_figures
    from sharpen.objectives.rl.portfolio import Job
    from sharpen.objectives.rl.portfolio import train as train_jobs

    run, settings = candidate.run, candidate.settings
    data = known_at_each_close(candidate, candidate.bars.panel)
    fold = Fold(0, data.warmup_bars, candidate.cut, candidate.cut, len(data))
    keep = telling(settings.break_step)
    result = train_jobs(data, [Job(settings, fold, run.seed)], run.config["device"], keep)[0]
    if result.score is None:
        raise UsageError(f"the lockbox could not be judged: {result.problem}")
    keep_returns(run, [result.score])
    run.log(lockbox_figures(result.score), step=0)


def telling(break_step: int) -> Callable[[Callable[[], Mapping[int, FoldCheckpoint]]], None]:
    """Return what prints every few seconds how far the one training is."""
    told_at = [time.monotonic()]

    def tell(at_work: Callable[[], Mapping[int, FoldCheckpoint]]) -> None:
        if time.monotonic() - told_at[0] >= TOLD_EVERY_S:
            told_at[0] = time.monotonic()
            for one in at_work().values():
                print(f"trained {min(one.n_steps, break_step):,} of {break_step:,} steps", flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
