"""What a store has tried: the trials of each sweep, and figures of their returns, each file read once."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sharpen.errors import DataError, StoreError
from sharpen.facts import BarsFacts
from sharpen.overfit import moments
from sharpen.regular_file import read_text
from sharpen.store.blobs import check_file
from sharpen.store.queries import Reader
from sharpen.store.rows import ArtifactRow, RunRow, SweepRow
from sharpen.trial import TrialState
from sharpen.views.returns import Series, read_file, returns_files

CACHE = "cache/returns.json"
N_FIGURES = 6


def content_of(series: Series) -> str:
    """Return a hash of the times and the returns, whatever file they are in."""
    return hashlib.sha256(series.time.tobytes() + series.returns.tobytes()).hexdigest()


def market_of(series: Series) -> str:
    """Return a hash of the times and of what buy-and-hold made."""
    return hashlib.sha256(series.time.tobytes() + series.baseline.tobytes()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ReturnsFigures:
    """What a returns file comes to.

    Attributes:
        content: Hash of the times and the returns, whatever the file looks like.
        sharpe: Per-bar Sharpe ratio; NaN where undefined.
        n_bars: How many bars.
        first: Time of the first, ISO 8601; empty without a bar.
        last: Time of the last.
        market: Hash of the times and of what buy-and-hold made.
    """

    content: str
    sharpe: float
    n_bars: int
    first: str = ""
    last: str = ""
    market: str = ""

    @classmethod
    def of(cls, series: Series) -> ReturnsFigures:
        """Return the figures of a series of returns."""
        ends = [str(series.time[at].astype("datetime64[s]")) for at in (0, -1)] if len(series.time) else []
        first, last = ends or ("", "")
        sharpe = moments(series.returns).sharpe
        return cls(content_of(series), sharpe, len(series.time), first, last, market_of(series))


@dataclass(frozen=True, slots=True)
class SweepTrials:
    """What one sweep has tried.

    Attributes:
        sweep: As stored.
        runs: Every run that was started and reported once or ended, deleted ones among them.
        figures: Of the returns that were kept, by the run's id.
        bars: What the runs say of their bars, without notes, each once.
        files: Of the returns that ``figures`` has, by the run's id.
    """

    sweep: SweepRow
    runs: tuple[RunRow, ...]
    figures: Mapping[str, ReturnsFigures]
    bars: frozenset[BarsFacts]
    files: Mapping[str, ArtifactRow] = field(default_factory=dict[str, ArtifactRow])


def was_tried(run: RunRow, has_reported: bool) -> bool:
    """Return whether a run counts as tried: it was started, and reported once or ended."""
    return run.started_at is not None and (has_reported or TrialState(run.state).is_final)


def trials_of(
    reader: Reader, sweep: SweepRow, cache: FiguresCache, ever: Sequence[RunRow] | None = None
) -> SweepTrials:
    """Return what a sweep has tried, in the order of its runs.

    Args:
        reader: The store.
        sweep: Which sweep; a deleted one, too.
        cache: Figures that are known already; new ones are added.
        ever: All of its runs, deleted ones too, where they have been read.
    """
    ever = reader.runs(sweep.id, deleted=True) if ever is None else ever
    reported = reader.progress(sweep.id) if any(run.state == TrialState.RUNNING for run in ever) else {}
    runs = tuple(run for run in ever if was_tried(run, run.id in reported))
    files = returns_files(reader.artifacts(sweep_id=sweep.id, deleted=True))
    figures = {run.id: cache.figures(files[run.id]) for run in runs if run.id in files}
    usable = {run_id: run_figures for run_id, run_figures in figures.items() if run_figures is not None}
    return SweepTrials(
        sweep=sweep,
        runs=runs,
        figures=usable,
        files={run_id: files[run_id] for run_id in usable},
        bars=frozenset(seen(run.summary, figures.get(run.id)) for run in runs),
    )


def seen(summary: Mapping[str, Any], figures: ReturnsFigures | None) -> BarsFacts:
    """Return what a run says of its bars; the span of its returns where it does not say a time."""
    facts = BarsFacts.of_summary(summary)
    first, last = (figures.first, figures.last) if figures else ("", "")
    return replace(facts, notes=(), first=facts.first or first, last=facts.last or last)


class FiguresCache:
    """Figures of returns by the hash of their file, kept in the store's folder, which may be read-only."""

    def __init__(self, home: Path) -> None:
        self._path = home / CACHE
        self._known = _read(self._path)
        self._is_changed = False

    def figures(self, file: ArtifactRow) -> ReturnsFigures | None:
        """Return the figures of a file; None when its returns cannot be used."""
        computed = self._known.get(file.digest)
        if computed is None:
            try:
                check_file(file.path, file.digest)
                computed = ReturnsFigures.of(read_file(file.path))
            except (DataError, StoreError):
                return None
            self._known[file.digest] = computed
            self._is_changed = True
        return computed

    def save(self) -> None:
        """Keep what is new for the next time; where nothing can be written, it is worked out again."""
        if not self._is_changed:
            return
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            draft.write_text(json.dumps({digest: _row(computed) for digest, computed in self._known.items()}))
            draft.chmod(0o600)
            draft.replace(self._path)


def _row(returns_figures: ReturnsFigures) -> list[Any]:
    sharpe = returns_figures.sharpe if math.isfinite(returns_figures.sharpe) else None
    return [
        returns_figures.content,
        sharpe,
        returns_figures.n_bars,
        returns_figures.first,
        returns_figures.last,
        returns_figures.market,
    ]


def _read(path: Path) -> dict[str, ReturnsFigures]:
    try:
        rows: dict[str, Sequence[Any]] = json.loads(read_text(path))
        return {
            digest: ReturnsFigures(row[0], math.nan if row[1] is None else row[1], *row[2:])
            for digest, row in rows.items()
            if len(row) == N_FIGURES  # of an earlier version
        }
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}  # none yet, or not ours: it is only a shortcut
