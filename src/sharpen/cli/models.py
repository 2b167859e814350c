"""The verb that shows the registry: models, and its show, export, audit, delete."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import click

from sharpen.cli.printing import json_option, print_json, print_pairs, print_rows, shown, when
from sharpen.cli.resolve import opened
from sharpen.cli.terminal import echo
from sharpen.cli.user_name import person
from sharpen.registry.audit_mismatch import audit_mismatches
from sharpen.registry.export import FORMATS, export
from sharpen.registry.names import find
from sharpen.store.audit import audit_entry, broken_links
from sharpen.store.collection_rows import VersionRow, audit_rows, collections, pointed, versions
from sharpen.store.queries import Reader

SHORT = 12  # letters of a digest


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the models that were registered: versions, aliases, verdicts, who and when.

    \b
      sharpen models
      sharpen models show xgb_classifier:candidate
      sharpen models audit
    """
    if ctx.invoked_subcommand is not None:
        return
    reader = Reader(ctx.obj)
    rows: list[dict[str, Any]] = []
    for name in collections(reader, "model"):
        aliases_of = pointed(reader, name)
        rows += [_row(row, aliases_of.get(row.version, []), as_json) for row in versions(reader, name)]
    print_rows(rows, as_json, "no models yet: 'sharpen register last-best --as NAME' keeps one")


@models.command("show")
@click.argument("model")
@json_option
@click.pass_obj
def show(home: Path, model: str, as_json: bool) -> None:
    """Show a version: where it is from, how it decides, what was known of it, and its history.

    MODEL is NAME:vN, NAME:ALIAS, or NAME for the newest.
    """
    reader = Reader(home)
    row = find(reader, model)
    aliases = pointed(reader, row.collection).get(row.version, [])
    files = {file.name: file.digest for file in row.files}
    history = [
        entry
        for entry in map(audit_entry, audit_rows(reader, row.collection))
        if row.version in (entry.details.get("version"), entry.details.get("from"))
    ]
    if as_json:
        facts = {"model": row.name, "digest": row.digest, "aliases": aliases, "files": files}
        facts |= {"author": row.author, "at": row.created_at, "figures": row.figures, "record": row.record}
        events = [{"at": e.at, "who": e.who, "action": e.action, **e.details} for e in history]
        print_json(facts | {"history": events})
        return
    record = row.record
    facts = {"model": row.name, "aliases": ", ".join(aliases), "digest": row.digest}
    facts |= {"registered": f"{when(row.created_at)} by {row.author}", "run": row.run_id}
    facts |= {"files": ", ".join(f"{name} {digest[:SHORT]}" for name, digest in files.items())}
    facts |= {"data": _period(record.get("data", {})), "seed": record.get("seed")}
    facts |= {
        "lockbox": f"from {record['lockbox']['first']}" if record.get("lockbox", {}).get("first") else None
    }
    code = record.get("code", {})
    facts |= {"program": code.get("program"), "its SHA-256": code.get("sha256") or None}
    facts |= {"config": ", ".join(f"{k} {shown(v)}" for k, v in record.get("config", {}).items())}
    facts |= {"versions": ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items())}
    facts |= {name: _figure(value) for name, value in row.figures.items()}
    print_pairs(facts)
    echo("")
    print_rows([_event(e.at, e.who, e.action, e.details) for e in history], False, "nothing yet")


@models.command("export")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="folder", show_default=True, help="mlflow: both."
)
@json_option
@click.pass_obj
def export_version(home: Path, model: str, folder: Path, form: str, as_json: bool) -> None:
    """Write a version to a new FOLDER: its file, its record, and SHA256SUMS; or a model of MLflow's.

    \b
      sharpen models export xgb_classifier:candidate out
      sharpen models export xgb_classifier:candidate out --format mlflow
    """
    row = find(Reader(home), model)
    written = export(home, row, folder, form)
    if as_json:
        print_json({"model": row.name, "digest": row.digest, "files": [str(path) for path in written]})
        return
    echo(str(folder))
    echo(f"{row.name}: {', '.join(path.name for path in written)}", err=True)


