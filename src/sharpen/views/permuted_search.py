"""A whole search on permuted histories: the winner of each, kept in the store's folder as they are found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpen.regular_file import read_text
from sharpen.spec import Metric
from sharpen.store.rows import SweepRow

if TYPE_CHECKING:
    from sharpen.overfit import SearchNull

MIN_HISTORIES = 19  # fewer cannot give a p-value of 0.05


@dataclass(frozen=True, slots=True)
class PermutedWinner:
    """The winner of a search on one permuted history.

    Attributes:
        history: Which history, from 1.
        seed: What its order was drawn from.
        root_seed: What the histories' seeds were drawn from.
        n_runs: The runs of the search.
        score: The winner's, as logged; None where no run finished with a score.
    """

    history: int
    seed: int
    root_seed: int
    n_runs: int
    score: float | None


@dataclass(frozen=True, slots=True)
class PermutedSearch:
    """A sweep's winner beside those of the same search on permuted histories.

    Attributes:
        winner: The sweep's best score, as logged.
        metric: What scores.
        winners: One a history.
        n_runs: The runs that the sweep has now.
    """

    winner: float
    metric: Metric
    winners: tuple[PermutedWinner, ...]
    n_runs: int = 0

    @property
    def null(self) -> SearchNull | None:
        """The p-value of the search; None without a history."""
        if not self.winners:
            return None
        from sharpen.overfit import search_p_value  # noqa: PLC0415 - few sweeps have one, and it imports a lot

        turn = self.metric.larger_is_better
        others = [math.nan if winner.score is None else turn(winner.score) for winner in self.winners]
        return search_p_value(turn(self.winner), others)

    @property
    def is_enough(self) -> bool:
        """Whether so many histories can say anything at a level of 0.05."""
        return len(self.winners) >= MIN_HISTORIES

    @property
    def is_of_fewer_runs(self) -> bool:
        """Whether the sweep has grown since."""
        return bool(self.winners) and self.n_runs not in (0, self.winners[0].n_runs)

    @property
    def decides(self) -> bool:
        """Whether the verdict takes it: there are enough, and a sweep that has grown since did not pass.

        A larger search finds more on every history, so the small ones cannot speak for it.
        """
        null = self.null
        if null is None or not self.is_enough:
            return False
        from sharpen.overfit import MAX_P_VALUE  # noqa: PLC0415 - as above

        return not (self.is_of_fewer_runs and null.p_value <= MAX_P_VALUE)

    @property
    def summary(self) -> str:
        """The result in a line; empty without a history."""
        null = self.null
        if null is None:
            return ""
        more = "" if self.is_enough else f"; so few can show nothing, use {MIN_HISTORIES} or more"
        if self.is_of_fewer_runs:
            n_then = self.winners[0].n_runs
            more += f"; the sweep had {n_then} runs then and has {self.n_runs} now, so do it again"
        return (
            f"p = {null.p_value:.2g}: {null.n_as_good} of {null.n_histories} searches of"
            f" permuted histories found as good a winner{more}"
        )

    def figures(self) -> dict[str, Any]:
        """Return what follows, for programs."""
        null = self.null
        if null is None:
            return {"n_histories": 0}
        ends = [null.interval.low, null.interval.high]
        null_figures = {"p": null.p_value, "interval": ends, "n_as_good": null.n_as_good}
        winners = [winner.score for winner in self.winners]
        return null_figures | {"n_histories": null.n_histories, "winner": self.winner, "winners": winners}


def folder_of(home: Path, sweep_id: str) -> Path:
    """Return where the searches of a sweep on permuted histories are kept."""
    return home / "permuted" / sweep_id


def stamp(home: Path, sweep_id: str) -> str:
    """Return a text that is another one once a winner was kept for a sweep."""
    try:
        return str((folder_of(home, sweep_id) / "winners.jsonl").stat().st_size)  # it only grows
    except OSError:
        return ""


def keep(home: Path, sweep_id: str, winner: PermutedWinner) -> None:
    """Keep a winner; what a crash cuts off is not taken for one."""
    folder = folder_of(home, sweep_id)
    with (folder / "winners.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(winner)) + "\n")


def winners(home: Path, sweep: SweepRow, root_seed: int | None = None) -> tuple[PermutedWinner, ...]:
    """Return the winners that are kept for a sweep as it is now, by seed and history.

    Those of a search with another number of runs, as before it was extended, are left out; where there are
    no others, those with the most runs are returned. So neither another seed nor one run more makes anybody
    forget what has been found.

    Args:
        home: The store's folder.
        sweep: Which sweep.
        root_seed: Those of a search of this seed and as many runs as the sweep has now; None for all.
    """
    try:
        lines = read_text(folder_of(home, sweep.id) / "winners.jsonl").splitlines()
    except OSError:
        return ()
    every = [winner for line in lines if (winner := _read(line))]
    n_runs = sweep.n_created
    if root_seed is None and all(winner.n_runs != n_runs for winner in every):
        n_runs = max((winner.n_runs for winner in every), default=0)
    current = [
        winner for winner in every if winner.n_runs == n_runs and root_seed in (None, winner.root_seed)
    ]
    by_history = {(winner.root_seed, winner.history): winner for winner in current}
    return tuple(by_history[key] for key in sorted(by_history))


def _read(line: str) -> PermutedWinner | None:
    try:
        fields: Mapping[str, Any] = json.loads(line)
        return PermutedWinner(**fields)
    except (ValueError, TypeError):
        return None


def permuted_search(
    home: Path, sweep: SweepRow, metric: Metric, winner: float | None
) -> PermutedSearch | None:
    """Return a sweep's winner among those of permuted histories; None where nobody has searched them.

    Args:
        home: The store's folder.
        sweep: Which sweep.
        metric: Its first one.
        winner: Its best score; None without one.
    """
    searched: Sequence[PermutedWinner] = winners(home, sweep)
    return (
        None
        if winner is None or not searched
        else PermutedSearch(winner, metric, tuple(searched), sweep.n_created)
    )
