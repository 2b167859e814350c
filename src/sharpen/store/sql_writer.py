"""The verbs of :class:`~sharpen.store.port.Writer` in SQL that SQLite and Postgres both understand."""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import Any

import sqlalchemy as sa

from sharpen.jsonable import dumps, refuse_deep
from sharpen.store import schema
from sharpen.store.port import HistoryLine, Kind, Row
from sharpen.store.statements import COUNTS, Insert, Statements, replace

AT_ONCE = 1000  # rows in memory
BEFORE_GRANTS = 0  # the first grant of a run has the token 1
TABLES: Mapping[Kind, sa.Table] = {"sweep": schema.sweeps, "run": schema.runs}
WHICH: sa.BindParameter[str] = sa.bindparam("which")
# asked at nearly every request: made once
RUN = sa.select(schema.runs).where(schema.runs.c.id == WHICH)
N_NAMES = (
    sa.select(sa.func.count())
    .select_from(schema.last_values)
    .where(schema.last_values.c.run_id == sa.bindparam("run_id"))
)
TAGS = {
    kind: sa.select(table.c.tags).where(table.c.id == WHICH, table.c.deleted_at.is_(None))
    for kind, table in TABLES.items()
}
MERGED = {
    name: sa.select(schema.runs.c[name]).where(schema.runs.c.id == WHICH)
    for name in ("summary", "program_config")
}
# of the columns that are given
CHANGE = {table: table.update().where(table.c.id == WHICH) for table in TABLES.values()}


