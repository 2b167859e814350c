"""A program whose runs train side by side, as with ``--population``; :mod:`sharpen.walk_forward` has one run.

Functions of one's own are a program in a few lines::

    from sharpen.population_program import PopulationRule, run_population_program

    def fit(panel, configs, rngs):
        return train_all(panel, [config["lr"] for config in configs], rngs)

    def decide(panel, config, model):
        return model.positions(panel)

    if __name__ == "__main__":
        raise SystemExit(run_population_program(PopulationRule(decide, fit, options={"lr": 1e-3})))

It can be run alone, by ``sharpen run --population N``, by ``sharpen validate`` on the lockbox and by
``sharpen permute``. What is slow to import waits until the options are read: ``--help`` answers at once.
"""
# ruff: noqa: PLC0415 - as just said

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sharpen.errors import SharpenError, UsageError
from sharpen.facts import INFEASIBLE, SHARPE, train_name
from sharpen.objectives.population_rule import PopulationRule
from sharpen.objectives.program import bars_facts, development_of, flag, in_order_of, refuse_unknown
from sharpen.walk_forward import PLAN, add_options, check, keep_returns, load_bars, plan_of, report

if TYPE_CHECKING:
    from sharpen.folds import Fold
    from sharpen.objectives.fold_jobs import TrainingResult
    from sharpen.objectives.fold_score import FoldScore
    from sharpen.objectives.port import CheckpointFiles, PopulationObjective
    from sharpen.objectives.program import LoadedBars
    from sharpen.tracking import Run

__all__ = ["PopulationRule", "run_each", "run_population_program"]

S = TypeVar("S")
E = TypeVar("E")
C = TypeVar("C")
CHECKPOINT = "checkpoint.safetensors"


def run_population_program(
    objective: PopulationObjective[S, E, C], argv: Sequence[str] | None = None, doc: str | None = None
) -> int:
    """Score configurations side by side: fold by fold, or, when the sweep asks for it, on the lockbox.

    Alone, it scores one, and prints each fold and a closing line. In a sweep each run reports the running
    means that the sweep judges (the step is the fold), and keeps the returns for the verdict.

    Args:
        objective: What is scored.
        argv: The options; those of the command line by default.
        doc: What the program says of itself in ``--help``.

    Returns:
        The exit code; see :func:`run_each`.
    """
    return run_each(_Program(objective, doc).carry_out, read_options(objective, argv, doc))


def run_each(carry_out: Callable[[Sequence[Run]], object], options: Mapping[str, Any]) -> int:
    """Do the work of the runs that this process is, and close them.

    Args:
        carry_out: Does it.
        options: The program's own values; those that the sweep chose win over them.

    Returns:
        The exit code: 0; 2 where the options, a configuration or the data are wrong, with a sentence; 1 where
        the work broke down.
    """
    try:
        from sharpen import tracking

        runs = tracking.init_all(config=dict(options))
        with ExitStack() as until_all_are_done:
            for run in runs:
                until_all_are_done.enter_context(run)
            carry_out(runs)
    except SharpenError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def read_options(
    objective: PopulationObjective[S, E, C], argv: Sequence[str] | None = None, doc: str | None = None
) -> dict[str, Any]:
    """Return the options of a command line; of the objective's those that are given or have a default."""
    parser = _parser(objective, doc)
    options = vars(parser.parse_args(argv))
    if options.get("go_on") and not options["out"]:
        parser.error("--go_on needs --out, the folder with the checkpoint")
    return options


