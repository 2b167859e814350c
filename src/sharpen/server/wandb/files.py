"""Files of runs: where to put them, where to get them."""

# the words of a query come without types
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import fnmatch
import mimetypes
from collections.abc import Sequence
from typing import Any

from sharpen.errors import UsageError
from sharpen.names import check_path_name
from sharpen.server.wandb.context import Context, page
from sharpen.store.rows import ArtifactRow

MOST_AT_ONCE = 10_000


def check_name(name: str) -> None:
    """Refuse a name that no file may have. A name is only ever looked up: it never becomes a path.

    Raises:
        UsageError: It is empty, too long, has control characters, or leads out of its folder.

    >>> check_name("../a")
    Traceback (most recent call last):
    sharpen.errors.UsageError: files: '../a' is no name of a file: it leads out of its folder: take '..' out
    """
    check_path_name("files", "a file", name)


def create(ctx: Context, run_id: str, names: Sequence[str]) -> dict[str, Any]:
    """Return an address to put each file of a run to.

    Raises:
        UsageError: A name is none, or there are too many.
    """
    ctx.need("agent")
    if len(names) > MOST_AT_ONCE:
        raise UsageError(f"at most {MOST_AT_ONCE} files at once")
    for name in names:
        check_name(name)
    made = [
        {"id": f"{run_id}/{name}", "name": name, "uploadUrl": upload_url(ctx, run_id, name)} for name in names
    ]
    return {"runID": run_id, "uploadHeaders": [], "files": made}


def upload_url(ctx: Context, run_id: str, name: str) -> str:
    """Return where to put a file of a run."""
    return ctx.signed({"do": "put", "run": run_id, "name": name})


def listed(ctx: Context, run_id: str) -> list[ArtifactRow]:
    """Return the files kept with a run."""
    return ctx.engine.reader.artifacts(run_id=run_id)


def connection(ctx: Context, run_id: str, **arguments: Any) -> dict[str, Any]:
    """Return a page of a run's files; of those to be put there, an address each.

    Args:
        ctx: The request.
        run_id: Whose files.
        arguments: ``names``, ``pattern``, ``first``, ``after``, and ``upload`` for those to be put there.
    """
    names, pattern = arguments.get("names"), arguments.get("pattern")
    rows = listed(ctx, run_id)
    by_name = {row.name: _file(ctx, row) for row in rows}
    if arguments.get("upload"):
        ctx.need("agent")
        for name in names or []:
            check_name(name)
            by_name.setdefault(name, {"id": f"{run_id}/{name}", "name": name, "sizeBytes": 0})
            by_name[name]["url"] = upload_url(ctx, run_id, name)
    chosen = [file for name, file in by_name.items() if not names or name in names]
    if pattern:
        glob = pattern.replace("%", "*")
        chosen = [file for file in chosen if fnmatch.fnmatchcase(file["name"], glob)]
    return page(chosen, arguments.get("first"), arguments.get("after"))


def _file(ctx: Context, row: ArtifactRow) -> dict[str, Any]:
    address = ctx.signed({"do": "get", "digest": row.digest, "name": row.name})
    return {
        "id": f"{row.run_id}/{row.name}",
        "name": row.name,
        "url": address,
        "directUrl": address,
        "uploadUrl": None,
        "sizeBytes": row.n_bytes,
        "mimetype": mimetypes.guess_type(row.name)[0] or "application/octet-stream",
        "updatedAt": None,
        "md5": row.metadata.get("md5", ""),
        "digest": row.digest,
    }
