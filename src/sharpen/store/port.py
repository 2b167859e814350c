"""What a backend of the store owes: verbs to write with inside of one transaction.

The coordinator is the only one who writes, and writes nothing but through these. A backend is a module that
:data:`~sharpen.store.backends.BACKENDS` names; ``sharpen.testing.stores`` has the tests that it must pass.
Rows are mappings of column names to values, as :mod:`~sharpen.store.schema` has them.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from sharpen.store.queries import Reader

Row = Mapping[str, Any]
Kind = Literal["sweep", "run"]
HistoryLine = tuple[int, int, Mapping[str, Any]]  # line, step, metrics


class Writer(Protocol):
    """Writes of one transaction. Its own reads see what it has written."""

    def create_sweep(self, row: Row) -> None:
        """Write a new sweep."""
        ...

    def sweep_of_request(self, key: str) -> str | None:
        """Return the id of the sweep that a request made; None when it has made none."""
        ...

    def set_sweep(self, sweep_id: str, values: Row) -> None:
        """Change columns of a sweep."""
        ...

    def add_agent(self, row: Row) -> None:
        """Write that an agent has joined."""
        ...

    def create_runs(self, rows: Sequence[Row]) -> None:
        """Write new runs, all of the same columns."""
        ...

    def runs_of_request(self, sweep_id: str, key: str) -> list[str]:
        """Return the ids of the runs that a request added, by number; their keys are ``KEY/0``, ``KEY/1``."""
        ...

    def lease_run(self, run_id: str, values: Row, from_step: int | None) -> None:
        """Give a run to an agent under ``values["token"]``.

        Args:
            run_id: Which run.
            values: Its columns.
            from_step: The reports up to this step of the lease before count for this one, too, and so does
                its history; None for none.
        """
        ...

    def create_run(self, row: Row) -> None:
        """Write a run of no sweep."""
        ...

    def run(self, run_id: str) -> Row | None:
        """Return the columns of a run, deleted ones too; None when there is none."""
        ...

    def append_history(self, run_id: str, token: int, lines: Sequence[HistoryLine], at: float) -> None:
        """Write rows behind those that are there, and keep what each metric was last.

        Args:
            run_id: Whose history.
            token: Of the lease or grant under which they were logged.
            lines: At least one; their lines go on from ``n_lines`` of the run, one by one.
            at: When, in Unix seconds.
        """
        ...

    def copy_history(self, run_id: str, base_id: str, to_step: int) -> None:
        """Write what counts of another run's history up to a step, as what came before the run's grants."""
        ...

    def rewind_history(self, run_id: str, token: int, to_step: int | None) -> None:
        """Let only what was logged up to a step count from now on, under a token; nothing for None."""
        ...

    def keep_last(self, run_id: str, rows: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Keep what each metric was last: of (step, metrics), in the order in which they were logged."""
        ...

    def end_run(self, run_id: str, values: Row) -> None:
        """Write how a run ended."""
        ...

    def set_run(self, run_id: str, values: Row) -> None:
        """Change columns of a run."""
        ...

    def put_report(self, row: Row) -> None:
        """Write the metrics of a step, in place of what was there of the same run, token and step."""
        ...

    def count_reports(self, run_id: str, n_new: int, n_scored: int) -> None:
        """Add to how many reports count for a run, and to how many of these have the sweep's metric."""
        ...

    def report(self, run_id: str, token: int, step: int) -> Row | None:
        """Return what is there of a step; None for nothing."""
        ...

    def n_names(self, run_id: str) -> int:
        """Return how many names of metrics a run has logged that count."""
        ...

    def names_logged(self, run_id: str) -> list[str]:
        """Return the names of all metrics that a run has logged and that count, in order."""
        ...

    def n_names_logged(self, run_id: str, names: Collection[str]) -> int:
        """Return how many of some names of metrics a run has logged that count."""
        ...

    def put_console(self, row: Row) -> None:
        """Write what a program printed, in place of what was there from the same line on."""
        ...

    def put_machine_metrics(self, rows: Sequence[Row]) -> None:
        """Write what a run's machine did, in place of what was there of the same lines."""
        ...

    def put_artifact(self, row: Row) -> None:
        """Write that a file is kept, in place of the one of the same run and name."""
        ...

    def merge_summary(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Lay values over a run's summary."""
        ...

    def merge_config(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Merge values into the configuration that a run's program gave."""
        ...

    def tags(self, kind: Kind, target: str) -> list[str] | None:
        """Return the tags of a sweep or a run; None when it is not there or deleted."""
        ...

    def begin_look(self, row: Row) -> None:
        """Write that the lockbox is opened; a second time it changes nothing."""
        ...

    def end_look(self, look_id: str, result: str) -> bool:
        """Write what an opening of the lockbox found, as JSON; return whether it had begun."""
        ...

    def collection_type(self, name: str) -> str | None:
        """Return the type of a collection; None when there is none of this name."""
        ...

    def create_collection(self, row: Row) -> None:
        """Write a new collection."""
        ...

    def newest_version(self, collection: str) -> int:
        """Return the highest number that a version ever had, deleted ones too; -1 before the first."""
        ...

    def version_of_digest(self, collection: str, digest: str) -> int | None:
        """Return the newest version of this content that is not deleted; None for none."""
        ...

    def version(self, collection: str, version: int) -> Row | None:
        """Return a version, deleted or not; None when there is none."""
        ...

    def create_version(self, row: Row) -> None:
        """Write a new version."""
        ...

    def set_figures(self, collection: str, version: int, figures: str) -> None:
        """Change what is said of a version, which is JSON."""
        ...

    def delete_version(self, collection: str, version: int, at: float) -> None:
        """Hide a version; its number is not given again."""
        ...

    def aliases(self, collection: str) -> Mapping[str, int]:
        """Return the version of each alias."""
        ...

    def put_alias(self, row: Row) -> None:
        """Point an alias at a version, wherever it pointed before."""
        ...

    def remove_alias(self, collection: str, alias: str) -> None:
        """Take an alias away."""
        ...

    def audit(self, collection: str) -> list[Row]:
        """Return the audit log of a collection, the oldest entry first."""
        ...

    def newest_audit(self) -> Row | None:
        """Return the newest entry of the audit log, of whatever collection; None when it is empty."""
        ...

    def add_audit(self, row: Row) -> None:
        """Write the next entry of the audit log."""
        ...

    def set_limits(self, project: str, limits: Row) -> None:
        """Write the limits of a project, in place of those that it had."""
        ...

    def n_runs_of(self, project: str) -> int:
        """Return how many runs a project's sweeps and its programs alone have made, deleted ones too."""
        ...

    def n_bytes_of(self, project: str, run_id: str, name: str) -> int:
        """Return the bytes of all files that these runs have kept, but for one of a run and name."""
        ...

    def every_row(self, table: str) -> Generator[Row]:
        """Yield all rows of a table in the order of its primary key, texts by their bytes; for copies.

        To be closed when it is not read to its end.
        """
        ...

    def add_rows(self, table: str, rows: Sequence[Row]) -> None:
        """Write rows of a table as they are, each with every column; for copies."""
        ...

    def schema_version(self) -> int:
        """Return the version of the schema that is in use."""
        ...


class Store(Protocol):
    """A store that is open for the one process that may write to it."""

    def transaction(self) -> AbstractContextManager[Writer]:
        """Give a transaction; it is on the disk when the block ends, and undone when the block raises.

        Raises:
            StoreError: It cannot be written now, and may be later: a full disk, a database that is away.
        """
        ...

    def analyze(self) -> None:
        """Let the database plan its queries by what is in it now, after many rows were added at once."""
        ...

    def holds(self) -> bool:
        """Return whether this process is still the one that may write; after False it never is again."""
        ...

    def reader(self) -> Reader:
        """Return what reads the store, outside of transactions."""
        ...

    def close(self) -> None:
        """Give up the connections."""
        ...
