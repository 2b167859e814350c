"""Policies beside baselines: what they saved, read from the store and put before the judge."""

from __future__ import annotations

from collections.abc import Sequence

from sharpen.overfit import judge_policy
from sharpen.report.model import Entry
from sharpen.report.returns import ReturnsVerdict
from sharpen.spec import Sweep
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.views.family import Family
from sharpen.views.savings import comparisons_of


def find_policy(
    reader: Reader, best: Entry | None, ever: Sequence[RunRow], parsed: Sweep, tried: Family
) -> ReturnsVerdict | None:
    """Return the verdict on the best of a sweep's policies; None where it has not kept what it saved.

    All policies that were tried on these bars count, stopped and deleted ones and those of other sweeps, too.

    Args:
        reader: The store.
        best: The best finished run.
        ever: Every run of the sweep, deleted ones among them.
        parsed: The sweep's file.
        tried: What this sweep and the others on its bars have tried.
    """
    if best is None:
        return None
    comparisons = comparisons_of(reader, best.number, ever, parsed, tried)
    if not comparisons:
        return None
    return ReturnsVerdict(
        judge_policy(comparisons, max(tried.n_tried(), comparisons[0].n_tried), tried.related(best.run))
    )
