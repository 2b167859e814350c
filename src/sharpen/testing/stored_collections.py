"""What every backend of the store must do with collections: versions, aliases and the audit log.

A part of the contract of :mod:`sharpen.testing.stores`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def versions_are_numbered_and_hidden(store: Any) -> None:
    """A number is not given twice; a version that is hidden has no content to be found by."""
    row: dict[str, Any] = {"collection": "m", "files": "[]", "record": "{}", "figures": "{}", "author": "ann"}
    row |= {"run_id": None, "created_at": 1.0}
    with store.transaction() as writer:
        assert (writer.collection_type("m"), writer.newest_version("m")) == (None, -1)
        writer.create_collection({"name": "m", "type": "model", "created_at": 1.0})
        for version in (0, 1):
            writer.create_version(
                row | {"version": version, "digest": "d", "run_id": None, "created_at": 1.0}
            )
        assert (writer.collection_type("m"), writer.newest_version("m")) == ("model", 1)
        assert writer.version_of_digest("m", "d") == 1
        writer.delete_version("m", 1, 2.0)
        assert (writer.newest_version("m"), writer.version_of_digest("m", "d")) == (1, 0)
        assert writer.version("m", 1)["deleted_at"] == 2.0
        assert writer.version("m", 2) is None


def an_alias_points_at_one_version(store: Any) -> None:
    """Pointing it anew takes it from where it was."""
    with store.transaction() as writer:
        writer.create_collection({"name": "m", "type": "model", "created_at": 1.0})
        for version in (0, 1):
            writer.put_alias(
                {"collection": "m", "alias": "best", "version": version, "who": "ann", "at": 1.0}
            )
        assert writer.aliases("m") == {"best": 1}
        writer.remove_alias("m", "best")
        assert writer.aliases("m") == {}


def the_audit_log_keeps_its_order(store: Any) -> None:
    """Each collection has its part of it; the newest entry is that of all."""
    row = {"at": 0.1, "who": "ann", "action": "registered", "details": "{}", "previous": "", "hash": "h"}
    with store.transaction() as writer:
        assert writer.newest_audit() is None
        for seq, collection in ((1, "m"), (2, "n"), (3, "m")):
            writer.add_audit(row | {"seq": seq, "collection": collection})
        assert [entry["seq"] for entry in writer.audit("m")] == [1, 3]
        assert writer.newest_audit() == row | {"seq": 3, "collection": "m"}


COLLECTIONS: dict[str, Callable[[Any], None]] = {
    check.__name__: check
    for check in (
        versions_are_numbered_and_hidden,
        an_alias_points_at_one_version,
        the_audit_log_keeps_its_order,
    )
}