def _parser(objective: PopulationObjective[S, E, C], doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add_options(parser)
    add("--folds_at_once", type=flag, default=False, help="whether all folds train side by side")
    if objective.checkpoints is not None:
        add("--checkpoint_s", type=float, default=30.0, help="seconds between two checkpoints of --out")
        add("--go_on", type=flag, default=False, help="whether to go on from the checkpoint in --out")
    objective.add_options(parser)
    return parser


@dataclass
class _Candidate(Generic[S, C]):
    """A run with its configuration, and what it has earned so far.

    Attributes:
        run: The run.
        settings: Its configuration.
        identity: What makes its training what it is: a checkpoint of another identity is of another training.
        files: How to keep what it has done; None for not at all.
        bars: The data set.
        cut: Where the lockbox begins.
        scores: Of the folds so far.
        folds: Members in training, by fold; at the end of a run that another may go on from, of every fold.
        is_over: Whether it is not to go on: its training has broken down, or the sweep ends it.
        is_finished: Whether its returns are kept and it is closed.
        problem: Why its training broke down, should it have.
    """

    run: Run
    settings: S
    identity: Mapping[str, Any]
    files: CheckpointFiles[C] | None
    bars: LoadedBars
    cut: int
    scores: list[FoldScore] = field(default_factory=list["FoldScore"])
    folds: dict[int, C] = field(default_factory=dict[int, Any])
    is_over: bool = False
    is_finished: bool = False
    problem: str | None = None

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

    def restore(self) -> None:
        """Take up what its checkpoint holds, and report the folds that its sweep does not know of."""
        checkpoint = self.run.checkpoint
        path = self._own_file if checkpoint is None else checkpoint.path
        if self.files is None or path is None:
            return
        if not path.is_file():
            print(f"there is no {path} to go on from: begins anew", file=sys.stderr)
            return
        step = -1 if checkpoint is None else checkpoint.step
        kept = self.files.go_on(path, self.identity)
        self.folds = dict(kept.folds)
        for score in kept.scores:
            self.scores.append(score)
            if score.number > step and not self.is_over:
                self._report_scores({})

    @property
    def _own_file(self) -> Path | None:
        """Where a run of no sweep keeps its checkpoint; None when it is not to go on."""
        config = self.run.config
        return Path(config["out"]) / CHECKPOINT if config["out"] and config.get("go_on") else None

    def save(self, step: int | None = None) -> None:
        """Keep all that it needs to go on, should it be interrupted."""
        from sharpen.objectives.fold_jobs import RunCheckpoint

        if self.is_over or self.files is None:
            return
        state = RunCheckpoint(self.identity, tuple(self.scores), self.folds)
        if self.run.in_sweep:
            self.files.save(state, self.run.dir / CHECKPOINT)
            last = self.scores[-1].number if self.scores else 0
            self.run.save_checkpoint(self.run.dir / CHECKPOINT, last if step is None else step)
        elif folder := self.run.config["out"]:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.files.save(state, Path(folder) / CHECKPOINT)

    def report_fold(self, fold: Fold, result: TrainingResult[C]) -> None:
        """Report a fold, unless the run is over."""
        self.folds.pop(fold.number, None)
        if result.checkpoint is not None:
            self.folds[fold.number] = result.checkpoint
        if self.is_over:
            return
        figures = {train_name(name): value for name, value in result.figures.items()}
        if result.score is None:
            self.is_over, self.problem = True, f"fold {fold.number}: {result.problem}"
            print(f"fold {fold.number}: infeasible: {result.problem}")
            if not self.is_alone:
                self.run.summary[INFEASIBLE] = self.problem
                finite = {name: value for name, value in figures.items() if math.isfinite(value)}
                self.run.log({**finite, SHARPE: math.nan}, step=fold.number)
            return
        self.scores.append(result.score)
        self._report_scores(figures)

    def _report_scores(self, figures: Mapping[str, float]) -> None:
        """Report the means over the folds so far; of a run that is alone, the last fold in words."""
        if self.is_alone:
            print(_fold_line(self.scores[-1], figures.get(train_name("steps_per_second"))), flush=True)
            return
        report(self.run, self.scores, figures)
        self.is_over = bool(self.run.stopped)
        if self.is_over:
            self.finish()

    def finish(self) -> None:
        """Keep a run's returns, and close it: others may go on."""
        if not self.is_finished:
            self.is_finished = True
            keep_returns(self.run, self.scores)
            self.run.finish()


@dataclass(frozen=True, eq=False)
class _Program(Generic[S, E, C]):
    objective: PopulationObjective[S, E, C]
    doc: str | None

    def carry_out(self, runs: Sequence[Run]) -> None:
        """Train and report configurations: on the folds, or, when asked to, on the lockbox."""
        known = [action.dest for action in _parser(self.objective, self.doc)._actions]
        alike: dict[Hashable, list[_Candidate[S, C]]] = {}
        for run in runs:
            refuse_unknown(run.config, known)
            candidate = self._candidate(run)
            if run.stage == "lockbox":
                self._open_lockbox(candidate)
            else:
                alike.setdefault(self._shared(candidate), []).append(candidate)
        for candidates in alike.values():
            self._search(candidates)

    def _candidate(self, run: Run) -> _Candidate[S, C]:
        config, objective = run.config, self.objective
        settings = objective.settings(config)
        check(run)
        names = ("data", "lockbox_share", *PLAN)
        drawn = {"seed": run.seed, "permutation_seed": run.permutation_seed}
        own = objective.identity(config, settings)
        identity = {**own, **{name: config[name] for name in names}, **drawn}
        candidate = _Candidate(run, settings, identity, objective.checkpoints, *load_bars(config))
        versions = objective.versions(config)
        if candidate.is_alone:
            print(_bars_line(candidate.bars, candidate.cut), flush=True)
        else:
            seen = bars_facts(candidate.bars, candidate.cut)
            run.summary.update(replace(seen, versions=versions).to_summary())
        return candidate

    def _shared(self, candidate: _Candidate[S, C]) -> Hashable:
        """Return what runs must share to be trained side by side: bars, what is known of them, and folds."""
        run = candidate.run
        names = ("data", "lockbox_share", *PLAN, "folds_at_once", "checkpoint_s")
        texts = tuple(str(run.config.get(name)) for name in names)
        return (self.objective.shared(run.config, candidate.settings), run.permutation_seed, texts)

    def _search(self, candidates: Sequence[_Candidate[S, C]]) -> None:
        """Score configurations on every fold, side by side, and report each fold as it is known."""
        from sharpen.folds import split
        from sharpen.objectives.progress import closing_line

        first, config = candidates[0], candidates[0].run.config
        development = development_of(first.bars.panel, first.cut)  # nothing below this line sees later bars
        panel = in_order_of(first.run.permutation_seed, development)
        examples = self.objective.prepare(config, first.settings, panel)
        folds = split(len(panel), plan_of(config), first_bar=self.objective.first_bar(examples))
        at_once = len(folds) if config["folds_at_once"] else 1
        try:
            for one in candidates:
                one.restore()
            for start in range(0, len(folds), at_once):
                self._score(candidates, folds[start:][:at_once], examples)
            for one in candidates:
                if one.is_parent:
                    one.save(step=0)  # a run that goes on from this one reports every fold anew
        finally:  # the sweep may stop a run; the verdict needs the returns of stopped ones, too
            for one in candidates:
                one.finish()
        for one in candidates:
            if one.scores:
                print(closing_line(one.scores, one.infeasible))

    def _score(self, candidates: Sequence[_Candidate[S, C]], folds: Sequence[Fold], examples: E) -> None:
        """Train the configurations on folds that they have no score of, and report each."""
        from sharpen.objectives.fold_jobs import FoldJob

        pairs = [
            (one, fold)
            for one in candidates
            if not one.is_over
            for fold in folds
            if fold.number not in [score.number for score in one.scores]
        ]
        jobs = [
            FoldJob(one.settings, fold, one.run.seed, one.folds.get(fold.number), one.is_parent)
            for one, fold in pairs
        ]
        config = candidates[0].run.config
        every_s = config.get("checkpoint_s", math.inf)
        due = [time.monotonic() + every_s]

        def keep(at_work: Callable[[], Mapping[int, C]]) -> None:
            if time.monotonic() >= due[0]:
                _keep_all(pairs, at_work())
                due[0] = time.monotonic() + every_s

        results = self.objective.train(config, examples, jobs, keep) if jobs else ()
        for (one, fold), result in zip(pairs, results, strict=True):
            one.report_fold(fold, result)

    def _open_lockbox(self, candidate: _Candidate[S, C]) -> None:
        """Train on the development bars and report what that earned on the lockbox, and nothing else."""
        from sharpen.folds import Fold
        from sharpen.objectives.fold_jobs import FoldJob
        from sharpen.objectives.progress import lockbox_figures

        run, panel, cut = candidate.run, candidate.bars.panel, candidate.cut
        examples = self.objective.prepare(run.config, candidate.settings, panel)
        fold = Fold(0, self.objective.first_bar(examples), cut, cut, len(panel))
        jobs = [FoldJob[S, C](candidate.settings, fold, run.seed)]
        result = self.objective.train(run.config, examples, jobs, None)[0]
        if result.score is None:
            raise UsageError(f"the lockbox could not be judged: {result.problem}")
        keep_returns(run, [result.score])
        run.log(lockbox_figures(result.score), step=0)


def _keep_all(pairs: Sequence[tuple[_Candidate[S, C], Fold]], at_work: Mapping[int, C]) -> None:
    """Keep the checkpoints of the runs at work."""
    for index, checkpoint in at_work.items():
        one, fold = pairs[index]
        one.folds[fold.number] = checkpoint
    for one in {id(pairs[index][0]): pairs[index][0] for index in at_work}.values():
        one.save()


def _bars_line(bars: LoadedBars, cut: int) -> str:
    """Return what bars are traded, in a line."""
    first, last = (str(bars.panel.time[k].astype("datetime64[D]")) for k in (0, cut - 1))
    return f"{bars.name}: {len(bars.panel.symbols)} stocks, {cut:,} bars from {first} to {last}"


def _fold_line(score: FoldScore, steps_per_second: float | None) -> str:
    """Return what a fold came to, in a line."""
    ours = "no trade" if math.isnan(score.val_sharpe) else f"validation Sharpe {score.val_sharpe:.2f}"
    pace = "" if steps_per_second is None else f", {steps_per_second:,.0f} steps/s"
    beside = f"buy-and-hold {score.baseline_sharpe:.2f}, {score.val_n_trades} trades"
    return f"fold {score.number}: {ours}, {beside}{pace}"
