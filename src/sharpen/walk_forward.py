"""A program that is judged walk-forward: its options, its folds, what it reports, and the lockbox.

A rule of one's own is a program in a few lines::

    import numpy as np
    from sharpen.walk_forward import Rule, run_program

    def decide(panel, config, model):
        return np.where(panel.close > panel.open, config["share"], 0.0)

    if __name__ == "__main__":
        raise SystemExit(run_program(Rule(decide, options={"share": 1.0})))

It can be run alone, by ``sharpen run``, by ``sharpen validate`` on the lockbox and by ``sharpen permute``.
What is slow to import waits until the options are read: ``--help`` answers at once.
"""
# ruff: noqa: PLC0415 - as just said

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from sharpen.errors import UsageError
from sharpen.extras import require
from sharpen.facts import INFEASIBLE, MODEL, RETURNS
from sharpen.objectives.program import bars_facts, development_of, in_order_of
from sharpen.objectives.rule import Rule
from sharpen.objectives.stopwatch import Stopwatch

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.folds import Fold, WalkForward
    from sharpen.objectives.fold_score import FoldScore
    from sharpen.objectives.port import Objective
    from sharpen.tracking import Run

__all__ = ["Rule", "preload", "run_program"]

E = TypeVar("E")
PLAN = ("n_folds", "train_ratio", "gap_bars", "window")
"""The options that say how bars are cut into folds."""


def run_program(objective: Objective[E], argv: Sequence[str] | None = None, doc: str | None = None) -> int:
    """Score one configuration: fold by fold, or, when the sweep asks for it, on the lockbox.

    Alone, it prints each fold and a closing line. In a sweep it reports the running means that the sweep
    judges (the step is the fold), keeps the returns for the verdict, and, of the sweep's leader, the model.

    Args:
        objective: What is scored.
        argv: The options; those of the command line by default.
        doc: What the program says of itself in ``--help``.

    Returns:
        The exit code: 0, or 2 where the options, the configuration or the data are wrong, with a sentence.
    """
    options = _parse(objective, argv, doc)
    try:
        from sharpen import tracking

        with tracking.init(config=options) as run:
            folder = Path(run.config["out"] or run.dir)
            folder.mkdir(parents=True, exist_ok=True)
            closing_line = _Program(objective, run, folder, Stopwatch()).run_stage()
        print(closing_line)
    except UsageError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    return 0


def preload(objective: Objective[E]) -> None:
    """Load what the coming runs share: libraries, bars, and what the objective does ahead.

    A program's own ``preload`` calls it. The agent's fork server calls that before the first run, with the
    sweep's constants for ``sys.argv``, then for each run, with the run's own, before it forks the next.
    """
    options = _parse(objective, None, None)
    bars, cut = load_bars(options, meanwhile=lambda: objective.versions(options))
    objective.versions(options)
    bars_facts(bars, cut)

    for module in ("sharpen.objectives.progress", "sharpen.tracking"):
        import_module(module)
    with suppress(UsageError):  # which the run will meet, and say
        objective.rehearse(options, development_of(bars.panel, cut), plan_of(options))


