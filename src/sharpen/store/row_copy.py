"""The rows of a store, taken from one backend to another as they are at one moment.

All are copied in one transaction of the target and read again before it ends: a copy is whole, or it is not
there.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError

from sharpen.errors import StoreError, UsageError
from sharpen.store import schema
from sharpen.store.backends import backend_of, one_moment
from sharpen.store.broken_rows import problem_of
from sharpen.store.location import database_url, without_password
from sharpen.store.permissions import tighten
from sharpen.store.port import Row, Writer
from sharpen.store.references import IN_TEXT, WITHOUT
from sharpen.store.sql_writer import every_row

AT_ONCE = 1000  # rows


@dataclass
class Copied:
    """What was copied.

    Attributes:
        rows: How many, by table.
        digests: SHA-256 of a table's rows, by table: the same wherever the store is.
        n_replaced: Texts in which U+FFFD stands for a character that the target cannot keep.
        n_files: Files that are named, and are there with the content that they were kept with.
        damaged: What is wrong with each of the others, and with each row that cannot be read.
    """

    rows: dict[str, int] = field(default_factory=dict[str, int])
    digests: dict[str, str] = field(default_factory=dict[str, str])
    n_replaced: int = 0
    n_files: int = 0
    damaged: list[str] = field(default_factory=list[str])
    named: set[str] = field(default_factory=set[str])
    needed: set[str] = field(default_factory=set[str])

    @property
    def digest(self) -> str:
        """The SHA-256 of all rows."""
        text = "\n".join(f"{name} {digest}" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(text.encode()).hexdigest()


def copy_rows(source: Path, target: Path, *, may_be_there: bool = False) -> Copied:
    """Copy all rows of a store into an empty one, and compare what is there then with what was read.

    Args:
        source: The folder of a store, which may be at work: the copy is of one moment.
        target: A folder whose store is empty, or not made yet.
        may_be_there: Whether the target may have all these rows already, as after a copy whose files were
            damaged: they are compared then, and nothing is written.

    Raises:
        NotFound: There is no store.
        UsageError: The target has other rows.
        StoreError: One cannot be read or written, or a row is not there as it was: nothing has been copied.
    """
    copied = Copied()
    store = backend_of(target).open_store(target)
    try:
        with one_moment(source) as connection, store.transaction() as writer:
            is_there = _has_rows(writer)
            if is_there and not may_be_there:
                raise _not_empty(target)
            for table in schema.metadata.sorted_tables:
                _take(table, connection, copied, None if is_there else writer)
            try:
                for table in schema.metadata.sorted_tables:
                    _compare(writer, table, connection, copied)
            except StoreError as problem:
                if not is_there:
                    raise
                raise _not_empty(target) from problem
        store.analyze()
    finally:
        store.close()
    tighten(target)
    return copied


def _has_rows(writer: Writer) -> bool:
    for name in schema.metadata.tables:
        with contextlib.closing(writer.every_row(name)) as rows:
            if next(rows, None) is not None:
                return True
    return False


def _not_empty(target: Path) -> UsageError:
    shown = without_password(database_url(target) or str(target))
    return UsageError(f"{shown} has another store, which is not empty: name another database or folder")


def _take(table: sa.Table, connection: sa.Connection, copied: Copied, writer: Writer | None) -> None:
    """Read a table of the source, and write it unless it is there already."""
    with contextlib.closing(every_row(connection, table)) as rows:
        while some := list(islice(rows, AT_ONCE)):
            problems = [problem for row in some if (problem := problem_of(table.name, row))]
            copied.damaged += problems
            if writer is not None:
                _add(writer, table.name, some, problems)
            if table.name in WITHOUT:
                continue
            for row in some:
                copied.named |= _digests_in(row)
            if table.name == "artifacts":
                copied.needed |= {row["digest"] for row in some}


def _add(writer: Writer, table: str, rows: list[Row], problems: list[str]) -> None:
    """Write rows, of which some cannot be read.

    Raises:
        StoreError: One is none that the target can keep: it has text where a number belongs.
    """
    try:
        writer.add_rows(table, rows)
    except StatementError as problem:
        if isinstance(problem, DBAPIError):
            raise
        causes = "; ".join(problems) or f"{table}: {problem.orig}"
        raise StoreError(f"a row cannot be copied: {causes}: nothing was copied") from problem


def _digests_in(row: Row) -> set[str]:
    texts = (value for value in row.values() if isinstance(value, str) and len(value) >= 64)
    return {digest for text in texts for digest in IN_TEXT.findall(text)}


def _compare(writer: Writer, table: sa.Table, connection: sa.Connection, copied: Copied) -> None:
    """Read a table at both ends, row by row.

    Raises:
        StoreError: A row is missing, changed or too much.
    """
    digest, n = hashlib.sha256(), 0
    before, after = every_row(connection, table), writer.every_row(table.name)
    with contextlib.closing(before), contextlib.closing(after):
        for old, new in zip_longest(before, after):
            if old != new:
                _refuse_difference(table, old, new)
                copied.n_replaced += 1
            digest.update(repr(sorted((new or {}).items())).encode())
            n += 1
    copied.rows[table.name], copied.digests[table.name] = n, digest.hexdigest()


def _refuse_difference(table: sa.Table, old: Row | None, new: Row | None) -> None:
    """Refuse two rows that differ in more than a character that the target cannot keep."""
    if old is not None and {name: _without_nul(value) for name, value in old.items()} == new:
        return
    row = old or new or {}
    where = ", ".join(f"{column.name} {row[column.name]!r}" for column in table.primary_key)
    raise StoreError(f"{table.name} ({where}) is not in the copy as it was: nothing was copied")


def _without_nul(value: Any) -> Any:
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
