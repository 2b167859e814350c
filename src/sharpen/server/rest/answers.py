"""The answers: from the store to values. Each takes the words of the request by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sharpen.errors import NotFound, StoreError
from sharpen.registry.best_version import names_of_versions
from sharpen.report import formatting
from sharpen.server.pages import run as run_page
from sharpen.server.pages.analysis import Analyses
from sharpen.server.pages.projects import (
    ProjectQuery,
    parsed,
    project_of,
    project_runs,
    projects,
    sweeps_of,
)
from sharpen.server.rest import values
from sharpen.server.store_access import Engine
from sharpen.server.wandb.context import DEFAULT_PROJECT
from sharpen.store.blobs import checked_path
from sharpen.store.collection_rows import VersionRow, aliases, collections, versions
from sharpen.store.rows import ArtifactRow, SweepRow, TrackedRun
from sharpen.store.version_contents import StoredFile
from sharpen.trial import TrialState
from sharpen.views.run_lines import RunLine, best_line, ordered, run_lines

STEERING = {"pause": "pause", "resume": "reopen", "stop": "stop", "cancel": "cancel"}


class Answers:
    """Answers requests.

    Args:
        engine: The store.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.reader
        self._analyses = Analyses(engine.reader)

    def list_projects(self) -> values.Projects:
        """Return every project."""
        lines = projects(self._reader)
        return values.Projects(
            [values.Project(one.name, len(one.sweeps), one.n_runs, one.newest_at) for one in lines]
        )

    def list_project_runs(self, project: str, state: str, text: str, page: int) -> values.ProjectRuns:
        """Return a page of 50 of a project's runs, the newest first."""
        ids = [sweep.id for sweep in sweeps_of(self._reader, project)]
        lines, total = project_runs(
            self._reader, project, ids, ProjectQuery(state, text.strip(), False, page)
        )
        return values.ProjectRuns(
            total,
            [
                values.ProjectRun(one.id, one.name, one.state, one.sweep_id, one.score, one.created_at)
                for one in lines
            ],
        )

    def list_sweeps(self, project: str, status: str, limit: int, offset: int) -> values.Sweeps:
        """Return a part of the sweeps, the newest first."""
        every = reversed(self._reader.sweeps())
        fit = [s for s in every if status in ("", s.status) and project in ("", project_of(s))]
        return values.Sweeps(len(fit), [_sweep(one) for one in fit[offset : offset + limit]])

    def get_sweep(self, sweep: str) -> values.SweepDetails:
        """Return a sweep, its file, and its best run."""
        row = self._sweep(sweep)
        return values.SweepDetails(_sweep(row), row.spec, self._best(row))

    def list_runs(
        self, sweep: str, state: str, sort: str, order: str, limit: int, offset: int
    ) -> values.Runs:
        """Return a part of a sweep's runs, in any order; ``config.NAME`` sorts by a parameter."""
        fit = [run for run in run_lines(self._reader, self._sweep(sweep).id) if state in ("", run.state)]
        chosen = ordered(fit, sort, order == "desc")[offset : offset + limit]
        return values.Runs(len(fit), [_run(run) for run in chosen])

    def get_best(self, sweep: str) -> values.Run:
        """Return the best finished run of a sweep that kept every constraint."""
        row = self._sweep(sweep)
        best = self._best(row)
        if best is None:
            raise NotFound(
                f"sweep {row.id} has no best run: none finished with a score, or it has several metrics"
            )
        return best

    def get_verdict(self, sweep: str) -> values.Verdict:
        """Return whether a sweep's best run is real; it may take seconds the first time."""
        analysis = self._analyses.verdict(self._sweep(sweep))
        judged = analysis.judgement
        return values.Verdict(
            kind=judged.kind,
            label=formatting.label(judged.kind, bool(analysis.doubts)),
            headline=judged.headline,
            details=judged.details,
            n_trials=judged.n_trials,
            deflated_sharpe=judged.dsr,
            deflated_sharpe_of_excess=judged.dsr_excess,
            probability_of_overfitting=judged.pbo,
            checks=[values.Check(c.name, c.figure, c.threshold, c.outcome) for c in judged.checks],
            doubts=[f"{doubt.topic}: {doubt.sentence}" for doubt in analysis.doubts],
            best=None if analysis.best is None else analysis.best.run.id,
        )

    def pause_sweep(self, sweep: str) -> values.Steered:
        """Let no run of a sweep begin until it is resumed."""
        return self._steer(sweep, "pause")

    def resume_sweep(self, sweep: str) -> values.Steered:
        """Let runs of a sweep begin again."""
        return self._steer(sweep, "resume")

    def stop_sweep(self, sweep: str) -> values.Steered:
        """End a sweep after the runs that are at work."""
        return self._steer(sweep, "stop")

    def cancel_sweep(self, sweep: str) -> values.Steered:
        """End a sweep and its runs, now."""
        return self._steer(sweep, "cancel")

    def get_run(self, run: str) -> values.RunDetails:
        """Return everything that is kept of a run but its history, log and files."""
        row = self._run(run)
        rows, n_rows = run_page.history(self._reader, row)
        return values.RunDetails(
            id=row.id,
            project=self._project(row),
            sweep_id=row.sweep_id,
            number=row.number,
            name=row.display_name or row.id,
            group=row.group_name,
            job_type=row.job_type,
            state=row.state,
            reason=row.reason,
            config=row.config,
            summary=run_page.summary(self._reader, row, rows),
            exit_code=row.exit_code,
            n_rows=n_rows,
            note=row.note,
            tags=list(row.tags),
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )

    def get_history(self, run: str, first: int, limit: int, points: int) -> values.History:
        """Return what a run logged, from a line on; with ``points``, so many rows evenly spread."""
        row = self._run(run)
        if row.n_lines:
            rows = self._reader.tracked.history(row.id, first, limit, points or None)
            lines = [values.HistoryLine(r.line, r.step, dict(r.metrics), r.at) for r in rows]
            n = row.n_lines
        else:
            n = row.n_reports
            reports = self._reader.long_runs.between(row.id, 0, None, limit, first) if first < n else []
            numbered = enumerate(reports, first)
            lines = _spread(
                [values.HistoryLine(k, r.step, dict(r.metrics), r.at) for k, r in numbered], points
            )
        end = first + limit
        return values.History(n, lines, end if end < n else None)

    def get_log(self, run: str, first: int) -> values.Log:
        """Return what a run printed, from a line on."""
        return values.Log(self._reader.console(self._run(run).id, first))

    def list_files(self, run: str) -> values.Files:
        """Return the files kept with a run."""
        return values.Files([_file(row) for row in self._files(run)])

    def get_file(self, run: str, name: str) -> Path:
        """Return the content of a file kept with a run; it is checked first."""
        file = next((row for row in self._files(run) if row.name == name), None)
        if file is None:
            raise NotFound(f"run {run[:80]!r} has no file {name[:80]!r}")
        try:
            return checked_path(self._engine.home, file.digest)
        except StoreError as problem:
            raise NotFound(problem.message) from problem

    def cancel_run(self, run: str) -> values.CanceledRun:
        """End a run, now."""
        row = self._run(run)
        reply = self._engine.call("cancel_run", run_id=row.id, reason="canceled over REST")
        return values.CanceledRun(row.id, str(reply.get("state", TrialState.RUNNING)))

    def list_models(self) -> values.Models:
        """Return every collection of models and other artifacts."""
        return values.Models([self._model(name, kind) for name, kind in collections(self._reader).items()])

    def get_model(self, name: str) -> values.ModelDetails:
        """Return a collection with its versions, the newest first."""
        kind = collections(self._reader).get(name)
        if kind is None:
            raise NotFound(f"there is no model {name[:80]!r}")
        pointed = names_of_versions(self._reader, name)
        newest_first = reversed(versions(self._reader, name))
        listed = [_version(row, pointed.get(row.version, [])) for row in newest_first]
        return values.ModelDetails(self._model(name, kind), listed)

    def _model(self, name: str, kind: str) -> values.Model:
        pointed = {row.alias: row.version for row in aliases(self._reader, name)}
        return values.Model(name, kind, len(versions(self._reader, name)), pointed)

    def _steer(self, sweep: str, verb: str) -> values.Steered:
        row = self._sweep(sweep)
        more = {"reason": "canceled over REST"} if verb == "cancel" else {}
        self._engine.call(STEERING[verb], sweep_id=row.id, **more)
        return values.Steered(row.id, self._reader.sweep(row.id).status)

    def _sweep(self, name: str) -> SweepRow:
        row = self._reader.sweep(name)
        if row.id != name:
            raise NotFound(f"there is no sweep {name[:80]!r}")
        return row

    def _run(self, name: str) -> TrackedRun:
        row = self._reader.tracked.run(name)
        if row is None:
            raise NotFound(f"there is no run {name[:80]!r}")
        return row

    def _project(self, run: TrackedRun) -> str:
        if run.sweep_id is None:
            return run.project or DEFAULT_PROJECT
        return project_of(self._reader.sweep(run.sweep_id, deleted=True))

    def _files(self, run: str) -> list[ArtifactRow]:
        return self._reader.artifacts(run_id=self._run(run).id)

    def _best(self, row: SweepRow) -> values.Run | None:
        read, _ = parsed(row.spec, row.source)
        if read is None or not read.has_metric or len(read.metrics) > 1:
            return None
        line = best_line(read.metric, run_lines(self._reader, row.id))
        return None if line is None else _run(line)


