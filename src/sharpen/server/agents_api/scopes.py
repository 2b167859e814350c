"""Which key may ask the coordinator for what."""

from __future__ import annotations

from collections.abc import Sequence

from sharpen.wire.protocol import Request

READ = frozenset(("ping", "heard", "sweep", "watch"))
AGENT = frozenset(
    (
        *("create_sweep", "join", "lease", "beat", "report", "leads", "console", "summarize", "artifact"),
        *("exit", "release", "create_run", "append_history", "configure", "describe_run", "beat_run"),
        *("finish_run", "add", "rerun", "note", "tag", "permuted", "look", "looked", "register"),
    )
)


def scope_of(requests: Sequence[Request]) -> str:
    """Return the scope that a key needs for all of some requests; what is not known is for admins.

    >>> scope_of([{"op": "ping"}]), scope_of([{"op": "ping"}, {"op": "lease"}]), scope_of([{"op": "delete"}])
    ('read', 'agent', 'admin')
    """
    operations = {str(request.get("op")) for request in requests}
    if operations <= READ:
        return "read"
    return "agent" if operations <= READ | AGENT else "admin"
