"""The verb on versions of collections: artifact get, link, ls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sharpen.cli.printing import json_option, print_rows, when
from sharpen.cli.promote import promote
from sharpen.cli.resolve import opened
from sharpen.cli.terminal import echo
from sharpen.cli.user_name import person
from sharpen.errors import NotFound, UsageError
from sharpen.gates import DEFAULT_GATES, rules_of
from sharpen.registry.best_version import names_of_versions, resolve_also_best
from sharpen.registry.files import write_files
from sharpen.registry.names import split
from sharpen.store.blobs import open_blobs
from sharpen.store.collection_rows import aliases, collections, resolve, versions
from sharpen.store.location import find
from sharpen.store.queries import Reader
from sharpen.wire import address_of

MANIFEST = "wandb_manifest.json"  # the client's own list of the files


@click.group()
def artifact() -> None:
    """Get the files of a version, point an alias at it, or list what has been logged.

    An artifact of a project is called PROJECT/NAME; where only one project has the NAME, that is enough. A
    model of `sharpen register` is called NAME.

    \b
      sharpen artifact ls
      sharpen artifact get quantbot/xgb_classifier:best
      sharpen artifact link quantbot/xgb_classifier:v5 candidate
    """


@artifact.command()
@click.argument("name")
@click.option("--root", type=click.Path(path_type=Path), help="The folder. [default: artifacts/NAME:vN]")
@click.option("--type", "kind", help="Refuse a version of another type, such as model.")
@click.option("-v", "--verbose", is_flag=True, help="Also say each file.")
@click.pass_obj
def get(home: Path, name: str, root: Path | None, kind: str | None, verbose: bool) -> None:
    """Write the files of a version into a folder, each checked against its hash.

    NAME:vN, NAME:ALIAS, NAME:latest; NAME:best is what the best run of the sweep logged. A folder that has
    these files already is left as it is. The folder is printed.

    \b
      sharpen artifact get quantbot/xgb_classifier:best
      sharpen artifact get local/quantbot/xgb_classifier:v5 --root model
    """
    reader = Reader(find(home).parent)
    collection, word = split(name)
    collection = _collection_named(reader, collection)
    row = resolve_also_best(reader, collection, word)
    collection_type = collections(reader)[collection]
    if kind not in (None, collection_type):
        raise UsageError(f"{row.name} is of type {collection_type}, not {kind}")
    folder = root or Path("artifacts") / f"{collection.rpartition('/')[2]}:v{row.version}"
    files = [file for file in row.files if file.name != MANIFEST]
    for path in write_files(open_blobs(address_of(home.absolute())), files, folder):
        if verbose:
            echo(str(path), err=True)
    click.echo(str(folder))
    echo(f"{row.name}: {len(files)} files, {sum(file.n_bytes for file in files):,} bytes", err=True)


@artifact.command()
@click.argument("name")
@click.argument("alias")
@click.pass_context
def link(ctx: click.Context, name: str, alias: str) -> None:
    """Point an ALIAS at a version, NAME:vN.

    For a model of `sharpen register`, candidate, paper and prod have a gate: this is `sharpen promote` then.

    \b
      sharpen artifact link xgb_classifier:v5 candidate
    """
    from sharpen.promotion.promote import own_gates  # noqa: PLC0415 - --help can do without

    home: Path = ctx.obj
    with opened(home) as (client, reader):
        collection, word = split(name)
        collection = _collection_named(reader, collection)
        if "/" not in collection and alias in rules_of(alias, own_gates(home), None):
            is_gated = True
        else:
            is_gated = False
            row = resolve(reader, collection, word)
            now = {one.alias: one.version for one in aliases(reader, collection)}.get(alias)
            move: dict[str, Any] = {"collection": collection, "alias": alias, "version": row.version}
            move |= {"digest": row.digest, "expected": now, "who": person(), "via": "cli"}
            client.call("alias", move=move)
            echo(f"{row.name} is {alias} now")
            if alias in DEFAULT_GATES:
                echo(
                    "a label of this project only, no gate has looked at it: 'sharpen register' and"
                    " 'sharpen promote' bring a model to paper trading",
                    err=True,
                )
    if is_gated:
        echo(f"{alias} has a gate: this is sharpen promote {collection}:{word} {alias}", err=True)
        ctx.invoke(promote, model=f"{collection}:{word}", alias=alias)


def _collection_named(reader: Reader, name: str) -> str:
    """Return the collection that a name means: itself, or the only project's of this name.

    Raises:
        NotFound: There is none, or several projects have one.
    """
    names = [*collections(reader)]
    without_entity = name.partition("/")[2]  # ENTITY/PROJECT/NAME is what the wandb client says
    for one in (name, without_entity):
        if one in names:
            return one
    matches = [one for one in names if one.rpartition("/")[2] == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{name!r} is in several projects: say one of {', '.join(matches)}")
    there = f"there are: {', '.join(names)}" if names else "there is none yet"
    raise NotFound(f"no artifact {name!r} in {reader.home}; {there}")


@artifact.command("ls")
@click.argument("name", required=False)
@json_option
@click.pass_obj
def ls(home: Path, name: str | None, as_json: bool) -> None:
    """List the newest version of every collection, all versions of one NAME, or the files kept with a run.

    What a program keeps with `run.log_artifact` of `sharpen.tracking` is a file of its run, and no version.

    \b
      sharpen artifact ls
      sharpen artifact ls quantbot/xgb_classifier
      sharpen artifact ls last-best
    """
    reader = Reader(home)
    kinds = collections(reader)
    try:
        chosen = [*kinds] if name is None else [_collection_named(reader, name)]
    except NotFound as problem:
        print_rows(_kept_with_run(reader, name or "", problem), as_json, "this run has kept no file")
        return
    rows: list[dict[str, Any]] = []
    for collection in chosen:
        aliases_of = names_of_versions(reader, collection, with_best=name is not None)
        for row in versions(reader, collection)[-1 if name is None else 0 :]:
            names = aliases_of.get(row.version, [])
            kind, size = kinds[collection], sum(file.n_bytes for file in row.files)
            facts = {
                "version": row.name,
                "type": kind,
                "aliases": names,
                "bytes": size,
                "run": row.run_id or "",
            }
            facts |= {"run": row.run_id or "", "created": when(row.created_at)}
            rows.append(facts if as_json else facts | {"aliases": ", ".join(names)})
    empty = "no artifact has been logged as a version; files kept with a run: sharpen artifact ls RUN"
    print_rows(rows, as_json, empty)


def _kept_with_run(reader: Reader, name: str, problem: NotFound) -> list[dict[str, Any]]:
    """Return the files kept with a run; when there is no such run either, the first problem is the answer."""
    try:
        run = reader.run(name)
    except NotFound:
        raise problem from None
    files = reader.artifacts(run_id=run.id)
    return [
        {"file": one.name, "type": one.type, "bytes": one.n_bytes, "path": str(one.path)} for one in files
    ]
