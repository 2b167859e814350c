"""Answering a GraphQL request: parsed and validated once a text, within limits."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from threading import Lock
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from sharpen.errors import SharpenError
from sharpen.server.wandb.context import Context, Gone, NotAllowed
from sharpen.server.wandb.resolvers import root

MOST_TOKENS = 5_000
DEEPEST = 20
TOO_DEEP = f"a query nests at most {DEEPEST} deep"
LONGEST_QUERY = 50_000  # letters
TEXTS_KEPT = 512
_READING = Lock()


@cache
def schema() -> GraphQLSchema:
    """Return the schema, read once."""
    return build_schema(files(__package__ or "").joinpath("schema.graphql").read_text())


def read(query: str) -> DocumentNode | tuple[GraphQLError, ...]:
    """Return a request's document, or what is wrong with it.

    >>> read("{ viewer { nothing } }")[0].message
    "Cannot query field 'nothing' on type 'User'."
    """
    # many clients send the same text at the same first instant: one thread reads it, and the others wait
    with _READING:
        return _read(query)


@lru_cache(TEXTS_KEPT)
def _read(query: str) -> DocumentNode | tuple[GraphQLError, ...]:
    try:
        document = parse(query, max_tokens=MOST_TOKENS)
    except GraphQLError as problem:
        return (problem,)
    except RecursionError:
        return (GraphQLError(TOO_DEEP),)
    if _is_deeper(document, DEEPEST):
        return (GraphQLError(TOO_DEEP),)
    return tuple(validate(schema(), document)) or document


def _is_deeper(node: Any, n_levels: int) -> bool:
    """Return whether fields nest deeper than this; a fragment's are counted where it is written."""
    if isinstance(node, tuple | list):
        return any(_is_deeper(child, n_levels) for child in node)  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(node, Node):
        return False
    if isinstance(node, FieldNode):
        if n_levels == 0:
            return True
        n_levels -= 1
    parts = (getattr(node, key, None) for key in ("definitions", "selection_set", "selections"))
    return any(_is_deeper(part, n_levels) for part in parts)


def answer(ctx: Context, body: Any) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of the answer to a request.

    A fault of the client's is 200 with ``errors``, or 4xx: one of 5xx would be asked again for days.
    """
    query = body.get("query") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if not isinstance(query, str) or len(query) > LONGEST_QUERY:
        return 400, _errors([f"a request is JSON with a 'query' of at most {LONGEST_QUERY:,} letters"])
    document = read(query)
    if isinstance(document, tuple):
        return 400, _errors([problem.message for problem in document])
    variables: Any = body.get("variables") or {}
    if not isinstance(variables, dict):
        return 400, _errors(["'variables' is an object"])
    operation = body.get("operationName") or None
    result = execute_sync(schema(), document, root(ctx), ctx, variables, operation)  # pyright: ignore[reportUnknownArgumentType]
    problems = result.errors or []
    status = max((_status(problem.original_error) for problem in problems), default=200)
    return status, {"data": result.data, **(_errors([_sentence(p) for p in problems]) if problems else {})}


def _status(problem: Exception | None) -> int:
    match problem:
        case Gone():
            return 404
        case NotAllowed():
            return 403
        case _:
            return 200


def _sentence(problem: GraphQLError) -> str:
    cause = problem.original_error
    return cause.message if isinstance(cause, SharpenError) else problem.message


def _errors(sentences: list[str]) -> dict[str, Any]:
    return {"errors": [{"message": sentence} for sentence in sentences]}
