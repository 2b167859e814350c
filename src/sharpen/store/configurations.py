"""Runs as stored, put together by the configuration that they are repeats of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sharpen.seeds import repeat_seed
from sharpen.spec import Metric
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import RERUN, fold
from sharpen.trial import Trial, TrialState, best


@dataclass(frozen=True, slots=True)
class Configuration:
    """The runs of one configuration, by number, and what they come to.

    Attributes:
        row: As a run that goes by the first one's name: its score is the mean, and it has finished when all
            of its runs have. Without repeats it is the run itself. One that a run was deleted from is
            canceled once the others have ended, and has no score.
        runs: Those that it has so far; deleted ones are not among them.
    """

    row: RunRow
    runs: tuple[RunRow, ...]

    @property
    def scores(self) -> tuple[float, ...]:
        """The scores that the row's is the mean of, the lowest first."""
        return tuple(sorted(run.score for run in self.runs if run.score is not None))


def configurations(runs: Sequence[RunRow], repeats: int) -> list[Configuration]:
    """Return the configurations of a sweep in the order in which they were proposed.

    With repeats, reruns are left out: they are looks at one seed, and no configuration is judged by one. A
    configuration whose every run has been deleted is left out, too.

    Args:
        runs: Those of a sweep, by number, deleted ones among them.
        repeats: How many runs each configuration is to have.
    """
    if repeats == 1:
        return [Configuration(run, (run,)) for run in runs if run.deleted_at is None]
    groups: dict[int, list[RunRow]] = {}
    for run in runs:
        if run.origin != RERUN:
            groups.setdefault(run.repeat_of or run.number, []).append(run)
    left = {first: tuple(run for run in group if run.deleted_at is None) for first, group in groups.items()}
    return [
        Configuration(_row(group, left[first], repeats), left[first])
        for first, group in groups.items()
        if left[first]
    ]


def undeleted(runs: Iterable[RunRow]) -> list[RunRow]:
    """Return runs as if none of them had been deleted: what was tried stays tried."""
    return [run if run.deleted_at is None else replace(run, deleted_at=None) for run in runs]


def winner(candidates: Iterable[Configuration], metric: Metric) -> Configuration | None:
    """Return the configuration whose row is :func:`sharpen.trial.best`; None without one."""
    groups = {one.row.number: one for one in candidates}
    row = best([one.row for one in groups.values()], metric.larger_is_better)
    return None if row is None else groups[row.number]


def seed_of(sweep: SweepRow, run: RunRow) -> int:
    """Return the seed that a run's program got."""
    return repeat_seed(sweep.seed, run.repeat)


def _row(ever: Sequence[RunRow], runs: Sequence[RunRow], repeats: int) -> RunRow:
    folded = fold(1, [_trial(run) for run in ever], repeats)
    gone = ", ".join(str(run.number) for run in ever if run.deleted_at is not None)
    reasons = [run.reason for run in runs if run.state == folded.state]
    if gone and folded.state is TrialState.CANCELED:
        reasons = [f"run {gone} was deleted"]
    starts = [run.started_at for run in runs if run.started_at is not None]
    ends = [run.ended_at for run in runs if run.ended_at is not None]
    return replace(
        runs[0],
        state=folded.state.value,
        reason=next(iter(reasons), ""),
        score=folded.score,
        scores=folded.scores,
        violation=folded.violation,
        lost=sum(run.lost for run in runs),
        started_at=min(starts, default=None),
        ended_at=max(ends, default=None) if folded.state.is_final else None,
        summary=_summary(runs),
    )


def _trial(run: RunRow) -> Trial:
    """Return a run as one of a mean, which does not care which way is better; a deleted one as canceled."""
    if run.deleted_at is not None:
        return Trial(run.number, run.config, TrialState.CANCELED)
    return Trial(
        number=run.number,
        config=run.config,
        state=TrialState(run.state),
        score=run.score,
        scores=run.scores,
        violation=run.violation,
    )


def _summary(runs: Sequence[RunRow]) -> dict[str, object]:
    """Return what any of the runs said, the first one's words before those of its repeats."""
    summary: dict[str, object] = dict(runs[0].summary)
    for run in runs[1:]:
        summary |= {name: value for name, value in run.summary.items() if summary.get(name) is None}
    return summary
