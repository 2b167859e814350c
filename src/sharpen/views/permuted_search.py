"""A whole search on permuted histories: the winner of each, kept in the store's folder as they are found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sharpen.overfit import SearchNull, search_p_value
from sharpen.spec import Metric
from sharpen.store.rows import SweepRow

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
    """

    winner: float
    metric: Metric
    winners: tuple[PermutedWinner, ...]

    @property
    def null(self) -> SearchNull | None:
        """The p-value of the search; None without a history."""
        if not self.winners:
            return None
        turn = self.metric.larger_is_better
        others = [math.nan if each.score is None else turn(each.score) for each in self.winners]
        return search_p_value(turn(self.winner), others)

    @property
    def is_enough(self) -> bool:
        """Whether so many histories can say anything at a level of 0.05."""
        return len(self.winners) >= MIN_HISTORIES

    @property
    def words(self) -> str:
        """The result in a line; empty without a history."""
        null = self.null
        if null is None:
            return ""
        more = "" if self.is_enough else f"; so few can show nothing, use {MIN_HISTORIES} or more"
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
        found = {"p": null.p_value, "interval": ends, "n_as_good": null.n_as_good}
        winners = [each.score for each in self.winners]
        return found | {"n_histories": null.n_histories, "winner": self.winner, "winners": winners}


def folder_of(home: Path, sweep_id: str) -> Path:
    """Return where the searches of a sweep on permuted histories are kept."""
    return home / "permuted" / sweep_id


def keep(home: Path, sweep_id: str, winner: PermutedWinner) -> None:
    """Keep a winner; what a crash cuts off is not taken for one."""
    folder = folder_of(home, sweep_id)
    with (folder / "winners.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(winner)) + "\n")


def winners(home: Path, sweep: SweepRow, root_seed: int | None = None) -> tuple[PermutedWinner, ...]:
    """Return the winners that are kept for a sweep as it is now, by history.

    Those of a search with another number of runs, as before it was extended, are left out.

    Args:
        home: The store's folder.
        sweep: Which sweep.
        root_seed: Of the histories; None for those that were searched last.
    """
    try:
        lines = (folder_of(home, sweep.id) / "winners.jsonl").read_text("utf-8").splitlines()
    except OSError:
        return ()
    kept = [winner for line in lines if (winner := _read(line)) and winner.n_runs == sweep.n_created]
    if root_seed is None and kept:
        root_seed = kept[-1].root_seed
    found = {winner.history: winner for winner in kept if winner.root_seed == root_seed}
    return tuple(found[history] for history in sorted(found))


def _read(line: str) -> PermutedWinner | None:
    try:
        found: Mapping[str, Any] = json.loads(line)
        return PermutedWinner(**found)
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
    found: Sequence[PermutedWinner] = winners(home, sweep)
    return None if winner is None or not found else PermutedSearch(winner, metric, tuple(found))
