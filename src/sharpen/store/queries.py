"""Reading a store: what the command line, the report and a restarting coordinator want to know."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sharpen.errors import NotFound, StoreError
from sharpen.store import schema
from sharpen.store.blobs import blob_path
from sharpen.store.database import open_reader


@dataclass(frozen=True, slots=True)
class SweepRow:
    """A sweep as stored, with how many of its runs are in each state."""

    id: str
    name: str
    status: str
    reason: str
    spec: str
    source: str
    workdir: str
    seed: int
    run_cap: int | None
    created_at: float
    ended_at: float | None
    n_runs: dict[str, int]
    n_forgiven: int = 0


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as stored; ``score`` is the metric as the program logged it last."""

    id: str
    sweep_id: str
    number: int
    state: str
    reason: str
    config: dict[str, Any]
    origin: str
    score: float | None
    exit_code: int | None
    token: int
    lost: int
    agent_id: str | None
    lease_key: str | None
    stop: str
    summary: dict[str, Any]
    created_at: float
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The metrics of one step of a run's newest lease.

    ``value`` is the sweep's metric as it counts for the trial, NaN included, when ``has_metric``. What is
    logged after the run was told to end, or at a step before the last, is kept in ``metrics`` only.
    """

    run_id: str
    step: int
    metrics: dict[str, Any]
    has_metric: bool
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """A file kept with a run."""

    run_id: str
    name: str
    type: str
    digest: str
    n_bytes: int
    metadata: dict[str, Any]
    path: Path


@dataclass(frozen=True, slots=True)
class LookRow:
    """One opening of the lockbox.

    Attributes:
        result: What it found of each configuration; None when it never came that far.
        lockbox: Hash of the bars; empty when the program does not say it.
    """

    id: str
    sweep_id: str
    run_id: str
    who: str
    at: float
    result: dict[str, Any] | None
    lockbox: str = ""

    @property
    def has_shown(self) -> bool:
        """Whether figures of the lockbox were stored; a program that failed has shown nothing."""
        return any(isinstance(side, dict) and "metrics" in side for side in (self.result or {}).values())


class Reader:
    """Questions to one store.

    Args:
        home: The store's folder.
        engine: An engine to use in place of a read-only one of its own.
    """

    def __init__(self, home: Path, engine: sa.Engine | None = None) -> None:
        self.home = home
        self._engine = engine or open_reader(home)

    def sweeps(self) -> list[SweepRow]:
        """Return every sweep, the newest last."""
        counts: dict[str, dict[str, int]] = {}
        r = schema.runs.c
        for row in self._all(sa.select(r.sweep_id, r.state, sa.func.count()).group_by(r.sweep_id, r.state)):
            counts.setdefault(row[0], {})[row[1]] = row[2]
        query = sa.select(schema.sweeps).order_by(schema.sweeps.c.created_at)
        return [_sweep(row, counts.get(row["id"], {})) for row in self._dicts(query)]

    def sweep(self, name: str) -> SweepRow:
        """Return the sweep of an id, of the start of one, or of the word ``last``.

        Raises:
            NotFound: None fits, or several do.
        """
        rows = self.sweeps()
        exact = [row for row in rows if row.id == name]
        found = exact or [row for row in rows if name and row.id.startswith(name)]
        if name == "last" and rows and not found:
            found = rows[-1:]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(row.id for row in found)
            raise NotFound(f"several sweeps begin with {name!r}: {ids}")
        raise NotFound(f"no sweep {name!r} in {self.home}: 'sharpen ls' lists them")

    def runs(self, sweep_id: str) -> list[RunRow]:
        """Return the runs of a sweep by number."""
        query = sa.select(schema.runs).where(schema.runs.c.sweep_id == sweep_id)
        return [_run(row) for row in self._dicts(query.order_by(schema.runs.c.number))]

    def run(self, run_id: str) -> RunRow:
        """Return the run of an id; ``last-7`` is run 7 of the newest sweep.

        Raises:
            NotFound: There is none.
        """
        if run_id.startswith("last-"):
            run_id = f"{self.sweep('last').id}-{run_id.removeprefix('last-')}"
        rows = self._dicts(sa.select(schema.runs).where(schema.runs.c.id == run_id))
        if not rows:
            raise NotFound(f"no run {run_id!r} in {self.home}: 'sharpen runs SWEEP' lists a sweep's")
        return _run(rows[0])

    def reports(self, sweep_id: str | None = None, run_id: str | None = None) -> list[ReportRow]:
        """Return the reports of a sweep's or a run's newest leases, in the order of run and step."""
        p, r = schema.reports.c, schema.runs.c
        query = sa.select(schema.reports).join(schema.runs, sa.and_(p.run_id == r.id, p.token == r.token))
        query = query.where(r.sweep_id == sweep_id) if sweep_id else query.where(r.id == run_id)
        return [
            ReportRow(
                run_id=row.run_id,
                step=row.step,
                metrics=json.loads(row.metrics),
                has_metric=row.has_metric,
                value=math.nan if row.value is None else row.value,
                at=row.at,
            )
            for row in self._all(query.order_by(r.number, p.step))
        ]

    def progress(self, sweep_id: str) -> dict[str, tuple[int, float | None]]:
        """Return, for each run that has logged the sweep's metric, how many times and the last value.

        The value is None when it was not a number.
        """
        p, r = schema.reports.c, schema.runs.c
        on = sa.and_(p.run_id == r.id, p.token == r.token)
        where = sa.and_(r.sweep_id == sweep_id, p.has_metric)
        totals = (
            sa.select(p.run_id, sa.func.count().label("n"), sa.func.max(p.step).label("step"))
            .join(schema.runs, on)
            .where(where)
            .group_by(p.run_id)
            .subquery()
        )
        last = sa.and_(p.run_id == totals.c.run_id, p.step == totals.c.step)
        query = sa.select(p.run_id, totals.c.n, p.value).join(schema.runs, on).join(totals, last)
        return {row.run_id: (row.n, row.value) for row in self._all(query)}

    def console(self, run_id: str, first_line: int = 0) -> str:
        """Return what the newest lease of a run printed, from a line on."""
        c, r = schema.console.c, schema.runs.c
        query = sa.select(c.first_line, c.text).join(
            schema.runs, sa.and_(c.run_id == r.id, c.token == r.token)
        )
        rows = self._all(query.where(r.id == run_id, c.first_line >= first_line).order_by(c.first_line))
        return "".join(row.text for row in rows)

    def artifacts(self, sweep_id: str | None = None, run_id: str | None = None) -> list[ArtifactRow]:
        """Return the files kept with a sweep's runs or with one run."""
        a, r = schema.artifacts.c, schema.runs.c
        query = sa.select(schema.artifacts).join(schema.runs, a.run_id == r.id)
        query = query.where(r.sweep_id == sweep_id) if sweep_id else query.where(r.id == run_id)
        return [
            ArtifactRow(
                run_id=row.run_id,
                name=row.name,
                type=row.type,
                digest=row.digest,
                n_bytes=row.n_bytes,
                metadata=json.loads(row.metadata),
                path=blob_path(self.home, row.digest),
            )
            for row in self._all(query.order_by(r.number, a.name))
        ]

    def looks(self, sweep_id: str) -> list[LookRow]:
        """Return every opening of a sweep's lockbox, the oldest first."""
        return [look for look in self._looks() if look.sweep_id == sweep_id]

    def looks_at(self, lockboxes: Collection[str]) -> list[LookRow]:
        """Return every look, of whatever sweep, at bars of these hashes, the oldest first."""
        return [look for look in self._looks() if look.lockbox and look.lockbox in lockboxes]

    def _looks(self) -> list[LookRow]:
        c, r = schema.looks.c, schema.runs.c
        query = sa.select(schema.looks, r.summary).join(schema.runs, c.run_id == r.id).order_by(c.at)
        return [_look(row) for row in self._dicts(query)]

    def agents(self, sweep_id: str) -> list[tuple[str, str, int, str]]:
        """Return (id, host, pid, born) of every agent that ever joined a sweep, the oldest first."""
        a = schema.agents.c
        query = sa.select(a.id, a.host, a.pid, a.born).where(a.sweep_id == sweep_id)
        return [(row.id, row.host, row.pid, row.born) for row in self._all(query.order_by(a.started_at))]

    def _all(self, query: sa.Executable) -> Sequence[Any]:
        with self._connection() as connection:
            return connection.execute(query).all()

    def _dicts(self, query: sa.Executable) -> list[dict[str, Any]]:
        with self._connection() as connection:
            return [{str(k): v for k, v in row.items()} for row in connection.execute(query).mappings()]

    @contextmanager
    def _connection(self) -> Generator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as problem:
            raise StoreError(f"cannot read the store in {self.home}: {problem.orig}") from problem


def _sweep(row: dict[str, Any], n_runs: dict[str, int]) -> SweepRow:
    return SweepRow(**{k: v for k, v in row.items() if k != "key"}, n_runs=n_runs)


def _run(row: dict[str, Any]) -> RunRow:
    return RunRow(**row | {"config": json.loads(row["config"]), "summary": json.loads(row["summary"])})


def _look(row: dict[str, Any]) -> LookRow:
    summary: dict[str, Any] = json.loads(row.pop("summary"))
    result: dict[str, Any] = json.loads(row.pop("result") or "null")
    said = (result or {}).get("lockbox/hash") or summary.get("lockbox/hash") or ""
    return LookRow(**row, result=result, lockbox=str(said))
