"""A program that trains policies which execute orders, many runs side by side."""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.errors import SharpenError, UsageError
from sharpen.facts import INFEASIBLE, MEAN_REWARD, SAVED, lockbox_name, train_name
from sharpen.objectives.program import bars_facts
from sharpen.objectives.rl.execution.options import add_options
from sharpen.objectives.rl.execution.settings import ExecutionSettings
from sharpen.objectives.rl.one_thread import import_torch
from sharpen.population_program import run_each
from sharpen.walk_forward import read_bars

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.facts import RunFacts
    from sharpen.objectives.rl.execution.book_data import Book
    from sharpen.objectives.rl.execution.training import Evaluation
    from sharpen.tracking import Run


def run_execution_program(argv: Sequence[str] | None = None, doc: str | None = None) -> int:
    """Train policies, and judge each along the way on orders that it has not seen.

    Alone, it prints what every policy costs on the same held-out orders. In a sweep each run reports what
    its policy is worth after each part of its training; in the stage ``lockbox`` at the end, and once.

    Args:
        argv: The options; those of the command line by default.
        doc: What the program says of itself in ``--help``.

    Returns:
        The exit code; see :func:`sharpen.population_program.run_each`.
    """
    return run_each(_carry_out, read_options(argv, doc))


def read_options(argv: Sequence[str] | None = None, doc: str | None = None) -> dict[str, Any]:
    """Return the options of a command line; None for what has a default of the market's own."""
    parser = argparse.ArgumentParser(description=doc, allow_abbrev=False)
    add_options(parser)
    return vars(parser.parse_args(argv))


def _carry_out(runs: Sequence[Run]) -> None:
    """Train and report the configurations of runs; those that differ in the agent alone, side by side."""
    versions = import_torch()
    alike: dict[tuple[Any, ...], list[tuple[Run, ExecutionSettings]]] = {}
    for run in runs:
        if run.permutation_seed is not None:
            raise UsageError("orders in a market that is drawn have no bars to permute")
        settings = ExecutionSettings.of(run.config)
        _refuse_unread(run.config, settings.market)
        run.summary["market"] = settings.market
        named = ("book", "trades") if settings.market == "book" else ("data",)
        data = tuple(run.config[name] for name in named)
        alike.setdefault((settings.rules, data, run.stage), []).append((run, settings))
    for group in alike.values():
        _search(group, versions)


def _refuse_unread(config: Mapping[str, Any], market: str) -> None:
    """Refuse data that the market would not read.

    Raises:
        UsageError: There is such data.
    """
    for name, markets in (("data", ("bars", "propagator")), ("book", ("book",)), ("trades", ("book",))):
        if config[name] and market not in markets:
            raise UsageError(
                f"the market {market} reads no --{name}: give --market {' or '.join(markets)}, or no --{name}"
            )


def _search(group: Sequence[tuple[Run, ExecutionSettings]], versions: Mapping[str, str]) -> None:
    """Train configurations side by side, and report each evaluation."""
    from sharpen.objectives.rl.execution.training import ExecutionJob, Training

    runs, (first_run, settings) = [run for run, _ in group], group[0]
    is_last_look = first_run.stage == "lockbox"
    data, seen = _recorded(settings, first_run)
    jobs = [ExecutionJob(own, run.seed) for run, own in group]
    training = Training(jobs, "lockbox" if is_last_look else "held-out", data)
    notes = (*seen.bars.notes, *training.remarks)
    seen = replace(seen, bars=replace(seen.bars, notes=notes), versions=versions)
    for run in runs:
        run.summary.update(seen.to_summary())
    last: dict[int, Evaluation] = {}
    going = list(range(len(runs)))
    try:
        for number in range(1, settings.n_checks + 1):
            if not going:
                break
            last |= training.advance(going)
            if not is_last_look or number == settings.n_checks:
                going = [k for k in going if _report(runs[k], last[k])]
    finally:  # the sweep may stop a run; the verdict needs what it has saved, too
        for k, evaluation in last.items():
            _keep_saved(runs[k], evaluation)
    if not first_run.in_sweep:
        _print(last[0], settings.market, [note.text for note in training.remarks])


def _recorded(settings: ExecutionSettings, run: Run) -> tuple[Panel | Book | None, RunFacts]:
    """Return the bars or the book of a market that has them, and which orders the run sees."""
    from sharpen.objectives.rl.execution.data_split import LOCKBOX
    from sharpen.objectives.rl.execution.facts import book_facts, drawn_facts

    config = run.config
    if settings.market == "bars":
        bars = read_bars(config["data"] or "stocks")
        return bars.panel, bars_facts(bars, round(LOCKBOX.start * len(bars.panel)))
    if settings.market == "book":
        from sharpen.objectives.rl.execution.book_data import read_book

        if not config["book"]:
            raise UsageError("the market book needs a recorded book: give --book FILE")
        book = read_book(config["book"], config["trades"] or None)
        return book, book_facts(book, Path(config["book"]).stem)
    panel, rules = None, {**settings.market_settings, "data": config["data"]}
    if settings.market == "propagator" and config["data"]:
        panel = read_bars(config["data"]).panel
    return panel, drawn_facts(settings.market, rules, run.seed)


def _report(run: Run, evaluation: Evaluation) -> bool:
    """Report an evaluation; return whether the run goes on."""
    figures = {train_name(name): value for name, value in evaluation.figures.items() if math.isfinite(value)}
    if evaluation.problem is not None:
        run.summary[INFEASIBLE] = evaluation.problem
        run.log({**figures, MEAN_REWARD: math.nan}, step=evaluation.number)
        return False
    if run.stage == "lockbox":
        run.log({lockbox_name(name): value for name, value in evaluation.metrics.items()}, step=0)
        return False
    run.log(figures | evaluation.metrics, step=evaluation.number)  # last: a stop may end the run here
    return not run.stopped


def _keep_saved(run: Run, evaluation: Evaluation) -> None:
    """Keep what each held-out order saved against each baseline, and close the run."""
    from sharpen.objectives.rl.execution.savings import write_saved

    if evaluation.problem is None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(run.config["out"] or scratch)
            folder.mkdir(parents=True, exist_ok=True)
            write_saved(evaluation.outcomes, folder / "saved.parquet")
            run.log_artifact(folder / "saved.parquet", name=SAVED, type=SAVED)
    run.finish()


def _print(evaluation: Evaluation, market: str, remarks: Sequence[str]) -> None:
    """Print what every policy costs on the same orders, and what the figures mean.

    Raises:
        SharpenError: The training broke down.
    """
    from sharpen.objectives.rl.execution.cost_table import cost_table, legend, of_its_cost
    from sharpen.objectives.rl.execution.evaluation import saved_bps
    from sharpen.overfit import compare, judge_policy

    if evaluation.problem is not None:
        raise SharpenError(evaluation.problem)
    print(cost_table(evaluation.outcomes), end="\n\n")
    comparisons = compare([saved_bps(evaluation.outcomes)], 0)
    for beside in comparisons:
        print(f"ppo {beside.sentence}; {of_its_cost(evaluation.metrics, beside.baseline)}")
    print(f"\n{judge_policy(comparisons, 1).headline}")
    n_orders = len(evaluation.outcomes["ppo"].reward)
    for text in (*remarks, legend(n_orders, market)):
        print("\n" + textwrap.fill(text, 110), file=sys.stderr)
