"""What a run at work had logged before this process began: in the store until somebody wants it.

A run may have logged a million steps. A new host needs the last one of them, unless a stop rule or a search
method looks at the others.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

from sharpen.report_log import ReportLog
from sharpen.spec import Metric
from sharpen.store.queries import Reader
from sharpen.store.takeover import LastValue, Series
from sharpen.trial import Report, finite

NONE = ReportLog.of(())


@dataclass(frozen=True, slots=True)
class LiveReports:
    """The reports of the newest lease of one run.

    Attributes:
        reader: The store.
        run_id: The run.
        token: Of the lease.
    """

    reader: Reader
    run_id: str
    token: int
    _watched: dict[str, Series] = field(default_factory=dict[str, Series])

    def of_metric(self, metric: Metric, last: LastValue) -> ReportLog:
        """Return the reports of the sweep's metric, turned so that larger is better.

        Args:
            metric: Which metric.
            last: Where they end.
        """
        if last.step is None:
            return NONE
        turn = metric.larger_is_better
        value = turn(finite(last.value))

        def read() -> Iterator[tuple[int, float]]:
            steps, values = self.reader.takeover.values(self.run_id, self.token, last.step or 0)
            return zip(steps, map(turn, values), strict=True)

        return ReportLog.unread(Report(last.step, value), read)

    def of_watched(
        self, logged: Mapping[str, tuple[int, Any]], names: Collection[str]
    ) -> dict[str, ReportLog]:
        """Return what was logged under each watched name, as numbers.

        Args:
            logged: Step and value of what the run logged last under each name.
            names: Those that are watched.
        """
        return {
            name: ReportLog.unread(
                Report(step, finite(value)), partial(self._read_watched, tuple(names), name, step)
            )
            for name, (step, value) in logged.items()
            if name in names
        }

    def watched_up_to(self, names: Collection[str], step: int) -> dict[str, ReportLog]:
        """Return what was logged under each watched name up to a step; it is read at once."""
        logs = {name: ReportLog.of(self._read_watched(tuple(names), name, step)) for name in names}
        return {name: log for name, log in logs.items() if log}

    def _read_watched(self, names: tuple[str, ...], name: str, up_to: int) -> list[tuple[int, float]]:
        if not self._watched:
            take = partial(_series, names)
            self._watched.update(self.reader.takeover.metrics(self.run_id, self.token, take))
        return [pair for pair in zip(*self._watched[name], strict=True) if pair[0] <= up_to]


def _series(names: tuple[str, ...], batches: Iterator[Sequence[tuple[int, str]]]) -> dict[str, Series]:
    series: dict[str, Series] = {name: (array("q"), array("d")) for name in names}
    for step, text in chain.from_iterable(batches):
        metrics = json.loads(text)
        for name, (steps, values) in series.items():
            if name in metrics:
                steps.append(step)
                values.append(finite(metrics[name]))
    return series
