"""Who asks, and what this server can do."""

from __future__ import annotations

from typing import Any

from sharpen.server.wandb.context import ENTITY, Context

FEATURES = (
    "LARGE_FILENAMES",
    "CLIENT_IDS",
    "ARTIFACT_TAGS",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "ARTIFACT_REGISTRY_SEARCH",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "SWEEPS_QUERY_FILTERING",
    "SWEEPS_LOCAL_SCHEDULER",
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
        "organizations": [organization()],
        "apiKeys": {"edges": []},
    }


def organization() -> dict[str, Any]:
    """Return the one organization that there is: the registry's names go by it."""
    return {"id": "organization", "name": ENTITY, "orgEntity": {"id": "entity", "name": ENTITY}}


def entity(name: str | None = None) -> dict[str, Any]:
    """Return the owner of all projects."""
    return {
        "id": "entity",
        "name": ENTITY,
        "isTeam": False,
        "organization": organization(),
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
