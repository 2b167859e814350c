"""``wandb.Api()``: reading what was kept, in the words of the W&B client."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sharpen import spec
from sharpen.coordinator import connect
from sharpen.errors import NotFound, UsageError
from sharpen.http import home_of, server_of
from sharpen.store.collection_rows import collections, versions
from sharpen.store.configurations import configurations, winner
from sharpen.store.queries import Reader
from sharpen.store.rows import ArtifactRow, SweepRow, TrackedRun
from sharpen.sweep import SweepStatus
from sharpen.views.run_facts import RunFieldReader
from sharpen.views.run_history import history_of
from sharpen.views.run_listing import listed_ids
from sharpen.wandb.artifacts import Artifact, artifact_of
from sharpen.wandb.versions import all_versions, find_version

ENTITY = "local"
STATES = {SweepStatus.STOPPED: "FINISHED"}
PAGE = 1000


class Api:
    """Questions to the store: SHARPEN_SERVER, else SHARPEN_HOME, else ``.sharpen``.

    A path is ``ENTITY/PROJECT/ID``, ``PROJECT/ID`` or ``ID``; any entity is this store's.
    """

    default_entity = ENTITY

    def __init__(self, *_args: Any, **_more: Any) -> None:
        self.home = home_of(os.environ)
        self._reader = Reader(self.home)

    def run(self, path: str) -> StoredRun:
        """Return a run.

        Raises:
            NotFound: There is none.
        """
        run_id = path.rpartition("/")[2]
        row = self._reader.tracked.run(run_id)
        if row is None:
            raise NotFound(f"no run {run_id!r} in {self.home}")
        return StoredRun(self._reader, row, RunFieldReader(self._reader))

    def runs(
        self,
        path: str | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str = "+created_at",
        **_more: Any,
    ) -> list[StoredRun]:
        """Return the runs of a project that fit a filter, in an order.

        Args:
            path: ``ENTITY/PROJECT`` or ``PROJECT``; None for WANDB_PROJECT, else all.
            filters: Mongo's words over ``state``, ``config.x``, ``summary_metrics.x``, ``tags``, ``sweep``, …
            order: ``+`` or ``-`` and a fact, such as ``-summary_metrics.val/sharpe``.

        Raises:
            UsageError: The filter is none.
        """
        project = (path or os.environ.get("WANDB_PROJECT") or "").rpartition("/")[2]
        return found_runs(self._reader, project or None, None, filters, order)

    def sweep(self, path: str) -> StoredSweep:
        """Return a sweep.

        Raises:
            NotFound: There is none.
        """
        return StoredSweep(self._reader, self._reader.sweep(path.rpartition("/")[2]))

    def artifact(self, name: str, type: str | None = None) -> Artifact:
        """Return a version, such as ``project/model:best``.

        Raises:
            NotFound: There is none.
        """
        return find_version(self.home, name, os.environ.get("WANDB_PROJECT", "uncategorized"), type)

    def artifacts(self, type_name: str, name: str, **_more: Any) -> list[Artifact]:
        """Return all versions of a collection ``PROJECT/NAME``, the newest first."""
        existing = collections(self._reader, type_name)
        collection = next(
            (candidate for candidate in (name, name.partition("/")[2]) if candidate in existing), name
        )
        return all_versions(self.home, collection)

    def projects(self, entity: str | None = None, **_more: Any) -> list[str]:
        """Return the names of the projects that have runs."""
        return [row.name for row in self._reader.tracked.projects()]


def found_runs(
    reader: Reader,
    project: str | None,
    sweep_id: str | None,
    filters: Mapping[str, Any] | None,
    order: str | None,
) -> list[StoredRun]:
    """Return the runs of a project or a sweep that fit a filter, in an order."""
    facts = RunFieldReader(reader)
    ids = listed_ids(reader, (project, sweep_id), dict(filters or {}), order)
    rows = {row.id: row for row in reader.tracked.runs_of(ids)}
    return [StoredRun(reader, rows[run_id], facts) for run_id in ids if run_id in rows]


class StoredRun:
    """A run as it was kept.

    Attributes:
        id: What the store calls it.
        project: What it belongs to.
        state: ``running``, ``finished``, ``failed``, ``crashed``, ``killed`` or ``pending``.
        tags: Words to find it by; :meth:`update` keeps what is changed, as with ``notes``.
        notes: Text of its user.
    """

    def __init__(self, reader: Reader, row: TrackedRun, facts: RunFieldReader) -> None:
        self._reader, self._row, self._facts = reader, row, facts
        values = facts.of(row)
        self.id = row.id
        self.entity, self.project = ENTITY, row.project
        self.name: str = values["display_name"]
        self.state: str = values["state"]
        self.group, self.job_type = values["group"], row.job_type
        self.tags, self.notes = list(row.tags), row.note
        self.created_at = datetime.fromtimestamp(row.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its configuration; :meth:`update` keeps what is changed."""
        return self._facts.config(self._row)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What it logged last, under what it says of itself; :meth:`update` keeps what is changed."""
        return self._facts.summary(self._row)

    @property
    def summary_metrics(self) -> dict[str, Any]:
        """The same as :attr:`summary`."""
        return self.summary

    @property
    def path(self) -> list[str]:
        """Entity, project and id."""
        return [self.entity, self.project, self.id]

    @property
    def url(self) -> str | None:
        """Its page on the server; None without one."""
        server = server_of(self._reader.home)
        return f"{server}/{self.entity}/{self.project}/runs/{self.id}" if server else None

    @property
    def sweep(self) -> StoredSweep | None:
        """The sweep that it belongs to; None for none."""
        sweep_id = self._row.sweep_id
        return None if sweep_id is None else StoredSweep(self._reader, self._reader.sweep(sweep_id))

    @property
    def lastHistoryStep(self) -> int:  # noqa: N802 - the client's word
        """The last step that it logged at; -1 for none."""
        last = history_of(self._reader, self._row).last()
        return -1 if last is None else last["_step"]

    def history(
        self, samples: int = 500, keys: Sequence[str] | None = None, pandas: bool = True, **_more: Any
    ) -> Any:
        """Return rows evenly spread over its history.

        Args:
            samples: How many at most.
            keys: Only rows that have all of these, and only these.
            pandas: Whether as a data frame, where pandas is installed; a list of dictionaries otherwise.
        """
        rows = _with_keys(history_of(self._reader, self._row).between(0, None, samples), keys)
        if not pandas:
            return rows
        try:
            import pandas as frames  # noqa: PLC0415 - pyright: ignore[reportMissingImports]
        except ModuleNotFoundError:
            return rows
        return frames.DataFrame(rows)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

    def scan_history(
        self,
        keys: Sequence[str] | None = None,
        page_size: int = PAGE,
        min_step: int | None = None,
        max_step: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Give every row of its history, page by page; memory does not grow with its length.

        Args:
            keys: Only rows that have all of these, and only these.
            page_size: How many rows are read at a time.
            min_step: The first step.
            max_step: The step after the last.
        """
        history, first = history_of(self._reader, self._row), min_step or 0
        while page := history.between(first, max_step, page_size, is_page=True):
            last = page[-1]["_step"]
            if len(page) == page_size and page[0]["_step"] == last:  # more rows of one step than a page has
                page = history.between(first, last + 1, PAGE * PAGE, is_page=True)
            elif len(page) == page_size:  # the rest of its step comes with the next
                page = [row for row in page if row["_step"] < last]
            yield from _with_keys(page, keys)
            first = page[-1]["_step"] + 1

    def logged_artifacts(self) -> list[Artifact]:
        """Return the versions that it logged."""
        return [
            artifact_of(self._reader.home, row, kind)
            for name, kind in collections(self._reader).items()
            for row in versions(self._reader, name)
            if row.run_id == self.id
        ]

    def files(self) -> list[StoredRunFile]:
        """Return the files kept with it."""
        rows = self._reader.artifacts(run_id=self.id, sweep_id=self._row.sweep_id)
        return [StoredRunFile(row) for row in rows]

    def file(self, name: str) -> StoredRunFile:
        """Return a file kept with it.

        Raises:
            NotFound: There is none.
        """
        for file in self.files():
            if file.name == name:
                return file
        raise NotFound(f"run {self.id} keeps no file {name!r}")

    def update(self) -> None:
        """Keep what was changed of name, notes, tags, configuration and summary."""
        changes: dict[str, Any] = {"tags": list(self.tags), "note": self.notes or ""}
        changes |= {"config": self.config, "summary": self.summary}
        if self.name != self.id:
            changes["display_name"] = self.name
        with connect(self._reader.home) as client:
            client.call("edit_run", run_id=self.id, changes=json.loads(json.dumps(changes, default=str)))

    def delete(self, delete_artifacts: bool = False) -> None:
        """Delete it; what its sweep's verdict counts stays."""
        if delete_artifacts:
            raise UsageError("delete: artifacts of a run stay; delete their versions by themselves")
        with connect(self._reader.home) as client:
            client.call("delete", target=self.id)

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.state})>"


