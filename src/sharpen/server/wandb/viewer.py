"""Who asks, and what this server can do."""

from __future__ import annotations

from typing import Any

from sharpen.server.wandb.context import ENTITY, Context

FEATURES = (
    "LARGE_FILENAMES",
    "CLIENT_IDS",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "SWEEPS_QUERY_FILTERING",
)
NEWEST_CLIENT = "1.0.0"


def user(ctx: Context | None = None) -> dict[str, Any]:
    """Return the one user that there is; the key's name tells people apart."""
    name = (ctx.key.name if ctx else "") or ENTITY
    return {
        "id": "user",
        "name": name,
        "username": name,
        "email": "",
        "entity": ENTITY,
        "flags": "{}",
        "admin": False,
        "teams": {"edges": []},
        "apiKeys": {"edges": []},
    }


def entity(name: str | None = None) -> dict[str, Any]:
    """Return the owner of all projects."""
    return {
        "id": "entity",
        "name": ENTITY,
        "isTeam": False,
        "organization": None,
        "user": user(),
        "xxhashDigestsEnabled": False,
    }


def server_info() -> dict[str, Any]:
    """Return what this server can do beyond the oldest that the client knows."""
    return {
        "features": [{"name": name, "isEnabled": True} for name in FEATURES],
        "cliVersionInfo": {"max_cli_version": NEWEST_CLIENT},
        "latestLocalVersionInfo": None,
    }
