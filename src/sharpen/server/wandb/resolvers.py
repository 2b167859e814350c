"""The roots of the schema: a function for each question and each mutation."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

from sharpen.server.wandb import (
    artifact_uploads,
    artifact_views,
    artifacts,
    client_scheduler,
    files,
    registries,
    run_changes,
    runs,
    sweeps,
    viewer,
)
from sharpen.server.wandb.context import DEFAULT_PROJECT, ENTITY, Context, page, project_number, when


def root(ctx: Context) -> dict[str, Any]:
    """Return the root value of a request: what each field of Query and Mutation is answered with."""
    return {
        "viewer": viewer.user(ctx),
        "serverInfo": viewer.server_info(),
        "entity": lambda info, name=None: _entity(ctx),
        "organization": lambda info, name=None: {
            **viewer.organization(),
            "name": registries.organization_name(name),
            "orgEntity": _entity(ctx) | {"entityType": "organization", "members": []},
        },
        "project": lambda info, name=None, entityName=None: project(ctx, name),  # noqa: N803
        "model": lambda info, name=None, entityName=None: project(ctx, name),  # noqa: N803
        "models": lambda info, first=None, after=None, **of: page(_projects(ctx), first, after),
        "artifact": lambda info, id: artifact_uploads.find(ctx, id),
        "artifactCollection": lambda info, id: artifact_views.collection_of_id(ctx, id),
        "clientIDMapping": lambda info, clientID: artifact_uploads.of_client(ctx, clientID),  # noqa: N803
        **artifacts.mutations(ctx),
        "upsertBucket": lambda info, input: run_changes.upsert(ctx, input),
        "deleteRun": lambda info, input: run_changes.delete(ctx, input["id"]),
        "rewindRun": lambda info, input: run_changes.rewind(ctx, input),
        "stopRun": lambda info, input: run_changes.stop(ctx, input["id"]),
        "createRunFiles": lambda info, input: files.create(
            ctx, input["runName"], [name or "" for name in input.get("files") or []]
        ),
        "markRunFilesUploaded": {"success": True},
        "notifyScriptableRunAlert": lambda info, input: run_changes.alert(ctx, input),
        "upsertSweep": lambda info, input: sweeps.upsert(ctx, input),
        "enqueueSweepRun": lambda info, input: client_scheduler.enqueue(ctx, input["id"], input["config"]),
        "createAgent": lambda info, input: sweeps.join(ctx, input["sweep"], input.get("host")),
        "agentHeartbeat": lambda info, input: sweeps.heartbeat(ctx, input["id"], input.get("runState")),
        "createProjectMembers": lambda info, input: registries.refuse_members(),
        "deleteProjectMembers": lambda info, input: registries.refuse_members(),
        "upsertModel": lambda info, input: _made(ctx, input.get("name")),
    }


def _entity(ctx: Context) -> dict[str, Any]:
    """Return the owner of all projects and registries."""

    def one(info: Any, name: str | None = None) -> dict[str, Any] | None:
        is_missing = (name or "").startswith(registries.PREFIX) and name not in registries.names(ctx)
        return None if is_missing else project(ctx, name)

    def of_registries(info: Any, first: int | None = None, after: str | None = None, **arguments: Any) -> Any:
        names = registries.names_that_fit(ctx, **arguments)
        return page([project(ctx, name) for name in names], first, after)

    return viewer.entity() | {
        "project": one,
        "projects": of_registries,
        "artifactCollections": lambda info, **arguments: registries.collection_page(ctx, **arguments),
        "artifactMemberships": lambda info, **arguments: registries.membership_page(ctx, **arguments),
    }


def project(ctx: Context, name: str | None) -> dict[str, Any]:
    """Return a project: it is there as soon as it is named, and holds what names it."""
    name = name or DEFAULT_PROJECT

    def of_runs(info: Any, **arguments: Any) -> dict[str, Any]:
        return runs.listed(ctx, name, **arguments)

    return {
        "id": name,
        "internalId": project_number(name),
        "name": name,
        "entityName": ENTITY,
        "entity": viewer.entity(),
        "description": "",
        "createdAt": when(0.0),
        "updatedAt": when(0.0),
        "allowAllArtifactTypesInRegistry": True,
        "members": [registries.member(viewer.user(ctx)["username"])],
        "teamMembers": [],
        "user": viewer.user(),
        "access": "PRIVATE",
        "isBenchmark": False,
        "readOnly": not ctx.key.allows("agent"),
        "runCount": lambda info, filters=None: runs.listed(ctx, name, filters=filters, first=0)["totalCount"],
        "runs": of_runs,
        **artifacts.of_project(ctx, name),
        "run": lambda info, name, desc=None: runs.find(ctx, name),
        "bucket": lambda info, name, missingOk=True: runs.find(ctx, name),  # noqa: N803
        "sweep": lambda info, sweepName: sweeps.find(ctx, sweepName),  # noqa: N803
        "totalSweeps": lambda info: len(sweeps.listed(ctx, name)),
        "sweeps": lambda info, first=None, after=None, **arguments: page(
            sweeps.listed(ctx, name), first, after
        ),
    }


def _projects(ctx: Context) -> list[dict[str, Any]]:
    names = {sweep["project"]["name"] for sweep in sweeps.listed(ctx, None)}
    names |= {row.name for row in ctx.engine.reader.tracked.projects()}
    return [project(ctx, name) for name in sorted(names)]


def _made(ctx: Context, name: str | None) -> dict[str, Any]:
    ctx.need("agent")
    made = project(ctx, name)
    return {"model": made, "project": made, "inserted": False}