@models.command("audit")
@click.option("--expect", "expected", help="A hash that the log must still hold: one noted down earlier.")
@json_option
@click.pass_obj
def audit(home: Path, expected: str | None, as_json: bool) -> None:
    """Check that nobody changed the log of what was registered, promoted, refused and rolled back.

    Each entry holds the hash of the one before, and what the store says of versions and aliases (author,
    content, figures, where an alias points) is compared with it. What that cannot show is that the log's end
    was cut off: note down the newest hash now and then, and ask for it with --expect. Exits 1 when something
    is wrong.
    """
    reader = Reader(home)
    rows = audit_rows(reader)
    entries = list(map(audit_entry, rows))
    problems = [*broken_links(rows), *audit_mismatches(reader, entries)]
    if expected is not None and expected not in {row["hash"] for row in rows}:
        problems.append(f"no entry has the hash {expected[:SHORT]}…: the log was cut off or written anew")
    newest = rows[-1]["hash"] if rows else ""
    if as_json:
        events = [{"seq": e.seq, "at": e.at, "who": e.who, "action": e.action} for e in entries]
        events = [{**e, "model": x.collection, **x.details} for e, x in zip(events, entries, strict=True)]
        print_json({"entries": events, "newest": newest, "problems": problems})
    else:
        shown_rows = [
            {"#": e.seq, "model": e.collection, **_event(e.at, e.who, e.action, e.details)} for e in entries
        ]
        print_rows(shown_rows, False, "the log is empty")
        for problem in problems:
            echo(f"sharpen: {problem}", err=True, fg="red")
        if not problems and rows:
            echo(f"\nthe log is whole; its newest hash is {newest}", err=True)
    if problems:
        sys.exit(1)


@models.command("delete")
@click.argument("model")
@click.option("--reason", default="", help="Why, for whoever reads the log later.")
@click.pass_obj
def delete(home: Path, model: str, reason: str) -> None:
    """Hide a version that has no alias; its number is not given again."""
    with opened(home) as (client, reader):
        row = find(reader, model)
        client.call(
            "delete_version", collection=row.collection, version=row.version, who=person(), reason=reason
        )
    echo(f"deleted {row.name}", err=True)


def _row(row: VersionRow, aliases: list[str], as_json: bool) -> dict[str, Any]:
    figures = row.figures
    facts: dict[str, Any] = {"model": row.name, "aliases": aliases if as_json else ", ".join(aliases)}
    facts |= {"verdict": figures.get("verdict"), "sharpe": figures.get("sharpe")}
    facts |= {"deflated": figures.get("deflated_sharpe"), "run": row.run_id, "author": row.author}
    facts |= {"digest": row.digest if as_json else row.digest[:SHORT]}
    return facts | {"registered": row.created_at if as_json else when(row.created_at)}


def _event(at: float, who: str, action: str, details: Any) -> dict[str, Any]:
    version, before = details.get("version"), details.get("from")
    moved = "" if before is None else f"v{before} -> "
    change = f"{details.get('alias') or ''} {moved}{'' if version is None else f'v{version}'}".strip()
    failed = [c["name"] for c in details.get("checks", ()) if c["outcome"] != "passed"]
    why = details.get("reason") or (", ".join(failed) if action != "requested" else "")
    if easier := details.get("easier", ()):
        why = "; ".join(filter(None, [why, f"by easier gates: {', '.join(easier)}"]))
    return {"when": when(at), "who": who, "did": action, "what": change, "why": why}


def _period(data: Any) -> str:
    return f"{data.get('name', '')} {data.get('first', '')[:10]} to {data.get('last', '')[:10]}".strip()


def _figure(value: Any) -> str:
    return " to ".join(map(shown, cast("list[Any]", value))) if isinstance(value, list) else shown(value)