def _with_keys(rows: Sequence[Mapping[str, Any]], keys: Sequence[str] | None) -> list[dict[str, Any]]:
    if not keys:
        return [dict(row) for row in rows]
    return [{key: row[key] for key in keys} for row in rows if all(key in row for key in keys)]


class StoredRunFile:
    """A file kept with a run.

    Attributes:
        name: What it is called.
        size: Its bytes.
    """

    def __init__(self, row: ArtifactRow) -> None:
        self._row = row
        self.name, self.size = row.name, row.n_bytes

    def download(self, root: str | Path = ".", replace: bool = False, exist_ok: bool = False) -> Any:
        """Write it into a folder, and return it, opened for reading.

        Raises:
            UsageError: It is there already, and is not to be replaced.
        """
        from sharpen.store.blobs import open_blobs  # noqa: PLC0415
        from sharpen.wire import address_of  # noqa: PLC0415

        path = Path(root) / self.name
        if path.exists() and not (replace or exist_ok):
            raise UsageError(f"{path} is there already: download(replace=True)")
        home = self._row.path.parent.parent.parent
        content = open_blobs(address_of(home)).fetch(self._row.digest).read_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path.open()


class StoredSweep:
    """A sweep as it was kept.

    Attributes:
        id: What the store calls it.
        name: What people call it.
        project: What its runs belong to.
        state: ``RUNNING``, ``PAUSED``, ``FINISHED``, ``FAILED`` or ``CANCELED``.
        config: Its file, as a dictionary.
    """

    def __init__(self, reader: Reader, row: SweepRow) -> None:
        self._reader, self._row = reader, row
        self._spec = spec.parse(row.spec, where=row.source)
        self.id, self.name = row.id, row.name
        self.entity, self.project = ENTITY, row.project
        status = SweepStatus(row.status)
        self.state = STATES.get(status, status.upper())
        self.config = _yaml(row.spec)

    @property
    def runs(self) -> list[StoredRun]:
        """Its runs, the newest first."""
        return found_runs(self._reader, None, self.id, None, "-created_at")

    @property
    def expected_run_count(self) -> int | None:
        """Its cap; None for none."""
        return self._row.run_cap

    @property
    def order(self) -> str:
        """What :meth:`best_run` goes by."""
        sign = "-" if self._spec.metric.goal == "maximize" else "+"
        return f"{sign}summary_metrics.{self._spec.metric.name}"

    @property
    def url(self) -> str | None:
        """Its page on the server; None without one."""
        server = server_of(self._reader.home)
        return f"{server}/{self.entity}/{self.project}/sweeps/{self.id}" if server else None

    def best_run(self, order: str | None = None) -> StoredRun | None:
        """Return the run that ``sharpen best`` names, or the first in an order; None when there is none."""
        if order is not None:
            return next(iter(found_runs(self._reader, None, self.id, None, order)), None)
        runs = self._reader.runs(self.id, deleted=True)
        configuration = winner(configurations(runs, self._spec.repeats), self._spec.metric)
        row = None if configuration is None else self._reader.tracked.run(configuration.row.id)
        return None if row is None else StoredRun(self._reader, row, RunFieldReader(self._reader))

    def __repr__(self) -> str:
        return f"<Sweep {self.entity}/{self.project}/{self.id} ({self.state})>"


def _yaml(text: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415

    return yaml.safe_load(text)
