"""Reading a store: what the command line, the report and a restarting coordinator want to know."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sharpen import spec
from sharpen.errors import NotFound, StoreError, UsageError
from sharpen.http import shown
from sharpen.run_ids import split_last_dash
from sharpen.store import schema
from sharpen.store.backends import backend_of
from sharpen.store.best_query import best_of_each_fidelity
from sharpen.store.blobs import blob_path
from sharpen.store.broken_rows import LATEST_S, check_keys, metadata_of
from sharpen.store.configurations import configurations, winner
from sharpen.store.console import overlaid
from sharpen.store.long_runs import LongRuns
from sharpen.store.machine_metrics import MachineReader
from sharpen.store.rows import (
    ArtifactRow,
    OpeningRow,
    ReportRow,
    RunRow,
    SweepRow,
    opening_row,
    report_row,
    run_row,
    sweep_row,
)
from sharpen.store.takeover import TakeoverReader
from sharpen.store.tracked_runs import TrackedReader
from sharpen.trial import TrialState, best

Answer = TypeVar("Answer")
AT_ONCE = 500  # runs in one question
ROWS_AT_ONCE = 4096  # in memory, of those that are taken batch by batch
UNENDED = (TrialState.PENDING, TrialState.RUNNING)


class Reader:
    """Questions to one store.

    Args:
        home: The store's folder.
        engine: An engine to use in place of a read-only one of its own.
    """

    def __init__(self, home: Path, engine: sa.Engine | None = None) -> None:
        self.home = home
        self._engine = engine or backend_of(home).open_reader(home)
        if engine is None:  # nobody else would close its connections
            weakref.finalize(self, self._engine.dispose)

    @property
    def tracked(self) -> TrackedReader:
        """What is asked of runs whether they belong to a sweep or not."""
        return TrackedReader(self._all, self.rows)

    @property
    def machine(self) -> MachineReader:
        """What is asked of the machines of runs."""
        return MachineReader(self._all)

    @property
    def takeover(self) -> TakeoverReader:
        """What a new host reads of a sweep's runs when it takes over the store."""
        return TakeoverReader(self._all, self._stream)

    @property
    def long_runs(self) -> LongRuns:
        """What is asked of runs of sweeps that may be long, without reading all that they logged."""
        return LongRuns(self._all, self._each, self.tracked.last_values)

    def sweeps(self, deleted: bool = False, damaged: list[str] | None = None) -> list[SweepRow]:
        """Return every sweep, the newest last; deleted ones only when they are asked for, too.

        Args:
            deleted: Whether deleted ones are wanted, too.
            damaged: Takes a sentence on each sweep that cannot be read, which is then left out.

        Raises:
            StoreError: One cannot be read, and ``damaged`` is None.
        """
        return self._sweeps(sa.true() if deleted else schema.sweeps.c.deleted_at.is_(None), damaged)

    def sweep(self, name: str, deleted: bool = False) -> SweepRow:
        """Return the sweep of an id, of the start of one, or of the word ``last``.

        Raises:
            NotFound: None fits, or several do.
        """
        s = schema.sweeps.c
        query = sa.select(s.id).order_by(s.created_at)
        ids = [str(row.id) for row in self._all(query if deleted else query.where(s.deleted_at.is_(None)))]
        matches = [name] if name in ids else [id for id in ids if name and id.startswith(name)]
        if name == "last" and not matches:
            matches = ids[-1:]
        if len(matches) == 1:
            return self._sweeps(s.id == matches[0])[0]
        if matches:
            raise NotFound(f"several sweeps begin with {name!r}: {', '.join(matches)}")
        raise NotFound(f"no sweep {name!r} in {shown(self.home)}: 'sharpen ls' lists them")

    def _sweeps(self, condition: sa.ColumnElement[bool], damaged: list[str] | None = None) -> list[SweepRow]:
        s, r = schema.sweeps.c, schema.runs.c
        counts: dict[str, dict[str, int]] = {}
        n_deleted: dict[str, int] = {}
        hidden = r.deleted_at.is_not(None)
        query = sa.select(r.sweep_id, r.state, hidden, sa.func.count()).group_by(r.sweep_id, r.state, hidden)
        for sweep_id, state, is_hidden, n in self._all(
            query.join(schema.sweeps, s.id == r.sweep_id).where(condition)
        ):
            if is_hidden:
                n_deleted[sweep_id] = n_deleted.get(sweep_id, 0) + n
            else:
                counts.setdefault(sweep_id, {})[state] = n
        rows = self.rows(sa.select(schema.sweeps).where(condition).order_by(s.created_at))
        sweeps: list[SweepRow] = []
        for row in rows:
            try:
                sweeps.append(sweep_row(row, counts.get(row["id"], {}), n_deleted.get(row["id"], 0)))
            except StoreError as problem:
                if damaged is None:
                    raise
                damaged.append(problem.message)
        return sweeps

    def newest_date(self) -> float:
        """Return the newest date of any sweep or run, in Unix seconds; 0 when there is none."""
        s, r = schema.sweeps.c, schema.runs.c
        dates = [s.created_at, s.ended_at, s.deleted_at, r.created_at, r.started_at, r.ended_at, r.deleted_at]
        # what is no date, in a row that was changed by hand, must not become everybody's
        newest = [sa.select(sa.func.max(date)).where(date < LATEST_S) for date in dates]
        return max(self._all(query)[0][0] or 0.0 for query in newest)

    def runs(self, sweep_id: str, deleted: bool = False) -> list[RunRow]:
        """Return the runs of a sweep by number; deleted ones only when they are asked for, too."""
        query = sa.select(schema.runs).where(schema.runs.c.sweep_id == sweep_id)
        if not deleted:
            query = query.where(schema.runs.c.deleted_at.is_(None))
        return self._made(query.order_by(schema.runs.c.number), run_row)

    def runs_since(self, sweep_id: str, before: Sequence[RunRow]) -> list[RunRow]:
        """Return the runs of a sweep that may have changed, and those that are new, by number.

        What had ended is not read again, and of those that wait only the number and the count of leases.

        Args:
            sweep_id: Which sweep.
            before: Its runs as they were read earlier.
        """
        r = schema.runs.c
        shown = sa.and_(r.sweep_id == sweep_id, r.deleted_at.is_(None))
        waiting = sa.select(r.number, r.token).where(shown, r.state == TrialState.PENDING)
        tokens: dict[int, int] = {row.number: row.token for row in self._all(waiting)}
        tokens_before = {run.number: run.token for run in before if run.state == TrialState.PENDING}
        changed = [run.number for run in before if run.state == TrialState.RUNNING]
        changed += [number for number, token in tokens_before.items() if tokens.get(number) != token]
        newest = max((run.number for run in before), default=0)
        rows = self.rows(sa.select(schema.runs).where(shown, r.number > newest))
        for start in range(0, len(changed), AT_ONCE):
            numbers = changed[start : start + AT_ONCE]
            rows += self.rows(sa.select(schema.runs).where(shown, r.number.in_(numbers)))
        return sorted((run_row(row) for row in rows), key=lambda run: run.number)

    def best(self, sweep_id: str, metric: spec.Metric) -> RunRow | None:
        """Return the :func:`~sharpen.trial.best` run of a sweep without repeats; None without one."""
        broken: set[int] = set()
        while True:  # not every run is read
            runs = [run_row(row) for row in self.rows(best_of_each_fidelity(sweep_id, metric, broken))]
            if not (unread := {run.number for run in runs if run.is_broken}):
                return best(runs, metric.larger_is_better)
            broken |= unread

    def run(self, run_id: str) -> RunRow:
        """Return the run of an id; ``last-7`` is run 7 of the newest sweep, ``k3-7`` of one that begins so.

        ``last-best`` is the best of the newest sweep, ``k3-best`` of one that begins so.

        Raises:
            NotFound: There is none.
        """
        rows = self.rows(sa.select(schema.runs).where(schema.runs.c.id == run_id))
        sweep, number = split_last_dash(run_id)
        if not rows and sweep and number == "best":
            return self._winner(self.sweep(sweep))
        if not rows and sweep and number.isdigit():
            with suppress(NotFound):  # the run is not there either
                run_id = f"{self.sweep(sweep).id}-{number}"
                rows = self.rows(sa.select(schema.runs).where(schema.runs.c.id == run_id))
        if not rows:
            raise NotFound(f"no run {run_id!r} in {shown(self.home)}: 'sharpen runs SWEEP' lists a sweep's")
        if rows[0]["deleted_at"] is not None:
            raise NotFound(f"run {run_id} has been deleted")
        if rows[0]["sweep_id"] is None:
            raise NotFound(f"run {run_id} belongs to project {rows[0]['project']} and to no sweep")
        return run_row(rows[0])

    def _winner(self, sweep: SweepRow) -> RunRow:
        read = spec.parse(sweep.spec, where=sweep.source)
        if len(read.metrics) > 1:
            raise NotFound(f"sweep {sweep.id} has several metrics: choose a run of its front by number")
        configuration = winner(configurations(self.runs(sweep.id, deleted=True), read.repeats), read.metric)
        if configuration is None:
            raise NotFound(f"sweep {sweep.id} has no best run: none finished with a score")
        return configuration.row

    def names_run(self, word: str) -> bool:
        """Return whether a word is SWEEP-NUMBER or SWEEP-best of a sweep that is there."""
        sweep, number = split_last_dash(word)
        if not sweep or not (number == "best" or number.isdigit()):
            return False
        with suppress(NotFound):
            return self.sweep(sweep).id != word
        return False

    def deleted_kind(self, name: str) -> Literal["sweep", "run"] | None:
        """Return what of exactly this id has been deleted; None for nothing."""
        kinds: Mapping[Literal["sweep", "run"], sa.Table] = {"sweep": schema.sweeps, "run": schema.runs}
        for kind, table in kinds.items():
            query = sa.select(table.c.id).where(table.c.id == name, table.c.deleted_at.is_not(None))
            if self._all(query):
                return kind
        return None

    def live_runs(self, sweep_id: str) -> list[RunRow]:
        """Return the runs of a sweep that have not ended, by number."""
        r = schema.runs.c
        query = sa.select(schema.runs).where(r.sweep_id == sweep_id, r.state.in_(UNENDED)).order_by(r.number)
        return [run_row(row) for row in self.rows(query)]

    def reports(
        self,
        sweep_id: str | None = None,
        run_id: str | None = None,
        run_ids: Sequence[str] | None = None,
    ) -> list[ReportRow]:
        """Return the reports of a sweep's or some runs' newest leases, in the order of run and step.

        Args:
            sweep_id: Those of its runs, but for the deleted ones.
            run_id: Those of one run.
            run_ids: Those of several runs, deleted ones among them.
        """
        p, r = schema.reports.c, schema.runs.c
        query = sa.select(schema.reports).join(schema.runs, schema.OF_NEWEST_LEASE)
        if run_ids is not None:
            query = query.where(r.id.in_(run_ids))
        else:
            query = query.where(r.sweep_id == sweep_id) if sweep_id else query.where(r.id == run_id)
            query = query.where(r.deleted_at.is_(None))
        return [report_row(row) for row in self._all(query.order_by(r.number, p.step))]

    def progress(
        self, sweep_id: str, numbers: Sequence[int] | None = None, deleted: bool = False
    ) -> dict[str, tuple[int, float | None]]:
        """Return, for each run that has logged the sweep's metric, how many times and the last value.

        The value is None when it was not a number.

        Args:
            sweep_id: Whose runs.
            numbers: Which of them; None for all.
            deleted: Those of deleted runs in place of the others.
        """
        p, r = schema.reports.c, schema.runs.c
        is_listed = r.deleted_at.is_not(None) if deleted else r.deleted_at.is_(None)
        where = sa.and_(r.sweep_id == sweep_id, is_listed)
        if numbers is not None:
            where = sa.and_(where, r.number.in_(numbers))
        # run by run, each by the primary key of its reports; a join reads those of all sweeps
        scored = sa.and_(schema.OF_NEWEST_LEASE, p.has_metric)
        last = sa.select(p.value).where(scored).order_by(p.step.desc()).limit(1).correlate(schema.runs)
        query = sa.select(r.id, r.n_scored, last.scalar_subquery().label("value")).where(r.n_scored > 0)
        return {row.id: (row.n_scored, row.value) for row in self._all(query.where(where))}

    def console(self, run_id: str, first_line: int = 0) -> str:
        """Return what the newest lease of a run printed, or all grants of a run of no sweep, from a line on.

        A line that was written again, as progress bars are, is as it was written last.
        """
        c, r = schema.console.c, schema.runs.c
        counts = sa.or_(c.token == r.token, sa.and_(r.sweep_id.is_(None), c.token >= r.history_token))
        query = sa.select(c.first_line, c.text).join(schema.runs, sa.and_(c.run_id == r.id, counts))
        order = (c.token, c.at, c.first_line)
        rows = self._all(query.where(r.id == run_id, c.first_line >= first_line).order_by(*order))
        return overlaid([(row.first_line, row.text) for row in rows])

    def artifacts(
        self, sweep_id: str | None = None, run_id: str | None = None, deleted: bool = False
    ) -> list[ArtifactRow]:
        """Return the files kept with a sweep's runs, one run, or all of no sweep; deleted ones if asked."""
        a, r = schema.artifacts.c, schema.runs.c
        query = sa.select(schema.artifacts).join(schema.runs, a.run_id == r.id)
        if not deleted:
            query = query.where(r.deleted_at.is_(None))
        of_run = r.sweep_id.is_(None) if run_id is None else r.id == run_id
        query = query.where(r.sweep_id == sweep_id if sweep_id else of_run)
        return [self._artifact(row) for row in self._all(query.order_by(r.number, a.name))]

    def _artifact(self, row: Any) -> ArtifactRow:
        check_keys("artifacts", run=row.run_id, name=row.name, digest=row.digest)
        return ArtifactRow(
            *(row.run_id, row.name, row.type, row.digest, row.n_bytes),
            metadata=metadata_of(row.metadata),
            path=blob_path(self.home, row.digest),
        )

    def lockbox_openings(self, sweep_id: str) -> list[OpeningRow]:
        """Return every opening of a sweep's lockbox, the oldest first."""
        return [opening for opening in self._openings() if opening.sweep_id == sweep_id]

    def openings_of(self, lockboxes: Collection[str]) -> list[OpeningRow]:
        """Return every look, of whatever sweep, at bars of these hashes, the oldest first."""
        return [opening for opening in self._openings() if opening.lockbox and opening.lockbox in lockboxes]

    def _openings(self) -> list[OpeningRow]:
        c, r = schema.looks.c, schema.runs.c
        query = sa.select(schema.looks, r.summary).join(schema.runs, c.run_id == r.id).order_by(c.at)
        return [opening_row(row) for row in self.rows(query)]

    def agents(self, sweep_id: str) -> list[tuple[str, str, int, str]]:
        """Return (id, host, pid, born) of every agent that ever joined a sweep, the oldest first."""
        a = schema.agents.c
        query = sa.select(a.id, a.host, a.pid, a.born).where(a.sweep_id == sweep_id)
        return [(row.id, row.host, row.pid, row.born) for row in self._all(query.order_by(a.started_at))]

    def _stream(
        self,
        query: sa.Executable,
        values: Mapping[str, Any],
        take: Callable[[Iterator[Sequence[Any]]], Answer],
    ) -> Answer:
        """Return the result of a function that reads the rows of a query in batches."""

        def fetch(connection: sa.Connection) -> Answer:
            cursor = connection.execute(query, values).cursor
            try:
                return take(iter(()) if cursor is None else _batches(cursor))
            except connection.dialect.loaded_dbapi.Error as problem:
                raise StoreError(f"cannot read the store in {shown(self.home)}: {problem}") from problem

        return self._read(fetch)

    def _each(self, query: sa.Executable, value_sets: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Return the rows of a query, run once with each set of values."""
        return self._read(lambda c: [row for values in value_sets for row in c.execute(query, values)])

    def _all(self, query: sa.Executable) -> Sequence[Any]:
        return self._read(lambda connection: connection.execute(query).all())

    def rows(self, query: sa.Executable, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query of the store's own modules, each as a mapping.

        Args:
            query: What is asked.
            values: The values of its parameters.
        """
        return self._made(query, lambda row: row, values)

    def _made(
        self,
        query: sa.Executable,
        make: Callable[[dict[str, Any]], Answer],
        values: Mapping[str, Any] | None = None,
    ) -> list[Answer]:
        """Return one value for each row of a query; one row is in memory at a time."""

        def fetch(connection: sa.Connection) -> list[Answer]:
            result = connection.execute(query, values or {})
            names = [str(name) for name in result.keys()]  # noqa: SIM118 - a result, which has no such names
            return [make(dict(zip(names, row, strict=True))) for row in result]

        return self._read(fetch)

    def _read(self, ask: Callable[[sa.Connection], Answer], again: bool = True) -> Answer:
        """Return the result of a read; it is repeated once when the connection was lost."""
        try:
            with self._engine.connect() as connection:
                return ask(connection)
        except UnicodeEncodeError as problem:  # a database holds no such text, so it cannot be asked for it
            raise UsageError(f"{problem.object!r} is not UTF-8 text") from problem
        except DBAPIError as problem:
            if again and problem.connection_invalidated:
                return self._read(ask, again=False)
            raise StoreError(f"cannot read the store in {shown(self.home)}: {problem.orig}") from problem


def _batches(cursor: Any) -> Iterator[Sequence[Any]]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield rows
