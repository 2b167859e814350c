"""The limits of projects, and what of them is in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sharpen.store import schema
from sharpen.store.queries import Reader
from sharpen.trial import TrialState


@dataclass(frozen=True, slots=True)
class LimitsRow:
    """The limits of a project; None for none."""

    project: str
    runs_at_once: int | None
    runs: int | None
    n_bytes: int | None


@dataclass(frozen=True, slots=True)
class ProjectUse:
    """What a project uses, and its limits.

    Attributes:
        limits: None of them may be set.
        n_at_work: Its runs at work.
        n_runs: Runs that were ever made, deleted ones too.
        n_bytes: Bytes of the files that they have kept.
    """

    limits: LimitsRow
    n_at_work: int
    n_runs: int
    n_bytes: int

    @property
    def is_busy(self) -> bool:
        """Whether as many of its runs are at work as may be."""
        return self.limits.runs_at_once is not None and self.n_at_work >= self.limits.runs_at_once

    @property
    def is_used_up(self) -> bool:
        """Whether it has made as many runs as it may."""
        return self.limits.runs is not None and self.n_runs >= self.limits.runs


def limits_of(reader: Reader) -> list[LimitsRow]:
    """Return the limits of each project that has some, by name."""
    query = sa.select(schema.project_limits).order_by(schema.project_limits.c.project)
    return [LimitsRow(**row) for row in reader.rows(query)]


def project_uses(reader: Reader) -> list[ProjectUse]:
    """Return what each project that has runs or limits uses, by name; runs without a project are left out."""
    limits = {row.project: row for row in limits_of(reader)}
    at_work = sa.func.sum(sa.case((schema.runs.c.state == TrialState.RUNNING, 1), else_=0))
    columns = (schema.owner.label("project"), sa.func.count().label("n"), at_work.label("at_work"))
    of_runs = _by_project(reader, sa.select(*columns).select_from(schema.OWNED).group_by(schema.owner))
    files = schema.OWNED.join(schema.artifacts, schema.artifacts.c.run_id == schema.runs.c.id)
    weight = sa.func.sum(schema.artifacts.c.n_bytes).label("n")
    query = sa.select(schema.owner.label("project"), weight).select_from(files).group_by(schema.owner)
    of_files = _by_project(reader, query)
    uses: list[ProjectUse] = []
    for name in sorted({*limits, *of_runs} - {""}):
        runs, files_of = of_runs.get(name, {}), of_files.get(name, {})
        row = limits.get(name, LimitsRow(name, None, None, None))
        uses.append(ProjectUse(row, int(runs.get("at_work", 0)), runs.get("n", 0), int(files_of.get("n", 0))))
    return uses


def _by_project(reader: Reader, query: sa.Executable) -> dict[str, dict[str, Any]]:
    return {row["project"]: row for row in reader.rows(query)}