def _sweep(row: SweepRow) -> values.Sweep:
    read, _ = parsed(row.spec, row.source)
    has_metric = read is not None and read.has_metric
    return values.Sweep(
        id=row.id,
        name=row.name,
        project=project_of(row),
        status=row.status,
        reason=row.reason,
        method=read.method if read is not None else None,
        metric=read.metric.name if read is not None and has_metric else None,
        goal=read.metric.goal if read is not None and has_metric else None,
        seed=row.seed,
        run_cap=row.run_cap,
        n_runs=row.n_runs,
        n_deleted=row.n_deleted,
        created_at=row.created_at,
        ended_at=row.ended_at,
        note=row.note,
        tags=list(row.tags),
    )


def _run(run: RunLine) -> values.Run:
    fields = run._asdict()
    del fields["violation"]
    return values.Run(**fields)


def _file(row: ArtifactRow | StoredFile) -> values.File:
    kind: Any = row.type if isinstance(row, ArtifactRow) else "file"
    return values.File(row.name, kind, row.digest, row.n_bytes)


def _version(row: VersionRow, pointed: Sequence[str]) -> values.Version:
    return values.Version(
        name=row.name,
        version=row.version,
        digest=row.digest,
        aliases=list(pointed),
        run_id=row.run_id,
        author=row.author,
        created_at=row.created_at,
        figures=dict(row.figures),
        files=[_file(file) for file in row.files],
    )


def _spread(lines: list[values.HistoryLine], points: int) -> list[values.HistoryLine]:
    if not points or len(lines) <= points:
        return lines
    if points == 1:
        return lines[-1:]
    last = len(lines) - 1
    return [lines[last * k // (points - 1)] for k in range(points)]
