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


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.floats(-9.0, 9.0)), min_size=1, max_size=5, unique_by=lambda r: r[0]
    ),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.booleans()), max_size=20),
)
def test_reports_that_are_elsewhere_are_as_if_they_were_here(
    head: list[tuple[int, float]], more: list[tuple[int, int, bool]]
) -> None:
    """Whichever value is gone on from, and whoever looks at one of them in between."""
    head = sorted(head)
    reads: list[int] = []
    unread = ReportLog.unread(Report(*head[-1]), lambda: reads.append(1) or iter(head))
    pairs: list[tuple[ReportLog, ReportLog]] = [(unread, ReportLog.of(head))]
    for step, parent, looks in more:
        log, plain = pairs[parent % len(pairs)]
        if looks:
            assert log.up_to(step) == plain.up_to(step)
            pairs.append((log.up_to(step), plain.up_to(step)))
        pairs.append((ReportLog.after(log, Report(step, 0.5)), ReportLog.after(plain, Report(step, 0.5))))
    for log, plain in pairs:
        assert bool(log) == bool(plain)
        assert log[-1:] == plain[-1:]
        assert (tuple(log), len(log), log.best) == (tuple(plain), len(plain), plain.best)
    assert len(reads) <= 1


def test_a_run_goes_on_from_reports_that_nobody_reads() -> None:
    def read() -> Iterator[tuple[int, float]]:
        raise AssertionError("nobody wanted them")

    log = ReportLog.unread(Report(3, 0.25), read)
    for step in range(4, 9):
        assert log[-1].step == step - 1
        log = ReportLog.after(log, Report(step, 0.5))
    assert log
    assert log[-1] == Report(8, 0.5)
