"""What there is: projects, and a project's sweeps and runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import sqlalchemy as sa

from sharpen import spec
from sharpen.errors import SpecError
from sharpen.server.wandb.context import DEFAULT_PROJECT
from sharpen.store import schema
from sharpen.store.queries import Reader
from sharpen.store.rows import SweepRow
from sharpen.trial import TrialState

PAGE = 50
STATES = tuple(TrialState)


@dataclass(slots=True)
class ProjectLine:
    """A project, in a line."""

    name: str
    sweeps: list[SweepRow] = field(default_factory=list[SweepRow])
    n_runs: int = 0
    newest_at: float = 0.0

    @property
    def n_running(self) -> int:
        """How many of its sweeps go on."""
        return sum(sweep.status == "running" for sweep in self.sweeps)


def projects(reader: Reader) -> list[ProjectLine]:
    """Return every project, the one with the newest run or sweep first."""
    lines: dict[str, ProjectLine] = {}
    for sweep in reader.sweeps():
        name = project_of(sweep)
        line = lines.setdefault(name, ProjectLine(name))
        line.sweeps.append(sweep)
        line.n_runs += sum(sweep.n_runs.values())
        line.newest_at = max(line.newest_at, sweep.created_at)
    r = schema.runs.c
    query = sa.select(r.project, sa.func.count().label("n"), sa.func.max(r.created_at).label("at"))
    query = query.where(r.deleted_at.is_(None), r.sweep_id.is_(None)).group_by(r.project)
    for row in reader.rows(query):
        name = row["project"] or DEFAULT_PROJECT
        line = lines.setdefault(name, ProjectLine(name))
        line.n_runs += row["n"]
        line.newest_at = max(line.newest_at, row["at"] or 0.0)
    return sorted(lines.values(), key=lambda line: (-line.newest_at, line.name))


@dataclass(frozen=True, slots=True)
class TrackedLine:
    """A run of a project, in a line."""

    id: str
    name: str
    state: str
    sweep_id: str | None
    score: float | None
    created_at: float
    took_s: float | None


@dataclass(frozen=True, slots=True)
class ProjectQuery:
    """What is asked of a project's runs."""

    state: str = ""
    text: str = ""
    alone: bool = False
    page: int = 1


def project_of(sweep: SweepRow) -> str:
    """Return the project of a sweep: what its file says, or the client's word for none."""
    read, _ = parsed(sweep.spec, sweep.source)
    return sweep.project or (read.project if read is not None else "") or DEFAULT_PROJECT


def sweeps_of(reader: Reader, project: str) -> list[SweepRow]:
    """Return the sweeps of a project, the newest first."""
    return [sweep for sweep in reversed(reader.sweeps()) if project_of(sweep) == project]


@lru_cache(maxsize=1024)
def parsed(text: str, source: str) -> tuple[spec.Sweep | None, str]:
    """Return a sweep file, and why it cannot be read."""
    try:
        return spec.parse(text, where=source), ""
    except SpecError as problem:
        return None, str(problem)


def project_runs(
    reader: Reader, project: str, sweep_ids: Sequence[str], project_query: ProjectQuery
) -> tuple[list[TrackedLine], int]:
    """Return a page of a project's runs, the newest first, and how many there are in all.

    Args:
        reader: The store.
        project: Its name.
        sweep_ids: Its sweeps.
        project_query: Which of its runs.
    """
    r = schema.runs.c
    own = sa.and_(r.sweep_id.is_(None), r.project.in_(names_of(project)))
    where = [sa.or_(own, r.sweep_id.in_(sweep_ids)), r.deleted_at.is_(None)]
    if project_query.state:
        where.append(r.state == project_query.state)
    if project_query.text:
        like = f"%{_literal(project_query.text)}%"
        where.append(sa.or_(*(column.like(like, escape="\\") for column in _searched())))
    if project_query.alone:
        where.append(r.sweep_id.is_(None))
    n = reader.rows(sa.select(sa.func.count().label("n")).where(*where))[0]["n"]
    columns = (r.id, r.display_name, r.state, r.sweep_id, r.score, r.created_at, r.started_at, r.ended_at)
    query = sa.select(*columns).where(*where).order_by(r.created_at.desc(), r.id.desc())
    rows = reader.rows(query.limit(PAGE).offset((project_query.page - 1) * PAGE))
    lines = [
        TrackedLine(
            id=row["id"],
            name=row["display_name"] or row["id"],
            state=row["state"],
            sweep_id=row["sweep_id"],
            score=row["score"],
            created_at=row["created_at"],
            took_s=_took(row["started_at"], row["ended_at"]),
        )
        for row in rows
    ]
    return lines, n


def names_of(project: str) -> Sequence[str]:
    """Return the names under which a project is stored: the nameless one has a word of its own.

    >>> names_of("quantbot"), names_of("uncategorized")
    (('quantbot',), ('uncategorized', ''))
    """
    return (project, "") if project == DEFAULT_PROJECT else (project,)


def _searched() -> Sequence[sa.ColumnElement[str]]:
    r = schema.runs.c
    return (r.id, r.display_name, r.group_name, r.job_type, r.tags, r.note)


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _took(started_at: float | None, ended_at: float | None) -> float | None:
    return None if started_at is None or ended_at is None else ended_at - started_at
