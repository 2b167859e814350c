"""What every resolver has: the store, who asks, and how to sign an address."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from sharpen.errors import UsageError
from sharpen.server.auth import ApiKey, Signer
from sharpen.server.store_access import Engine

ENTITY = "local"
DEFAULT_PROJECT = "uncategorized"


class NotAllowed(UsageError):
    """The key's scope is too small."""


class Gone(UsageError):
    """The sweep is no more; the client's agent leaves when it hears of it."""


@dataclass(frozen=True, slots=True)
class Context:
    """One request.

    Attributes:
        engine: The store.
        key: Whose request it is.
        signer: Signs addresses.
        base_url: Where the client reached us, without a slash at its end.
        n_slots: How many runs a ``wandb agent`` works on at once.
        listed: The listings that it has asked for so far: each is made once.
    """

    engine: Engine
    key: ApiKey
    signer: Signer
    base_url: str
    n_slots: int = 1
    listed: set[str] = field(default_factory=set[str])

    def need(self, scope: str) -> None:
        """Refuse what the key may not do.

        Raises:
            NotAllowed: Its scope is too small.
        """
        if not self.key.allows(scope):
            raise NotAllowed(f"the key {self.key.id} may {self.key.scope}; this needs {scope}")

    def signed(self, claims: dict[str, Any]) -> str:
        """Return the address of a file, for a while."""
        return f"{self.base_url}/storage/{self.signer.sign(claims, time.time())}"


def when(at: float | None) -> str | None:
    """Return a time as the client reads it.

    >>> when(0.0)
    '1970-01-01T00:00:00Z'
    """
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def json_object(text: str, name: str) -> dict[str, Any]:
    """Return what a text of JSON holds, which is an object.

    Raises:
        UsageError: It is none; ``name`` says where.
    """
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{name} is JSON: {problem}") from problem
    if not isinstance(value, dict):
        raise UsageError(f"{name} is a JSON object")
    return cast("dict[str, Any]", value)


def unwrapped(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the client's wrapping.

    >>> unwrapped({"x": {"value": 1}, "y": 2})
    {'x': 1, 'y': 2}
    """
    return {
        name: cast("dict[str, Any]", value)["value"]
        if isinstance(value, dict) and "value" in value
        else value
        for name, value in config.items()
    }


def page(nodes: list[Any], first: int | None = None, after: str | None = None) -> dict[str, Any]:
    """Return a page of a list, in the shape of a GraphQL connection; a cursor is a place in the list.

    >>> page(["a", "b", "c"], first=1, after="1")["edges"], page(["a"])["pageInfo"]["hasNextPage"]
    ([{'node': 'b', 'cursor': '2'}], False)
    """
    start = int(after) if after and after.isdecimal() else 0
    end = len(nodes) if first is None else min(len(nodes), start + max(first, 0))
    edges = [{"node": nodes[i], "cursor": str(i + 1)} for i in range(start, end)]
    info = {"endCursor": str(end), "hasNextPage": end < len(nodes)}
    return {"edges": edges, "pageInfo": info, "totalCount": len(nodes)}


def project_number(name: str) -> str:
    """Return the number of a project, as text: the client wants one.

    >>> project_number("quantbot").isdecimal()
    True
    """
    return str(zlib.crc32(name.encode(errors="replace")))
