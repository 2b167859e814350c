"""How a store of an older version becomes one of today's: one function a version, run in order.

The database's ``user_version`` says where it is. Before the first step the whole file is copied beside it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa

from sharpen.errors import StoreDamaged, StoreError
from sharpen.jsonable import dumps
from sharpen.store.schema_versions import (
    VERSION_1,
    VERSION_2,
    VERSION_3,
    VERSION_4,
    VERSION_5,
    VERSION_6,
    VERSION_7,
    VERSION_8,
    VERSION_9,
    VERSION_10,
)

Step = Callable[[sa.Connection], None]


def _by(statements: Sequence[str]) -> Step:
    """Return the step that runs statements."""

    def run(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    return run


def _of_metrics_logged_last(connection: sa.Connection) -> None:
    """Run the statements of version 6, and find out what each run logged last."""
    _by(VERSION_6)(connection)
    rows = connection.exec_driver_sql(
        "SELECT p.run_id, p.step, p.metrics FROM reports p"
        " JOIN runs r ON r.id = p.run_id AND r.token = p.token ORDER BY p.run_id, p.step"
    )
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for run_id, step, metrics in rows:
        last |= {(run_id, name): (step, dumps(value)) for name, value in json.loads(metrics).items()}
    if last:
        connection.exec_driver_sql(
            "INSERT INTO last_values (run_id, name, step, value) VALUES (?, ?, ?, ?)",
            [(*key, *value) for key, value in last.items()],
        )


STEPS: Mapping[int, Step] = {
    1: _by(VERSION_1),
    2: _by(VERSION_2),
    3: _by(VERSION_3),
    4: _by(VERSION_4),
    5: _by(VERSION_5),
    6: _of_metrics_logged_last,
    7: _by(VERSION_7),
    8: _by(VERSION_8),
    9: _by(VERSION_9),
    10: _by(VERSION_10),
}


def migrate(engine: sa.Engine, path: Path, steps: Mapping[int, Step] = STEPS) -> list[int]:
    """Bring a database up to the newest version and return the versions that were gone through.

    Args:
        engine: The database.
        path: Its file; a copy named ``NAME.vN.backup`` is left beside it when there is something to lose.
        steps: What leads to each version from the one before.

    Raises:
        StoreError: The database was written by a newer sharpen.
    """
    target = max(steps)
    with engine.connect() as connection:
        current = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if current > target:
            raise StoreError(
                f"{path} has schema version {current}, and this sharpen knows up to {target}: "
                "upgrade sharpen, or use another --home"
            )
    todo = [version for version in sorted(steps) if version > current]
    if todo and current > 0:
        _backup(engine, path.with_name(f"{path.name}.v{current}.backup"))
    for version in todo:
        with _unchecked(engine) as connection:
            steps[version](connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    return todo


@contextlib.contextmanager
def _unchecked(engine: sa.Engine) -> Generator[sa.Connection]:
    """Give a transaction that may drop a table that others refer to; in the end they must fit again."""
    with engine.connect() as connection:
        driver = connection.connection.cursor()
        driver.execute("PRAGMA foreign_keys = OFF")  # has no effect once a transaction has begun
        try:
            with connection.begin():
                yield connection
                wrong = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if wrong is not None:
                    raise StoreDamaged(
                        f"a row of {wrong[0]} refers to none of {wrong[2]}: the store is damaged"
                    )
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def _backup(engine: sa.Engine, target: Path) -> None:
    target.unlink(missing_ok=True)
    with contextlib.closing(engine.raw_connection()) as connection:
        # past SQLAlchemy, which would begin a transaction: SQLite cannot copy itself inside one
        connection.cursor().execute("VACUUM INTO ?", (str(target),))
