"""The verb that asks whether a score, or a whole search, needs the order of the bars: permute."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click
from rich.progress import track

from sharpen import spec
from sharpen.agents.permuted import free_slots, history_seeds, score_permuted
from sharpen.cli.permute_search import SearchCall, permute_sweep
from sharpen.cli.printing import json_option, print_json, shown, stderr, stdout, table
from sharpen.cli.supervise import n_cores
from sharpen.cli.terminal import echo
from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.facts import BASELINE, PERMUTED
from sharpen.jsonable import number
from sharpen.permutation_null import PermutationTest, PermutedFigure
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.trial import TrialState


@click.command()
@click.argument("sweep_or_run")
@click.option(
    "-n", "n", type=click.IntRange(min=1), default=20, show_default=True, help="How many histories."
)
@click.option("--seed", type=int, help="What the orders are drawn from. [default: the sweep's seed]")
@click.option("--slots", "n_slots", type=click.IntRange(min=1), help="Runs at a time. [default: cores]")
@json_option
@click.pass_obj
def permute(
    home: Path, sweep_or_run: str, n: int, seed: int | None, n_slots: int | None, as_json: bool
) -> None:
    """Repeat a whole SWEEP, or score one RUN, on histories whose bars come in random order.

    Of a SWEEP that has ended the whole search is done again on N histories with the same price moves in
    another order: the same method, number of runs, stop rule and seed. Its winner's place among the N
    winners is a p-value of the search itself, which the report and the verdict take up from 19 histories on.
    Each winner is kept as it is found; an interrupted call goes on where it stopped. These runs are no
    trials, and no listing shows them.

    Of a finished RUN the program walks forward again on N histories, with the run's own seed. A score that
    these reach as well does not come from what follows what. The result is kept with the run once all
    histories are scored; another call replaces it. An interrupted one keeps nothing.

    The lockbox is not opened.

    \b
      sharpen permute last
      sharpen permute last-7 -n 200 --seed 1
    """
    reader = Reader(home)
    if not reader.names_run(sweep_or_run):
        whole = reader.sweep(sweep_or_run)
        root = whole.seed if seed is None else seed
        permute_sweep(home, reader, whole, SearchCall(n, root, n_slots or n_cores(), as_json))
        return
    row = reader.run(sweep_or_run)
    if row.state != TrialState.FINISHED or row.score is None:
        why = row.state if row.state != TrialState.FINISHED else "infeasible"
        raise UsageError(f"run {row.id} is {why}: only a finished run that has a score can be permuted")
    sweep = reader.sweep(row.sweep_id)
    root_seed = sweep.seed if seed is None else seed
    test = _test(reader, sweep, row, root_seed)
    seeds = history_seeds(root_seed, n)
    test = _with_scores(test, score_permuted(home, sweep, row, seeds, n_slots or free_slots(sweep)), n)
    with connect(home) as client:
        client.call("permuted", run_id=row.id, summary={PERMUTED: test.stored()})
    if as_json:
        print_json({"run": row.id, **test.figures(), **test.stored()})
        return
    stdout().print(table([_row(comparison) for comparison in test.comparisons]))
    echo(f"\n{test.sentence}")
    echo(f"\n{test.limits}", err=True)


def _test(reader: Reader, sweep: SweepRow, run: RunRow, root_seed: int) -> PermutationTest:
    """Return the comparison with a run's own figures, before any history is scored."""
    metric = spec.parse(sweep.spec, where=sweep.source).metric
    logged = reader.long_runs.last_metrics(run.id)
    assert run.score is not None  # noqa: S101 - the caller looked
    return PermutationTest(
        metric=metric.name,
        maximize=metric.goal == "maximize",
        score=run.score,
        scores=(),
        seed=root_seed,
        baseline=number(logged.get(BASELINE)),
    )


def _with_scores(
    test: PermutationTest, scored: Generator[tuple[int, float, float | None]], n: int
) -> PermutationTest:
    """Return the comparison once every history is scored; a line on the terminal says how far that is."""
    console = stderr()
    is_quiet = not console.is_terminal
    with closing(scored):
        line = track(scored, "permuted histories", n, console=console, transient=True, disable=is_quiet)
        in_order = sorted(line)
    holding = tuple(held for _, _, held in in_order if held is not None)
    is_whole = test.baseline is not None and len(holding) == n
    return replace(
        test,
        scores=tuple(score for _, score, _ in in_order),
        baseline=test.baseline if is_whole else None,
        baselines=holding if is_whole else (),
    )


def _row(comparison: PermutedFigure) -> dict[str, str]:
    """Return a figure of the run beside the least, the middle and the largest of the histories."""
    low, middle, high = comparison.spread
    row = {
        "": comparison.name,
        "this run": comparison.own,
        "permuted: least": low,
        "median": middle,
        "largest": high,
    }
    row |= {"as good": comparison.n_as_good, "p": f"{comparison.p:.2g}"}
    return {column: shown(value) for column, value in row.items()}
