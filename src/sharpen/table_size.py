"""How many values a table may hold, known before it is read."""

from __future__ import annotations

from collections.abc import Mapping

from sharpen.errors import DataError
from sharpen.free_memory import refuse_without_room

BYTES_A_VALUE = 8


def refuse_vast(path: str, n_rows: int, kinds: Mapping[str, str], n_most: int) -> None:
    """Refuse what would fill the memory: a file of a few kilobytes may hold any number of equal rows.

    Args:
        path: The file, for the message.
        n_rows: How many rows it says it has.
        kinds: By the name of each column, what it holds whose length nobody tells, such as lists; empty for
            plain values.
        n_most: How many values it may have.

    Raises:
        DataError: There are too many values, more than the memory holds, or a column is nested.

    >>> refuse_vast("vix.parquet", 60_000_000, {"close": ""}, 50_000_000)
    Traceback (most recent call last):
    sharpen.errors.DataError: vix.parquet: holds 60,000,000 rows of 1 columns, and the limit is 50,000,000 ...
    """
    if n_rows * len(kinds) > n_most:
        raise DataError(
            f"{path}: holds {n_rows:,} rows of {len(kinds):,} columns, and the limit is "
            f"{n_most:,} values. Fix: keep the columns that are needed, or split it"
        )
    if nested := [f"{name} holds {kind}" for name, kind in kinds.items() if kind]:
        raise DataError(f"{path}: column {nested[0]}, of which nobody can tell the size. Fix: leave it out")
    refuse_without_room(path, n_rows * len(kinds) * BYTES_A_VALUE)
