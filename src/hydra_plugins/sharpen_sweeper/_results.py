"""The files of a sweep's folder, as Hypersweeper's users know them; all of them follow from the store."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hydra_plugins.sharpen_sweeper._settings import Settings
from hydra_plugins.sharpen_sweeper._translation import EVALUATION, METRIC
from sharpen import spec
from sharpen.facts import INFEASIBLE, OUT_OF_MEMORY, SMALLER
from sharpen.store.configurations import configurations, winner
from sharpen.store.queries import UNENDED, Reader
from sharpen.store.rows import ReportRow, RunRow
from sharpen.trial import TrialState

log = logging.getLogger("sharpen.hydra")

RUNHISTORY, INCUMBENT, FINAL = "runhistory.csv", "incumbent.csv", "final_config.yaml"


Compose = Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], Mapping[str, Any]]]
"""From what the search chose to a job's configuration with its groups in it, and the values that are left."""


class Results:
    """Writes what has ended, each run once, by appending: who follows a file sees every line.

    Args:
        reader: The store.
        sweep_id: Whose runs.
        folder: Where the files are.
        settings: The sweep's.
        compose: What makes a job's configuration of what the search chose.
    """

    def __init__(
        self, reader: Reader, sweep_id: str, folder: Path, settings: Settings, compose: Compose
    ) -> None:
        self._reader, self._sweep_id, self._folder = reader, sweep_id, folder
        self._settings, self._compose = settings, compose
        self._base = compose({})[0]
        self._names = list(settings.space.parameters)
        self._metric = spec.parse(reader.sweep(sweep_id).spec).metric
        self._written = _column(folder / RUNHISTORY, "config_id")
        self._incumbents = _column(folder / INCUMBENT, "config_id")
        self.best: float | None = None
        self.best_run = ""
        (folder / "checkpoints").mkdir(exist_ok=True)

    def update(self) -> None:
        """Write what has ended since the last time."""
        runs = self._reader.runs(self._sweep_id)
        ended = [run for run in runs if run.state not in UNENDED]
        ended.sort(key=lambda run: (run.ended_at or 0.0, run.number))
        fresh = [run for run in ended if str(run.number) not in self._written]
        reports: dict[str, list[ReportRow]] = {}
        for report in self._reader.reports(run_ids=[run.id for run in fresh]):
            reports.setdefault(report.run_id, []).append(report)
        rows = [row for run in fresh for row in self._rows(run, reports.get(run.id, []))]
        _append(self._folder / RUNHISTORY, _HISTORY + self._names, rows)
        self._written.update(str(run.number) for run in fresh)
        for run in fresh:
            log.info("run %s: %s", run.id, _sentence(run))
        self._follow_incumbent(ended)

    def _rows(self, run: RunRow, reports: list[ReportRow]) -> Iterator[dict[str, Any]]:
        """Yield a row for each evaluation; one without a performance for a run that has none."""
        s = self._settings
        budget = 1.0 if run.fidelity is None else run.fidelity
        about = {"config_id": run.number, "budget": budget, **self._hyperparameters(run)}
        by_job = [report.metrics for report in reports if EVALUATION in report.metrics]
        for metrics in by_job or [{}]:
            yield {
                "fold_id": metrics.get(f"{EVALUATION}/{s.fold_keyword}", self._base.get(s.fold_keyword, 0)),
                "seed": metrics.get(f"{EVALUATION}/{s.seed_keyword}", self._base.get(s.seed_keyword, 0)),
                "performance": metrics.get(EVALUATION, "nan"),
                **about,
            }

    def _hyperparameters(self, run: RunRow) -> dict[str, Any]:
        """Return what the run had: the parameter that holds the budget has a column of its own."""
        return {name: value for name, value in _had(run).items() if name in self._names}

    def _follow_incumbent(self, ended: list[RunRow]) -> None:
        incumbent = winner(configurations(sorted(ended, key=lambda run: run.number), 1), self._metric)
        if incumbent is None:
            return
        run = incumbent.row
        self.best, self.best_run = run.score, run.id
        if self._incumbents and self._incumbents[-1:] == [str(run.number)]:
            return
        self._incumbents.append(str(run.number))
        spent = sum(1.0 if one.fidelity is None else one.fidelity for one in ended)
        busy_s = sum(one.ended_at - one.started_at for one in ended if one.ended_at and one.started_at)
        row = {
            "config_id": run.number,
            "budget": 1.0 if run.fidelity is None else run.fidelity,
            "performance": run.score,
            "budget_used": spent,
            "total_wallclock_time": round(_span_s(ended), 3),
            "total_optimization_time": round(busy_s, 3),
            **self._hyperparameters(run),
        }
        self._write_final(run)
        _append(self._folder / INCUMBENT, _INCUMBENT + self._names, [row])

    def _write_final(self, run: RunRow) -> None:
        """Write the configuration of a job with the incumbent's values in it."""
        base, values = self._compose(_had(run))
        final: dict[str, Any] = dict(base)
        if (budget := run.fidelity) is not None and self._settings.budget_variable:
            whole = int(budget) if float(budget).is_integer() else budget
            _set(final, self._settings.budget_variable.split("."), whole)
        for name, value in values.items():
            _set(final, name.split("."), value)
        draft = self._folder / f".{FINAL}"
        draft.write_text(yaml.safe_dump(final, sort_keys=False))
        draft.replace(self._folder / FINAL)


_HISTORY = ["config_id", "budget", "fold_id", "seed", "performance"]
_INCUMBENT = [
    *("config_id", "budget", "performance", "budget_used", "total_wallclock_time"),
    "total_optimization_time",
]


def _had(run: RunRow) -> Mapping[str, Any]:
    """Return what the run was evaluated at, with keys that are no parameters but were made smaller."""
    return {**run.config, **run.summary.get(SMALLER, {})}


def _span_s(ended: Sequence[RunRow]) -> float:
    """Return the seconds from the first start to the last end, whoever has gone on with the sweep."""
    starts = [one.started_at for one in ended if one.started_at]
    return max(one.ended_at or 0.0 for one in ended) - min(starts) if starts else 0.0


def _sentence(run: RunRow) -> str:
    if run.score is not None:
        less = run.summary.get(OUT_OF_MEMORY)
        return f"{run.state}, {METRIC} {run.score:.6g}" + (f"; out of memory: {less}" if less else "")
    why = "infeasible" if run.state == TrialState.FINISHED else run.state
    reason = run.reason or run.summary.get(INFEASIBLE)
    return f"{why}: {reason}" if reason else why


def _set(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner: dict[str, Any] = dict(values.get(name) or {})
        values[name] = inner
        values = inner
    values[path[-1]] = value


class _Texts(list[str]):
    """The texts of a column."""

    def update(self, more: Iterator[str]) -> None:
        """Add some."""
        self.extend(more)


def _column(path: Path, name: str) -> _Texts:
    """Return the texts of a column of a file; none without the file."""
    if not path.exists():
        return _Texts()
    with path.open(newline="") as file:
        return _Texts(row[name] for row in csv.DictReader(file))


def _append(path: Path, names: list[str], rows: list[dict[str, Any]]) -> None:
    """Add rows to a file in one write, after the names of the columns where it is new."""
    buffer = io.StringIO(newline="")
    table = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    if not path.exists():
        table.writeheader()
    table.writerows(rows)
    with path.open("a", newline="") as file:
        file.write(buffer.getvalue())
