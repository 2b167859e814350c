"""What ``sharpen permute SWEEP`` does: the whole search again on permuted histories."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sharpen import spec
from sharpen.agents.interrupts import interrupts
from sharpen.agents.permuted import history_seeds
from sharpen.agents.permuted_search import search_permuted
from sharpen.cli import exit_codes
from sharpen.cli.printing import print_json, shown, stdout, table
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.hints import duration
from sharpen.store.configurations import configurations, winner
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus
from sharpen.views.permuted_search import PermutedSearch, PermutedWinner, permuted_search, winners

LIMITS = (
    "This judges the search and its choice together, whatever it tried. Permutation keeps each symbol's total"
    " return over the development bars, so a search that finds the market's drift finds it on every history."
)


@dataclass(frozen=True, slots=True)
class SearchCall:
    """What the command line says of a search on permuted histories."""

    n: int
    root_seed: int
    n_slots: int
    as_json: bool


def permute_sweep(home: Path, reader: Reader, sweep: SweepRow, call: SearchCall) -> None:
    """Search the histories that are missing, and print where the winner stands among theirs.

    Raises:
        UsageError: The sweep goes on, has no winner or several metrics.
        SharpenError: A search failed.
    """
    read = spec.parse(sweep.spec, where=sweep.source)
    best = _best(reader, sweep, read)
    todo = _todo(home, sweep, call)
    if todo:
        _search(home, sweep, best, todo, call)
    search = permuted_search(home, sweep, read.metric, best.score)
    assert search is not None  # noqa: S101 - there is a history
    if call.as_json:
        print_json({"sweep": sweep.id, "run": best.id, "seed": call.root_seed, **search.figures()})
        return
    stdout().print(table([_row(search)]))
    echo(f"\n{search.summary}.")
    echo(f"\n{LIMITS}", err=True)


def _best(reader: Reader, sweep: SweepRow, read: spec.Sweep) -> RunRow:
    if SweepStatus(sweep.status).is_open:
        raise UsageError(f"sweep {sweep.id} is {sweep.status}: its search can be repeated once it has ended")
    if len(read.metrics) > 1:
        raise UsageError(f"sweep {sweep.id} has several metrics and so no single winner to compare")
    best = winner(configurations(reader.runs(sweep.id, deleted=True), read.repeats), read.metric)
    if best is None:
        raise UsageError(f"sweep {sweep.id} has no winner: none finished with a score")
    return best.row


def _todo(home: Path, sweep: SweepRow, call: SearchCall) -> list[PermutedWinner]:
    """Return the histories of which no winner is kept yet."""
    done = {winner.history for winner in winners(home, sweep, call.root_seed)}
    seeds = enumerate(history_seeds(call.root_seed, call.n), 1)
    return [
        PermutedWinner(history, seed, call.root_seed, sweep.n_created, None)
        for history, seed in seeds
        if history not in done
    ]


def _search(
    home: Path, sweep: SweepRow, best: RunRow, todo: Sequence[PermutedWinner], call: SearchCall
) -> None:
    """Search histories; each winner is a line on stderr. An interrupt keeps what there is."""
    each_s = sweep.elapsed_s
    echo(
        f"{len(todo)} searches of {sweep.n_created} runs, {call.n_slots} at a time; the sweep itself took"
        f" {duration(each_s)}, so about {duration(each_s * len(todo))} in all",
        err=True,
    )
    with interrupts() as signals, closing(search_permuted(home, sweep, best, todo, call.n_slots)) as searches:
        for winner in searches:
            if winner is not None:
                score = "none" if winner.score is None else shown(winner.score)
                echo(f"history {winner.history:>3}  winner {score}", err=True)
            if signals:
                break
    if signals:
        echo(f"interrupted; go on: {same_store(f'sharpen permute {sweep.id} -n {call.n}')}", err=True)
        sys.exit(exit_codes.INTERRUPTED)


def _row(search: PermutedSearch) -> dict[str, str]:
    scores = sorted(winner.score for winner in search.winners if winner.score is not None)
    ends = [scores[0], scores[len(scores) // 2], scores[-1]] if scores else [None, None, None]
    row = {"": search.metric.name, "this sweep": search.winner}
    row |= dict(zip(("permuted: least", "median", "largest"), ends, strict=True))
    null = search.null
    row |= {"as good": null and null.n_as_good, "p": null and f"{null.p_value:.2g}"}
    return {name: shown(value) for name, value in row.items()}
