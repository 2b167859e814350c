"""Frozen values with something changed: what the rules of a sweep do at every event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value")
Put = Callable[[Any, Any], None]


def with_changes(value: Value, **changes: Any) -> Value:
    """Return a frozen value with some of its attributes changed.

    That is :func:`dataclasses.replace` in a third of its time, for a dataclass with ``slots=True`` and
    without ``__post_init__``.

    Raises:
        KeyError: It has no such attribute.

    >>> from sharpen.trial import StoredCheckpoint
    >>> with_changes(StoredCheckpoint("ab", 3), step=4)
    StoredCheckpoint(digest='ab', step=4)
    """
    kind = type(value)
    get, puts = _attributes(kind)
    changed = object.__new__(kind)
    for put, part in zip(puts.values(), get(value), strict=True):
        put(changed, part)
    for name, part in changes.items():
        puts[name](changed, part)
    return changed


@cache
def _attributes(kind: Any) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, Put]]:
    """Return what gets all attributes of a value of a kind, and what puts each into a new one."""
    names = [field.name for field in fields(kind)]
    return attrgetter(*names), {name: getattr(kind, name).__set__ for name in names}
