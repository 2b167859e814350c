"""Train a policy that executes orders, and compare it with every baseline on orders it has not seen.

Alone, ``python scripts/train_execution.py`` prints a table: what each policy costs on the same held-out
orders. In a sweep the same command reports what the policy is worth after each part of its training.
"""
# ruff: noqa: PLC0415 - what is slow to import waits until the options are read: --help answers at once

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.errors import SharpenError, UsageError
from sharpen.facts import SAVED
from sharpen.objectives.program import bars_facts, flag, library_versions
from sharpen.objectives.rl.execution.settings import DEFAULTS, MARKET_SETTINGS, ExecutionSettings
from sharpen.objectives.rl.settings import SYNONYMS, AgentSettings

if TYPE_CHECKING:
    from sharpen.bars import Panel
    from sharpen.data import Dataset
    from sharpen.facts import RunFacts
    from sharpen.objectives.rl.execution.book_data import Book
    from sharpen.objectives.rl.execution.evaluation import Row
    from sharpen.objectives.rl.execution.training import Evaluation
    from sharpen.tracking import Run

COLUMNS = ("policy", "cost", "± se", "vs twap", "± se", "PA", "GLR", "tail 5 %", "complete", "reward")


def parse(argv: list[str] | None) -> dict[str, Any]:
    """Return the options; None for what has a default of the market's or the agent's own."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--market", default="signal", help="signal, ac, ow, propagator, bars or book (default: signal)")
    add(
        "--data",
        default="",
        help="bars: a name, a path, or {path: FILE, map: ...} (default: stocks)",
    )
    add("--book", default="", help="book: snapshots of a recorded book, a parquet or CSV file")
    add("--trades", default="", help="book: the trades of the same time, a parquet or CSV file")
    for name, (kind, words) in MARKET_SETTINGS.items():
        add(f"--{name}", type=kind, help=words)
    add("--total_timesteps", type=int, help="slices to train on (default: 200000)")
    add("--lr_schedule", help="linear: the learning rate falls to 0; or constant (default: linear)")
    add("--n_checks", type=int, help="how often the policy is looked at in that time (default: 5)")
    add("--n_episodes", type=int, help="held-out orders (default: 4096)")
    add("--n_folds", type=int, help="bars, book: walk-forward folds (default: 3)")
    add("--n_steps", type=int, help="slices between two updates, all environments together (default: 8192)")
    add("--net_arch", help='widths of the hidden layers (default: "[64, 64]")')
    spellings: dict[str, list[str]] = {}
    for other, name in SYNONYMS.items():
        if other != "n_steps":
            spellings.setdefault(name, []).append(f"--{other}")
    for setting in fields(AgentSettings):
        names = (*spellings.get(setting.name, []), f"--{setting.name}")
        kind = setting.metadata["kind"]
        default = DEFAULTS.get(names[0][2:])
        told = f"{setting.metadata['help']} (default: {default})" if default else setting.metadata["help"]
        add(*names, dest=names[0][2:], type=flag if kind is bool else kind, help=told)
    add("--seed", type=int, default=0, help="used when there is no sweep to give one (default: 0)")
    add("--out", default="", help="folder to keep what each order saved in")
    return vars(parser.parse_args(argv))


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
    except SharpenError as error:
        print(f"train_execution: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def train(runs: Sequence[Run]) -> None:
    """Train and report the configurations of runs; those that differ in the agent alone, side by side."""
    import torch

    torch.set_num_threads(1)  # runs share the cores
    alike: dict[tuple[Any, ...], list[tuple[Run, ExecutionSettings]]] = {}
    for run in runs:
        if run.permutation_seed is not None:
            raise UsageError("orders in a market that is drawn have no bars to permute")
        settings = ExecutionSettings.of(run.config)
        refuse_unread(run.config, settings.market)
        run.summary["market"] = settings.market
        named = ("book", "trades") if settings.market == "book" else ("data",)
        data = tuple(run.config[name] for name in named)
        alike.setdefault((settings.rules, data, run.stage), []).append((run, settings))
    for group in alike.values():
        search(group)


def refuse_unread(config: Mapping[str, Any], market: str) -> None:
    """Refuse data that the market would not read.

    Raises:
        UsageError: There is such data.
    """
    for name, markets in (("data", ("bars", "propagator")), ("book", ("book",)), ("trades", ("book",))):
        if config[name] and market not in markets:
            raise UsageError(
                f"the market {market} reads no --{name}: give --market {' or '.join(markets)}, or no --{name}"
            )


def search(group: Sequence[tuple[Run, ExecutionSettings]]) -> None:
    """Train configurations side by side, and report each evaluation."""
    from sharpen.objectives.rl.execution.training import Job, Training

    runs = [run for run, _ in group]
    is_last_look = runs[0].stage == "lockbox"
    jobs = [Job(settings, run.seed) for run, settings in group]
    data, seen = recorded(group[0][1], runs[0])
    training = Training(jobs, "lockbox" if is_last_look else "held-out", data)
    notes = (*seen.bars.notes, *training.remarks)
    seen = replace(seen, bars=replace(seen.bars, notes=notes), versions=library_versions("numpy", "torch"))
    for run in runs:
        run.summary.update(seen.to_summary())
    last: dict[int, Evaluation] = {}
    going = list(range(len(runs)))
    n_checks = group[0][1].n_checks
    try:
        for number in range(1, n_checks + 1):
            if not going:
                break
            last |= training.advance(going)
            if not is_last_look or number == n_checks:
                going = [k for k in going if report(runs[k], last[k])]
    finally:  # the sweep may stop a run; the verdict needs what it has saved, too
        for k, evaluation in last.items():
            keep(runs[k], evaluation)
    if not runs[0].in_sweep:
        say(last[0], group[0][1].market, [note.text for note in training.remarks])


def recorded(settings: ExecutionSettings, run: Run) -> tuple[Panel | Book | None, RunFacts]:
    """Return the bars or the book of a market that has them, and which orders the run sees."""
    from sharpen.objectives.rl.execution.data_split import LOCKBOX
    from sharpen.objectives.rl.execution.facts import book_facts, drawn_facts

    config = run.config
    if settings.market == "bars":
        bars = bars_of(config["data"] or "stocks")
        return bars.panel, bars_facts(bars, round(LOCKBOX.start * len(bars.panel)))
    if settings.market == "book":
        from sharpen.objectives.rl.execution.book_data import read_book

        if not config["book"]:
            raise UsageError("the market book needs a recorded book: give --book FILE")
        book = read_book(config["book"], config["trades"] or None)
        return book, book_facts(book, Path(config["book"]).stem)
    panel, rules = None, {**settings.market_settings, "data": config["data"]}
    if settings.market == "propagator" and config["data"]:
        panel = bars_of(config["data"]).panel
    return panel, drawn_facts(settings.market, rules, run.seed)


def bars_of(data: Any) -> Dataset:
    """Return the bars that ``--data`` names."""
    from sharpen.data import load
    from sharpen.read_options import DataSource

    source = DataSource.of(data)
    return load(source.name, source.options)


def report(run: Run, evaluation: Evaluation) -> bool:
    """Report an evaluation; return whether the run goes on."""
    figures = {f"train/{name}": value for name, value in evaluation.figures.items() if math.isfinite(value)}
    if evaluation.problem is not None:
        run.summary["infeasible"] = evaluation.problem
        run.log({**figures, "val/mean_reward": math.nan}, step=evaluation.number)
        return False
    if run.stage == "lockbox":
        found = {f"lockbox/{name.partition('/')[2]}": value for name, value in evaluation.metrics.items()}
        run.log(found, step=0)
        return False
    run.log(figures | evaluation.metrics, step=evaluation.number)  # last: a stop may end the run here
    return not run.stopped


def keep(run: Run, evaluation: Evaluation) -> None:
    """Keep what each held-out order saved against each baseline, and close the run."""
    from sharpen.objectives.rl.execution.savings import write_saved

    if evaluation.problem is None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(run.config["out"] or scratch)
            folder.mkdir(parents=True, exist_ok=True)
            write_saved(evaluation.outcomes, folder / "saved.parquet")
            run.log_artifact(folder / "saved.parquet", name=SAVED, type=SAVED)
    run.finish()


def say(evaluation: Evaluation, market: str, remarks: Sequence[str]) -> None:
    """Print what every policy costs on the same orders, and what the figures mean.

    Raises:
        SharpenError: The training broke down.
    """
    from sharpen.objectives.rl.execution.evaluation import saved_bps, table
    from sharpen.overfit import compare, judge_policy

    if evaluation.problem is not None:
        raise SharpenError(evaluation.problem)
    rows = table(evaluation.outcomes)
    n_orders = len(evaluation.outcomes["ppo"].reward)
    lines = [COLUMNS, *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    for line in lines:
        first = line[0].ljust(widths[0])
        print("  ".join([first, *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]))
    print()
    compared = compare([saved_bps(evaluation.outcomes)], 0)
    for found in compared:
        print(f"ppo {found.sentence}; {of_its_cost(evaluation.metrics, found.baseline)}")
    print(f"\n{judge_policy(compared, 1).headline}")
    for remark in remarks:
        print("\n" + textwrap.fill(remark, 110), file=sys.stderr)
    told = (
        f"{n_orders} held-out orders in the market {market}, the same for every policy. In basis points of"
        " the order at its arrival price: cost is the implementation shortfall (a loss is positive), vs twap"
        " what is saved against equal slices on the same orders, PA the advantage over the mean price, tail"
        " the mean of the worst 5 %."
    )
    print("\n" + textwrap.fill(told, 110), file=sys.stderr)


def of_its_cost(metrics: Mapping[str, float], baseline: str) -> str:
    """Return what was saved as a percentage of a baseline's own cost, where that is clearly more than 0."""
    more = metrics.get(f"val/slippage_vs_{baseline}_pct")
    if more is None:
        return f"{baseline} itself costs nothing that is clearly more than 0"
    return f"{-more:.0f} ± {metrics[f'val/slippage_vs_{baseline}_error_pct']:.0f} % of its slippage"


def cells(row: Row) -> tuple[str, ...]:
    """Return a policy's line of the table."""
    numbers = (row.shortfall, row.error, row.saved, row.saved_error, row.advantage, row.gain_loss, row.tail)
    shares = (f"{100 * row.completion:.1f} %", f"{row.reward:.3f}")
    return (row.policy, *(f"{x:.2f}" if math.isfinite(x) else "-" for x in numbers), *shares)


if __name__ == "__main__":
    sys.exit(main())
