"""The reports of a run at work: a tuple's answers, whoever goes on from which value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.sweep.report_log import ReportLog
from sharpen.trial import Report


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
