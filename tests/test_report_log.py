"""The reports of a run at work: a tuple's answers, whoever goes on from which value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.report_log import ReportLog
from sharpen.stoppers import Stopper
from sharpen.stoppers.hyperband import Hyperband
from sharpen.stoppers.median import Median
from sharpen.stoppers.reports import best_value, mean_through
from sharpen.trial import Report, Trial, TrialState


@given(st.lists(st.integers(0, 50), max_size=30), st.slices(8))
def test_every_value_stays_what_it_was_whichever_is_gone_on_from(parents: list[int], part: slice) -> None:
    """As after a commit that failed: the coordinator goes on from an older value."""
    values: list[ReportLog] = [ReportLog.after((), Report(0, 0.0))]
    expected = [(Report(0, 0.0),)]
    for step, parent in enumerate(parents, 1):
        n = parent % len(values)
        values.append(ReportLog.after(values[n], Report(step, step / 2)))
        expected.append((*expected[n], Report(step, step / 2)))
    for value, reports in zip(values, expected, strict=True):
        assert tuple(value) == reports
        assert value == reports
        assert reports == value
        assert len(value) == len(reports)
        assert value[part] == reports[part]
        assert [value[i] for i in range(-len(reports), len(reports))] == [*reports, *reports]
        assert repr(value) == repr(reports)
        for place in (len(reports), -len(reports) - 1):
            with pytest.raises(IndexError):
                value[place]


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-9.0, 9.0)), max_size=20), st.integers(-1, 10))
def test_reports_are_in_the_order_of_steps_and_the_newest_of_a_step_counts(
    rows: list[tuple[int, float]], last_step: int
) -> None:
    log: Sequence[Report] = ()
    snapshots: list[tuple[Sequence[Report], list[Report]]] = []
    known: dict[int, float] = {}
    for step, value in rows:
        log = ReportLog.after(log, Report(step, value))
        known[step] = value
        snapshots.append((log, [Report(*pair) for pair in sorted(known.items())]))
    for log, expected in snapshots:
        assert isinstance(log, ReportLog)
        assert list(log) == expected
        kept = log.up_to(last_step)
        assert list(kept) == [report for report in expected if report.step <= last_step]
        assert kept.best == best_value(tuple(kept))
        for n in range(1, len(log) + 1):
            assert mean_through(log, n, "each") == mean_through(tuple(log), n, "each")


def test_what_is_not_finite_is_below_all_numbers() -> None:
    log = ReportLog.of([(1, math.nan), (2, 0.5), (3, math.inf)])
    assert (log.best, log.up_to(1).best, log.up_to(0).best) == (0.5, -math.inf, -math.inf)
    assert (log.sum_of(2), math.isnan(log[0].value)) == (-math.inf, True)


class Counted(ReportLog):
    """Counts what is read of it."""

    __slots__ = ()
    n_read = 0

    def __iter__(self) -> Iterator[Report]:
        Counted.n_read += len(self)
        return super().__iter__()

    def __getitem__(self, index: Any) -> Any:
        Counted.n_read += len(range(*index.indices(len(self)))) if isinstance(index, slice) else 1
        return super().__getitem__(index)


@pytest.mark.parametrize(
    "rule", [Hyperband(min_iter=3, strict=False), Hyperband(min_iter=3), Median(values="each")]
)
def test_a_rule_reads_a_few_reports_of_a_run_however_long_it_is(rule: Stopper) -> None:
    """The cost of a report must not grow with the run's length."""
    trial = Trial(1, {}, TrialState.RUNNING, Counted.of((step, 0.5) for step in range(100_000)))
    Counted.n_read = 0
    assert not rule.should_stop(trial, [trial]).stop
    assert Counted.n_read < 20
