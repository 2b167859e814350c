"""Agents: processes that lease runs of a sweep and carry them out in slots.

``local`` runs each program in a process of its own on this machine; ``program`` is one of them, ``output``
what it prints.
"""

from sharpen.agents.local import LocalAgent

__all__ = ["LocalAgent"]