class SqlWriter:
    """What is open in one transaction.

    Args:
        connection: The transaction.
        statements: Those of the hot path, for its dialect.
        insert: The dialect's insertion.
        version: Of the schema.
    """

    def __init__(
        self, connection: sa.Connection, statements: Statements, insert: Insert, version: int
    ) -> None:
        self._connection = connection
        self._cursor = connection.connection.cursor()
        self._statements = statements
        self._insert = insert
        self._version = version

    def create_sweep(self, row: Row) -> None:
        """Write a new sweep."""
        self._connection.execute(schema.sweeps.insert(), dict(row))

    def sweep_of_request(self, key: str) -> str | None:
        """Return the id of the sweep that a request made."""
        s = schema.sweeps.c
        return self._connection.execute(sa.select(s.id).where(s.key == key)).scalar()

    def set_sweep(self, sweep_id: str, values: Row) -> None:
        """Change columns of a sweep."""
        self._set(schema.sweeps, sweep_id, values)

    def add_agent(self, row: Row) -> None:
        """Write that an agent has joined."""
        self._connection.execute(schema.agents.insert(), dict(row))

    def create_runs(self, rows: Sequence[Row]) -> None:
        """Write new runs."""
        self._statements.insert_run.execute_all(self._cursor, rows)

    def runs_of_request(self, sweep_id: str, key: str) -> list[str]:
        """Return the ids of the runs that a request added, by number."""
        r = schema.runs.c
        in_sweep = r.sweep_id == sweep_id
        first = sa.select(r.id).where(in_sweep, r.key == f"{key}/0")  # by the index, which is quick
        if self._connection.execute(first).scalar() is None:
            return []
        # not by a range of keys: what lies between two texts depends on the database's language
        begins = sa.func.substr(r.key, 1, len(key) + 1) == f"{key}/"
        query = sa.select(r.id).where(in_sweep, begins).order_by(r.number)
        return list(self._connection.execute(query).scalars())

    def lease_run(self, run_id: str, values: Row, from_step: int | None) -> None:
        """Give a run to an agent."""
        self._statements.lease_run.execute(self._cursor, {**values, "which": run_id})
        token = values["token"]
        if from_step is not None:
            arguments = {"which": run_id, "new_token": token, "old_token": token - 1, "up_to": from_step}
            self._statements.carry_over.execute(self._cursor, arguments)
        if token > 1:
            self._recount(run_id, token)
            self.rewind_history(run_id, token, from_step)

    def _recount(self, run_id: str, token: int) -> None:
        p = schema.reports.c
        columns = sa.func.count(), sa.func.count().filter(p.has_metric)
        query = sa.select(*columns).where(p.run_id == run_id, p.token == token)
        [counts] = self._connection.execute(query)
        self.set_run(run_id, dict(zip(COUNTS, counts, strict=True)))

    def copy_history(self, run_id: str, base_id: str, to_step: int) -> None:
        """Write what counts of another run's history up to a step, as what came before the run's grants."""
        h = schema.history.c
        since = sa.select(schema.runs.c.history_token).where(schema.runs.c.id == base_id).scalar_subquery()
        new = sa.literal(run_id), sa.literal(BEFORE_GRANTS)
        rows = sa.select(*new, h.line, h.step, h.metrics, h.at)
        rows = rows.where(h.run_id == base_id, h.token >= since, h.step <= to_step)
        names = ["run_id", "token", "line", "step", "metrics", "at"]
        self._connection.execute(schema.history.insert().from_select(names, rows))

    def rewind_history(self, run_id: str, token: int, to_step: int | None) -> None:
        """Let only what was logged up to a step count from now on, under a token; nothing for None."""
        h, v = schema.history.c, schema.last_values.c
        self._connection.execute(schema.last_values.delete().where(v.run_id == run_id))
        if to_step is None:
            self.set_run(run_id, {"history_token": token, "n_lines": 0})
            return
        since = sa.select(schema.runs.c.history_token).where(schema.runs.c.id == run_id).scalar_subquery()
        of_run = sa.and_(h.run_id == run_id, h.token >= since)
        self._connection.execute(schema.history.delete().where(of_run, h.step > to_step))
        last = self._connection.execute(sa.select(sa.func.max(h.line)).where(of_run)).scalar()
        self.set_run(run_id, {"n_lines": 0 if last is None else last + 1})
        rows = sa.select(h.step, h.metrics).where(of_run).order_by(h.line)
        self._put_last(run_id, ((step, json.loads(text)) for step, text in self._connection.execute(rows)))
        p = schema.reports.c
        rows = sa.select(p.step, p.metrics).where(p.run_id == run_id, p.token == token).order_by(p.step)
        self._put_last(run_id, ((step, json.loads(text)) for step, text in self._connection.execute(rows)))

    def create_run(self, row: Row) -> None:
        """Write a run of no sweep."""
        self._connection.execute(schema.runs.insert(), dict(row))

    def run(self, run_id: str) -> Row | None:
        """Return the columns of a run."""
        row = self._connection.execute(RUN, {"which": run_id}).mappings().one_or_none()
        return None if row is None else {str(name): value for name, value in row.items()}

    def append_history(self, run_id: str, token: int, lines: Sequence[HistoryLine], at: float) -> None:
        """Write rows behind those that are there, and keep what each metric was last."""
        rows = [
            {
                "run_id": run_id,
                "token": token,
                "line": line,
                "step": step,
                "metrics": dumps(metrics),
                "at": at,
            }
            for line, step, metrics in lines
        ]
        self._statements.append_history.execute_all(self._cursor, rows)
        self.keep_last(run_id, [(step, metrics) for _, step, metrics in lines])
        self.set_run(run_id, {"n_lines": lines[-1][0] + 1, "heartbeat_at": at})

    def keep_last(self, run_id: str, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Keep what each metric was last."""
        self._put_last(run_id, rows)

    def _put_last(self, run_id: str, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        last: dict[str, tuple[int, Any]] = {}
        for step, metrics in rows:
            last |= {n: (step, value) for n, value in metrics.items() if n not in last or step >= last[n][0]}
        if last:
            values = [
                {"run_id": run_id, "name": name, "step": step, "value": dumps(value)}
                for name, (step, value) in last.items()
            ]
            self._statements.put_last.execute_all(self._cursor, values)

    def end_run(self, run_id: str, values: Row) -> None:
        """Write how a run ended."""
        self._statements.end_run.execute(self._cursor, {**values, "which": run_id})

    def set_run(self, run_id: str, values: Row) -> None:
        """Change columns of a run."""
        self._set(schema.runs, run_id, values)

    def put_report(self, row: Row) -> None:
        """Write the metrics of a step."""
        self._statements.put_report.execute(self._cursor, row)

    def count_reports(self, run_id: str, n_new: int, n_scored: int) -> None:
        """Add to how many reports count."""
        arguments = {"which": run_id, "new_n_reports": n_new, "new_n_scored": n_scored}
        self._statements.count_reports.execute(self._cursor, arguments)

    def report(self, run_id: str, token: int, step: int) -> Row | None:
        """Return what is there of a step."""
        p = schema.reports.c
        query = sa.select(schema.reports).where(p.run_id == run_id, p.token == token, p.step == step)
        return self._row(query)

    def n_names(self, run_id: str) -> int:
        """Return how many names of metrics a run has logged that count."""
        return self._connection.execute(N_NAMES, {"run_id": run_id}).scalar_one()

    def names_logged(self, run_id: str) -> list[str]:
        """Return the names of all metrics that count."""
        v = schema.last_values.c
        query = sa.select(v.name).where(v.run_id == run_id).order_by(v.name)
        return list(self._connection.execute(query).scalars())

    def n_names_logged(self, run_id: str, names: Collection[str]) -> int:
        """Return how many of some names a run has logged that count."""
        v = schema.last_values.c
        asked = list(names)
        parts = [asked[first : first + AT_ONCE] for first in range(0, len(asked), AT_ONCE)]
        queries = [sa.select(sa.func.count()).where(v.run_id == run_id, v.name.in_(part)) for part in parts]
        return sum(self._connection.execute(query).scalar_one() for query in queries)

    def put_console(self, row: Row) -> None:
        """Write what a program printed."""
        self._put(schema.console, row)

    def put_machine_metrics(self, rows: Sequence[Row]) -> None:
        """Write what a run's machine did."""
        table = schema.machine_metrics
        names = [column.name for column in table.c]
        self._connection.execute(replace(self._insert, table, names), [dict(row) for row in rows])

    def put_artifact(self, row: Row) -> None:
        """Write that a file is kept."""
        self._put(schema.artifacts, row)

    def merge_summary(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Lay values over a run's summary."""
        self._merge(run_id, "summary", values)

    def merge_config(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Merge values into the configuration that a run's program gave."""
        self._merge(run_id, "program_config", values)

    def _merge(self, run_id: str, column: str, values: Mapping[str, Any]) -> None:
        refuse_deep(column.removeprefix("program_"), dict(values))
        old = json.loads(self._connection.execute(MERGED[column], {"which": run_id}).scalar_one())
        self.set_run(run_id, {column: dumps(old | dict(values))})

    def tags(self, kind: Kind, target: str) -> list[str] | None:
        """Return the tags of a sweep or a run."""
        text = self._connection.execute(TAGS[kind], {"which": target}).scalar()
        return None if text is None else json.loads(text)

    def begin_look(self, row: Row) -> None:
        """Write that the lockbox is opened."""
        insert = self._insert(schema.looks).on_conflict_do_nothing(index_elements=["id"])
        self._connection.execute(insert, dict(row))

    def end_look(self, look_id: str, result: str) -> bool:
        """Write what an opening of the lockbox found."""
        update = schema.looks.update().where(schema.looks.c.id == look_id)
        return self._connection.execute(update, {"result": result}).rowcount > 0

    def collection_type(self, name: str) -> str | None:
        """Return the type of a collection."""
        c = schema.collections.c
        return self._connection.execute(sa.select(c.type).where(c.name == name)).scalar()

    def create_collection(self, row: Row) -> None:
        """Write a new collection."""
        self._connection.execute(schema.collections.insert(), dict(row))

    def newest_version(self, collection: str) -> int:
        """Return the highest number that a version ever had."""
        v = schema.versions.c
        query = sa.select(sa.func.max(v.version)).where(v.collection == collection)
        newest = self._connection.execute(query).scalar()
        return -1 if newest is None else newest

    def version_of_digest(self, collection: str, digest: str) -> int | None:
        """Return the newest version of this content that is not deleted."""
        v = schema.versions.c
        query = sa.select(sa.func.max(v.version))
        query = query.where(v.collection == collection, v.digest == digest, v.deleted_at.is_(None))
        return self._connection.execute(query).scalar()

    def version(self, collection: str, version: int) -> Row | None:
        """Return a version."""
        return self._row(sa.select(schema.versions).where(_is_version(collection, version)))

    def create_version(self, row: Row) -> None:
        """Write a new version."""
        self._connection.execute(schema.versions.insert(), dict(row))

    def set_figures(self, collection: str, version: int, figures: str) -> None:
        """Change what is said of a version."""
        update = schema.versions.update().where(_is_version(collection, version))
        self._connection.execute(update, {"figures": figures})

    def delete_version(self, collection: str, version: int, at: float) -> None:
        """Hide a version."""
        update = schema.versions.update().where(_is_version(collection, version))
        self._connection.execute(update, {"deleted_at": at})

    def aliases(self, collection: str) -> Mapping[str, int]:
        """Return the version of each alias."""
        a = schema.aliases.c
        query = sa.select(a.alias, a.version).where(a.collection == collection).order_by(a.alias)
        return {row.alias: row.version for row in self._connection.execute(query)}

    def put_alias(self, row: Row) -> None:
        """Point an alias at a version."""
        self._put(schema.aliases, row)

    def remove_alias(self, collection: str, alias: str) -> None:
        """Take an alias away."""
        a = schema.aliases.c
        self._connection.execute(schema.aliases.delete().where(a.collection == collection, a.alias == alias))

    def audit(self, collection: str) -> list[Row]:
        """Return the audit log of a collection."""
        a = schema.audit.c
        query = sa.select(schema.audit).where(a.collection == collection).order_by(a.seq)
        return [_plain(row) for row in self._connection.execute(query).mappings()]

    def newest_audit(self) -> Row | None:
        """Return the newest entry of the audit log."""
        return self._row(sa.select(schema.audit).order_by(schema.audit.c.seq.desc()).limit(1))

    def add_audit(self, row: Row) -> None:
        """Write the next entry of the audit log."""
        self._connection.execute(schema.audit.insert(), dict(row))

    def set_limits(self, project: str, limits: Row) -> None:
        """Write the limits of a project."""
        self._put(schema.project_limits, {"project": project, **limits})

    def n_runs_of(self, project: str) -> int:
        """Return how many runs a project has made."""
        runs_of = sa.select(sa.func.count()).select_from(schema.OWNED).where(schema.owner == project)
        return self._connection.execute(runs_of).scalar_one()

    def n_bytes_of(self, project: str, run_id: str, name: str) -> int:
        """Return the bytes of a project's files but for one."""
        a = schema.artifacts.c
        others = sa.or_(a.run_id != run_id, a.name != name)
        weight = sa.select(sa.func.coalesce(sa.func.sum(a.n_bytes), 0)).select_from(
            schema.OWNED.join(schema.artifacts, a.run_id == schema.runs.c.id)
        )
        return int(self._connection.execute(weight.where(schema.owner == project, others)).scalar_one())

    def every_row(self, table: str) -> Generator[Row]:
        """Yield all rows of a table, by primary key."""
        yield from every_row(self._connection, schema.metadata.tables[table])

    def add_rows(self, table: str, rows: Sequence[Row]) -> None:
        """Write rows of a table as they are."""
        self._connection.execute(schema.metadata.tables[table].insert(), [dict(row) for row in rows])

    def schema_version(self) -> int:
        """Return the version of the schema."""
        return self._version

    def _row(self, query: sa.Select[Any]) -> Row | None:
        row = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else _plain(row)

    def _set(self, table: sa.Table, key: str, values: Row) -> None:
        self._connection.execute(CHANGE[table], {**values, "which": key})

    def _put(self, table: sa.Table, row: Row) -> None:
        self._connection.execute(_replacement(self._insert, table, tuple(row)), dict(row))


_replacement = cache(replace)  # of as many kinds of rows as there are verbs


def every_row(connection: sa.Connection, table: sa.Table) -> Generator[Row]:
    """Yield all rows of a table by primary key, few at a time; to be closed when not read to its end."""
    query = sa.select(table).order_by(*table.primary_key.columns).execution_options(yield_per=AT_ONCE)
    with closing(connection.execute(query)) as result:
        for row in result.mappings():
            yield _plain(row)


def _plain(row: Mapping[Any, Any]) -> Row:
    return {str(name): value for name, value in row.items()}


def _is_version(collection: str, version: int) -> sa.ColumnElement[bool]:
    v = schema.versions.c
    return sa.and_(v.collection == collection, v.version == version)