def _parse(objective: Objective[E], argv: Sequence[str] | None, doc: str | None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    add_options(parser)
    objective.add_options(parser)
    return vars(parser.parse_args(argv))


def add_options(parser: argparse.ArgumentParser, data: str = "stocks") -> None:
    """Add the options that every program has which is judged walk-forward.

    Args:
        parser: Where to.
        data: The bars of a program that is told of none.
    """
    add = parser.add_argument
    add("--data", default=data, help="a name, a path, or {path: FILE, map: ..., zone: ...}")
    add("--n_folds", type=int, default=8, help="walk-forward folds")
    add("--train_ratio", type=float, default=0.8, help="share of a fold's bars to train on")
    add("--gap_bars", type=int, default=0, help="bars left out between training and validation")
    add("--window", choices=("rolling", "expanding"), default="rolling", help="what happens to old bars")
    add("--min_trades", type=float, default=5.0, help="fewer trades a fold, on average, are infeasible")
    add("--lockbox_share", type=float, default=0.2, help="share of the bars that no search may see")
    add("--seed", type=int, default=0, help="used when there is no sweep to give one")
    add("--out", default="", help="folder to keep the returns and the model in")


def plan_of(config: Mapping[str, Any]) -> WalkForward:
    """Return how a configuration cuts its bars into folds."""
    from sharpen.folds import WalkForward

    sizes = {name: config[name] for name in PLAN}
    return WalkForward(**sizes, embargo_bars=config.get("embargo_bars", 0))


@dataclass(frozen=True, eq=False)
class _Program(Generic[E]):
    objective: Objective[E]
    run: Run
    folder: Path
    watch: Stopwatch

    def run_stage(self) -> str:
        """Do what the sweep asks for; return the result in a line."""
        config, run = self.run.config, self.run
        versions = dict(self.objective.versions(config))
        self.watch.lap("imports")
        bars, cut = load_bars(config)
        check(run)
        run.summary.update(replace(bars_facts(bars, cut), versions=versions).to_summary())
        if run.stage == "lockbox":
            return self._open_lockbox(bars.panel, cut)
        development = development_of(bars.panel, cut)  # nothing below this line sees later bars
        examples = self.objective.prepare(config, in_order_of(run.permutation_seed, development))
        self.watch.lap("data")
        return self._search(examples, len(development))

    def _search(self, examples: E, n_bars: int) -> str:
        from sharpen.folds import split
        from sharpen.objectives.progress import closing_line

        run = self.run
        scores: list[FoldScore] = []
        folds = split(n_bars, plan_of(run.config), first_bar=self.objective.first_bar(examples))
        try:
            for fold in folds:
                scores.append(self._score(examples, fold))
                report(run, scores)
            if run.summary[INFEASIBLE] is None and run.stage == "search" and self._wants_model():
                self._keep_model(examples)
        finally:  # the sweep may stop the run; the verdict needs the returns of stopped ones, too
            keep_returns(run, scores)
            run.summary.update(self.watch.summary())
        return closing_line(scores, run.summary[INFEASIBLE])

    def _score(self, examples: E, fold: Fold) -> FoldScore:
        return self.watch.time("training", lambda: self.objective.score(examples, fold, self.run.seed))

    def _open_lockbox(self, panel: Panel, cut: int) -> str:
        from sharpen.folds import Fold
        from sharpen.objectives.progress import lockbox_figures

        examples = self.objective.prepare(self.run.config, panel)
        first = self.objective.first_bar(examples)
        final = self.objective.score(examples, Fold(0, first, cut, cut, len(panel)), self.run.seed)
        keep_returns(self.run, [final])
        self.run.log(lockbox_figures(final), step=0)
        return f"lockbox Sharpe {final.val_sharpe:.2f}, buy-and-hold {final.baseline_sharpe:.2f}"

    def _wants_model(self) -> bool:
        # It is trained on three times a fold's bars; that of a run which a better one has outdone is no use.
        return self.run.leads if self.run.in_sweep else bool(self.run.config["out"])

    def _keep_model(self, examples: E) -> None:
        save = self.objective.save_model
        saved = self.watch.time("training", lambda: save(examples, self.run.seed, self.folder))
        if saved is not None:
            self.run.log_artifact(saved.path, name=MODEL, type=MODEL, metadata=dict(saved.metadata))


def check(run: Run) -> None:
    """Refuse a configuration with which a run cannot be judged.

    Raises:
        UsageError: It leaves no lockbox in a sweep, or wants fewer than no trades.
    """
    if run.in_sweep and run.config["lockbox_share"] <= 0:
        raise UsageError(
            "--lockbox_share must be above 0 in a sweep: it must leave bars that it has not seen"
        )
    least = run.config["min_trades"]
    if not least >= 0:
        raise UsageError(f"--min_trades is {least}, give 0 or more")


def report(run: Run, scores: Sequence[FoldScore], figures: Mapping[str, float] | None = None) -> None:
    """Report the running means over the folds so far.

    Args:
        run: The run.
        scores: Of the folds so far.
        figures: What else there is to say of the last one.
    """
    from sharpen.objectives.progress import progress

    so_far = progress(scores, run.config["min_trades"])
    if so_far.infeasible != run.summary[INFEASIBLE]:
        run.summary[INFEASIBLE] = so_far.infeasible
    run.log({**so_far.metrics, **(figures or {})}, step=scores[-1].number)  # last: it may end the program


def keep_returns(run: Run, scores: Sequence[FoldScore]) -> None:
    """Keep the out-of-sample returns of the folds that were scored, if any."""
    from sharpen.objectives.progress import write_returns

    if scores:
        folder = Path(run.config["out"] or run.dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_returns(scores, folder / "returns.parquet")
        run.log_artifact(folder / "returns.parquet", name=RETURNS, type=RETURNS)


class _LoadedBars(NamedTuple):
    """A data set, without the classes of the room that read it, which would bring polars."""

    name: str
    notes: tuple[str, ...]
    panel: Panel


def load_bars(
    config: Mapping[str, Any], meanwhile: Callable[[], object] | None = None
) -> tuple[_LoadedBars, int]:
    """Return the bars that a configuration names, by :func:`read_bars`, and the first bar of the lockbox.

    Raises:
        UsageError: There are no such bars, they cannot be used, or what reads them is not installed.
    """
    from sharpen.folds import lockbox_start

    bars = read_bars(config["data"], meanwhile)
    return bars, lockbox_start(len(bars.panel), config["lockbox_share"])


def read_bars(data: object, meanwhile: Callable[[], object] | None = None) -> _LoadedBars:
    """Return the bars that ``--data`` names; in this process they are read once.

    Args:
        data: A name, a path or a mapping.
        meanwhile: What to do while they are read in a process apart, for reading leaves threads behind; None
            to read them here.

    Raises:
        UsageError: There are no such bars, they cannot be used, or what reads them is not installed.
    """
    require("polars", "data")

    from sharpen.objectives.process_cache import PROCESS_CACHE, run_in_fork
    from sharpen.read_options import DataSource

    def read() -> tuple[str, tuple[str, ...], Panel]:
        from sharpen.data import load

        loaded = load(source.name, source.options)
        return loaded.name, tuple(loaded.notes), loaded.panel

    source = DataSource.of(data)
    path = Path(source.name)
    version_of_file = (path.resolve(), path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else ()
    parts = PROCESS_CACHE.get(
        ("bars", str(data), version_of_file), lambda: run_in_fork(read, meanwhile) if meanwhile else read()
    )
    return _LoadedBars(*parts)
