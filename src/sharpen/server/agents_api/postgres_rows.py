"""Running the queries of readers elsewhere on a store in Postgres, which has no authorizer as SQLite has one.

Three fences, each enough for most of what a stranger may try: only functions that readers use are called; the
planner says which tables would be read, and they must be the store's; and the session can only read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa

from sharpen.errors import UsageError
from sharpen.store import schema

TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|"(?P<quoted>[^"\\]*)"|(?P<text>'(?:[^'\\]|'')*')"""
    r"""|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<sign>%\([A-Za-z0-9_]+\)s|\|\||<=|>=|<>|!=|-(?!-)|/(?!\*)|[(),.*+<>=])"""
)
BEGINNINGS = ("select", "with")
CALLED = frozenset(
    (
        *("select", "from", "join", "on", "where", "and", "or", "not", "in", "as", "by", "over", "filter"),
        *("when", "then", "else", "union", "all", "distinct", "exists", "any", "values", "having", "is"),
        *("count", "max", "min", "sum", "avg", "coalesce", "substr", "length", "lower", "upper", "abs"),
        *("nullif", "row_number", "rank", "greatest", "least", "cast"),
    )
)
"""What may stand before a bracket: words of the language, and functions that cannot do harm."""
TABLES = frozenset(schema.metadata.tables)


def refuse_strange(query: str) -> None:
    """Refuse what no reader asks.

    Raises:
        UsageError: It is no query, has a character of no use, or calls an unknown function.

    >>> refuse_strange("SELECT count(*) FROM runs WHERE id = %(id_1)s")
    >>> refuse_strange("SELECT pg_sleep(9)")
    Traceback (most recent call last):
    sharpen.errors.UsageError: the query cannot be answered: it calls 'pg_sleep'
    """
    at, before, n_words = 0, "", 0
    while at < len(query):
        token = TOKEN.match(query, at)
        if token is None:
            raise UsageError(f"the query cannot be answered: {query[at : at + 20]!r} is not understood")
        at = token.end()
        if token["space"]:
            continue
        word = (token["word"] or token["quoted"] or "").lower()
        if not n_words and word not in BEGINNINGS:
            raise UsageError("the query cannot be answered: it is none")
        if token["sign"] == "(" and before and before not in CALLED:
            raise UsageError(f"the query cannot be answered: it calls {before!r}")
        before, n_words = word, n_words + 1
    if not n_words:
        raise UsageError("the query cannot be answered: it is empty")


def answer(
    connection: sa.Connection, query: str, parameters: Mapping[str, Any], *, longest_s: float, most_rows: int
) -> dict[str, Any]:
    """Return the columns and the rows of a query, which is refused unless it reads the store and no more.

    Args:
        connection: One that can only read, and commits by itself.
        query: With ``%(name)s`` for a parameter.
        parameters: JSON's values by name.
        longest_s: When to give up.
        most_rows: Where to stop.

    Raises:
        UsageError: It is refused.
    """
    refuse_strange(query)
    driver: Any = connection.connection.driver_connection
    with driver.transaction():
        driver.execute(f"SET LOCAL statement_timeout = {int(1000 * longest_s)}")
        (here,) = driver.execute("SELECT current_schema()").fetchone()
        (plan,) = driver.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {query}", parameters).fetchone()
        _refuse_tables(plan, here)
        with closing(driver.cursor(name="rows")) as cursor:
            cursor.execute(query, parameters)
            rows = cursor.fetchmany(most_rows)
            names = [column.name for column in cursor.description]
    return {"columns": names, "rows": [[_plain(value) for value in row] for row in rows]}


def _refuse_tables(plan: Any, here: str) -> None:
    """Refuse a plan that reads anything but the store's tables."""
    if isinstance(plan, list):
        for part in cast("list[Any]", plan):
            _refuse_tables(part, here)
    if not isinstance(plan, dict):
        return
    node = cast("Mapping[str, Any]", plan)
    table = node.get("Relation Name")
    is_ours = table in TABLES and node.get("Schema") == here
    if "Function Name" in node or (table is not None and not is_ours):
        raise UsageError(f"the query cannot be answered: it reads {table or node['Function Name']!r}")
    for part in node.values():
        _refuse_tables(part, here)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; sums are of another type in Postgres."""
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value
