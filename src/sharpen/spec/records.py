"""Mappings by tables: a row a key, which reads it, documents it, and writes its part of the JSON schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.hints import join
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader
from sharpen.spec.synonyms import nearest

MOST_EXPLAINED = 50


@dataclass(frozen=True, slots=True)
class Key:
    """How one key of a mapping is read.

    Attributes:
        reader: Reads what it holds.
        doc: What it means, in a sentence.
        default: Its value where the file does not have the key.
        missing: What is wrong without it; empty where it may be left out.
        is_extension: Whether it is sharpen's own: stock W&B ignores it with a warning.
    """

    reader: ValueReader
    doc: str = ""
    default: Any = None
    missing: str = ""
    is_extension: bool = False


def record(node: Node, keys: Mapping[str, Key], what: str = "here") -> dict[str, Any] | None:
    """Return the values of a mapping's keys by the rows of a table; None when it is no mapping.

    Args:
        node: The mapping.
        keys: A row for each key that it may have.
        what: Where these keys belong, for the message about one that does not.
    """
    entries = node.children()
    if entries is None:
        return None
    for name, entry in entries.items():
        if name not in keys:
            reject_key(entry, name, keys, what)
    values: dict[str, Any] = {}
    for name, key in keys.items():
        if name in entries:
            values[name] = key.reader(entries[name])
        else:
            values[name] = key.default
            if key.missing:
                node.child(name, None).wrong(f"is missing: {key.missing}")
    return values


def clean_record(node: Node, keys: Mapping[str, Key], what: str) -> dict[str, Any] | None:
    """Return what :func:`record` returns; None when anything in the mapping is wrong."""
    n_problems = len(node.problems)
    values = record(node, keys, what)
    return None if len(node.problems) > n_problems else values


def reject_key(entry: Node, name: str, known: Iterable[str], what: str) -> None:
    """Note that a key has no business where it is, with the nearest that has."""
    known = list(known)
    if name.startswith(("_", "x-")) and entry.path.count(".") == 1:
        entry.wrong(
            "unknown key: there is no place for anchors alone; write &name at the first parameter that has "
            "the values, and *name at the others"
        )
    elif len(entry.problems) >= MOST_EXPLAINED:
        entry.wrong("unknown key")
    else:
        entry.wrong(f"unknown key{nearest(name, known)} (known {what}: {join(known)})")


def schema_of(keys: Mapping[str, Key], required: Collection[str] = ()) -> dict[str, Any]:
    """Return the JSON schema of a mapping that a table reads.

    >>> from sharpen.spec.readers import integer
    >>> schema_of({"s": Key(integer(1), "How many bands.")})["properties"]
    {'s': {'type': 'integer', 'minimum': 1, 'description': 'How many bands.'}}
    """
    properties = {name: dict(key.reader.schema) | _described(key) for name, key in keys.items()}
    needed = [name for name, key in keys.items() if key.missing or name in required]
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": needed} if needed else {})


def _described(key: Key) -> dict[str, Any]:
    description = f"{key.doc} (sharpen's own; W&B ignores it)" if key.is_extension else key.doc
    schema = {"description": description} if description else {}
    has_default = isinstance(key.default, bool | int | float | str) and key.default != ""
    return schema | ({"default": key.default} if has_default else {})
