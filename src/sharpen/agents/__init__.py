"""Agents: processes that lease runs of a sweep and carry them out in slots.

``local`` is an agent on this machine; ``program`` is a program at work, ``output`` what it prints;
``launcher`` decides how it starts: cold, as a process of its own, or forked off the server of ``forkserver``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sharpen.agents.local import LocalAgent

__all__ = ["LocalAgent"]


def __getattr__(name: str) -> Any:
    """Return the agent; its imports have no business in a fork server, which lives in this package too."""
    if name == "LocalAgent":
        from sharpen.agents.local import LocalAgent  # noqa: PLC0415 - as said

        return LocalAgent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
