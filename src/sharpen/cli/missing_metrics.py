"""Warnings of names that no program logs, given as soon as the first run shows it."""

from __future__ import annotations

from collections.abc import Collection

from sharpen import spec
from sharpen.cli.live import View
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep.missing_metric import instead
from sharpen.trial import TrialState


class Warnings:
    """What the first runs of a sweep show to be wrong with the names in its file; each is said once.

    Args:
        reader: The store.
        sweep: Which sweep.
    """

    def __init__(self, reader: Reader, sweep: SweepRow) -> None:
        self._reader = reader
        self._spec = spec.parse(sweep.spec, where=sweep.source)
        named = (*self._spec.metrics[1:], *self._spec.constraints, self._spec.cost_metric)
        self._awaits_finished = any(named)
        self._awaits_failed = True
        self._n_failed = 0

    def look(self, now: SweepRow, view: View) -> None:
        """Look whether a run has ended that shows something, and say it.

        Args:
            now: The sweep at this moment.
            view: Where to say it.
        """
        n_failed, n_finished = now.n_runs.get(TrialState.FAILED, 0), now.n_runs.get(TrialState.FINISHED, 0)
        if self._awaits_failed and n_failed > self._n_failed:
            self._n_failed = n_failed
            # an exit code of 0 is a failure only for want of the metric
            silent = [run for run in self._ended(now.id, TrialState.FAILED) if run.exit_code == 0]
            if silent:
                self._awaits_failed = False
                view.warn(f"warning: run {silent[0].number} failed: {silent[0].reason}")
        if self._awaits_finished and n_finished:
            self._awaits_finished = False
            first = self._ended(now.id, TrialState.FINISHED)[0]
            logged = self._reader.long_runs.last_metrics(first.id).keys()
            for complaint in (*_never_logged(self._spec, logged), *_no_cost(self._spec, first, logged)):
                view.warn(f"warning: run {first.number} finished, but {complaint}")

    def _ended(self, sweep_id: str, state: TrialState) -> list[RunRow]:
        """Return the runs in a state, in the order of ending."""
        runs = [run for run in self._reader.runs(sweep_id) if run.state == state]
        return sorted(runs, key=lambda run: run.ended_at or 0.0)


def _no_cost(sweep: spec.Sweep, run: RunRow, names: Collection[str]) -> list[str]:
    """Return a sentence when a run logged what it costs, and that is none."""
    if run.cost is not None or sweep.cost_metric not in names:
        return []
    return [f"{sweep.cost_metric}, which cost_metric names, was no number above 0: its cost is not known"]


def _never_logged(sweep: spec.Sweep, names: Collection[str]) -> list[str]:
    """Return a sentence for each metric, constraint and cost of a sweep whose name a program did not log.

    Args:
        sweep: The sweep file.
        names: What the program logged.
    """
    why_needed = {sweep.cost_metric: "which cost_metric names"} if sweep.cost_metric else {}
    why_needed |= {c.metric: "which constraints bounds" for c in sweep.constraints}
    why_needed |= {metric.name: "which metrics names" for metric in sweep.metrics}
    why_needed = {name: why for name, why in why_needed.items() if name not in names}
    return [f"it never logged {name}, {why}{instead(name, names)}" for name, why in why_needed.items()]
