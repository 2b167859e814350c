"""The part of a filter over runs, in Mongo's words, that the database itself can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa

from sharpen.store import schema

Where = sa.ColumnElement[bool]
r = schema.runs.c


def _or(column: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.case((column != "", column), else_=other)


TEXTS: Mapping[str, sa.ColumnElement[Any]] = {
    "name": r.id,
    "display_name": _or(r.display_name, r.id),
    "sweep": r.sweep_id,
    "group": _or(r.group_name, r.sweep_id),
    "job_type": r.job_type,
}
TIMES: Mapping[str, sa.ColumnElement[Any]] = {
    "created_at": r.created_at,
    "heartbeat_at": sa.func.coalesce(r.ended_at, r.heartbeat_at, r.created_at),
}
ORDERS: Mapping[str, sa.ColumnElement[Any]] = {**TIMES, "number": r.number}
ALIASES = {
    "displayName": "display_name",
    "createdAt": "created_at",
    "heartbeatAt": "heartbeat_at",
    "jobType": "job_type",
}
"""What the client also calls a fact of a run."""
OPERATORS: Mapping[str, Callable[[Any, Any], Where]] = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}
MOST_VALUES = 500  # of one $in
DEEPEST = 20


def timestamp(value: Any) -> float | None:
    """Return a time in Unix seconds, from ISO 8601 or as it is; None for all else.

    >>> timestamp("1970-01-02T00:00:00Z"), timestamp(5), timestamp("soon")
    (86400.0, 5.0, None)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def divided(
    query: Mapping[str, Any], states: Callable[[str], list[str]]
) -> tuple[list[Where], list[Mapping[str, Any]]]:
    """Return what of a filter the database can answer, and what it cannot; runs must fit both.

    Args:
        query: The filter.
        states: Returns the states of the store that are one of the client's.
    """
    answerable: list[Where] = []
    unanswerable: list[Mapping[str, Any]] = []
    for key, value in query.items():
        if key == "$and" and isinstance(value, list) and all(isinstance(p, dict) for p in value):  # pyright: ignore[reportUnknownVariableType]
            for part in cast("list[dict[str, Any]]", value):
                where, left_over = divided(part, states)
                answerable += where
                unanswerable += left_over
            continue
        clause = _clause({key: value}, states, 0)
        if clause is None:
            unanswerable.append({key: value})
        else:
            answerable.append(clause)
    return answerable, unanswerable


def _clause(query: Any, states: Callable[[str], list[str]], depth: int) -> Where | None:
    """Return a filter as the database has it; None where it cannot tell."""
    if not isinstance(query, dict) or depth > DEEPEST:
        return None
    clauses: list[Where] = []
    for key, value in cast("dict[str, Any]", query).items():
        if key in ("$and", "$or"):
            clause = _joined(key, value, states, depth)
        else:
            clause = _leaf(ALIASES.get(key, key), value, states)
        if clause is None:
            return None
        clauses.append(clause)
    return sa.and_(sa.true(), *clauses)


def _joined(key: str, value: Any, states: Callable[[str], list[str]], depth: int) -> Where | None:
    if not isinstance(value, list) or not value:
        return None
    clauses = [_clause(operand, states, depth + 1) for operand in cast("list[Any]", value)]
    answerable = [clause for clause in clauses if clause is not None]
    if len(answerable) < len(clauses):
        return None
    return sa.and_(*answerable) if key == "$and" else sa.or_(*answerable)


def _leaf(key: str, value: Any, states: Callable[[str], list[str]]) -> Where | None:
    tests = cast("dict[str, Any]", value) if isinstance(value, dict) else {"$eq": value}
    clauses = [_test(key, op, wanted, states) for op, wanted in tests.items()]
    answerable = [clause for clause in clauses if clause is not None]
    return sa.and_(sa.true(), *answerable) if len(answerable) == len(clauses) else None


def _test(key: str, op: str, wanted: Any, states: Callable[[str], list[str]]) -> Where | None:
    if key in TIMES and op in OPERATORS:
        at = timestamp(wanted)
        return None if at is None else OPERATORS[op](TIMES[key], at)
    if op in ("$eq", "$ne"):
        wanted = [wanted]
    elif op not in ("$in", "$nin"):
        return None
    if not isinstance(wanted, list) or len(cast("list[Any]", wanted)) > MOST_VALUES:
        return None
    texts = [text for text in cast("list[Any]", wanted) if isinstance(text, str)]
    if len(texts) < len(cast("list[Any]", wanted)):
        return None
    if key == "state":
        column, texts = r.state, [state for text in texts for state in states(text)]
    elif key in TEXTS:
        column = TEXTS[key]
    else:
        return None
    is_one = sa.and_(column.is_not(None), column.in_(texts))
    return is_one if op in ("$eq", "$in") else sa.not_(is_one)
