"""The question for the runs among which the best one of a sweep is, so that no other run is read."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from sharpen.spec import Metric
from sharpen.store import schema
from sharpen.trial import TrialState


def best_of_each_fidelity(
    sweep_id: str, metric: Metric, without: Collection[int]
) -> sa.Select[tuple[object]]:
    """Return the query of the earliest run with the best score of each fidelity.

    :func:`sharpen.trial.best` chooses among them.

    Args:
        sweep_id: The sweep's id.
        metric: What the scores are of.
        without: Numbers of runs that do not count.
    """
    r = schema.runs.c
    able = (
        *(r.sweep_id == sweep_id, r.deleted_at.is_(None), r.number.not_in(without)),
        *(r.state == TrialState.FINISHED, r.violation == 0, r.score.is_not(None)),
    )
    top = sa.func.max if metric.goal == "maximize" else sa.func.min
    tops = sa.select(r.fidelity, top(r.score).label("score")).where(*able).group_by(r.fidelity).subquery()
    is_top = sa.and_(r.score == tops.c.score, r.fidelity.is_not_distinct_from(tops.c.fidelity))
    firsts = sa.select(sa.func.min(r.number)).join(tops, is_top).where(*able).group_by(r.fidelity)
    return sa.select(schema.runs).where(r.sweep_id == sweep_id, r.number.in_(firsts))
