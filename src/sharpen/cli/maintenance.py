"""The verbs that look after the store itself: backup, gc."""

from __future__ import annotations

import time
from pathlib import Path

import click

from sharpen.cli.options import FiniteRange
from sharpen.cli.printing import json_option, print_json
from sharpen.cli.terminal import echo
from sharpen.store.backup import back_up
from sharpen.store.references import remove, unreferenced
from sharpen.store.uploads import forget

SHOWN = 20


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def backup(home: Path, file: Path, as_json: bool) -> None:
    """Copy the whole store into FILE, a tar archive, also while it is at work.

    The copy is as the store was at one moment: runs, models with their files, keys, paper accounts. Nobody
    has to wait meanwhile. To bring it back, unpack it into an empty folder and name that with --home. Blobs
    that are missing or damaged, and rows that cannot be read, are named, and the exit code is 1; the rest is
    in the copy. FILE holds what the store's folder holds, secrets among it: keep it as you keep that.

    Of a store in a database, or with its files in a bucket, the copy is a folder's, too, with all in it.
    'sharpen store copy' takes that to a database.

    \b
      sharpen backup monday.tar
      mkdir restored && tar -xf monday.tar -C restored && sharpen --home restored ls
      sharpen store copy restored postgresql://db.lab/again
    """
    archive = back_up(home, file)
    if as_json:
        print_json(
            {
                "file": str(file),
                "n_blobs": archive.n_blobs,
                "n_bytes": archive.n_bytes,
                "damaged": archive.damaged,
            }
        )
    echo(f"{file}: {archive.n_bytes:,} bytes, {archive.n_blobs} kept files", err=True)
    for damage in archive.damaged:
        echo(f"warning: {damage}", err=True)
    if archive.damaged:
        raise SystemExit(1)


@click.command()
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
@click.option(
    "--older-than",
    type=FiniteRange(min=0.0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="Leave alone what is younger: it may be about to be named.",
)
@json_option
@click.pass_obj
def gc(home: Path, yes: bool, older_than: float, as_json: bool) -> None:
    """Remove files from the store that nothing in it names any more, such as those of uploads that broke off.

    What runs, models and checkpoints name stays, also that of deleted runs: a verdict may still count them.
    So does what was sent for an artifact that is not complete yet, until nothing came for it for a week.
    Without --yes it only says what would go. What names a file is read where the store is, in a database,
    too; files go from the store's folder (--home), and never from a bucket.

    \b
      sharpen gc
      sharpen gc --yes
    """
    now = time.time()
    orphans = unreferenced(home, now, older_than * 3600.0)
    n_bytes = sum(one.n_bytes for one in orphans)
    if yes:
        forget(home, now)
    removed = remove(home, orphans) if yes else (0, 0)
    if as_json:
        listed = [{"path": str(one.path), "n_bytes": one.n_bytes} for one in orphans]
        print_json(
            {"unreferenced": listed, "n_bytes": n_bytes, "n_removed": removed[0], "removed_bytes": removed[1]}
        )
        return
    if yes:
        echo(f"removed {removed[0]} files, {removed[1]:,} bytes", err=True)
        return
    for one in orphans[:SHOWN]:
        click.echo(f"{one.n_bytes:>15,}  {one.path}")
    if len(orphans) > SHOWN:
        echo(f"and {len(orphans) - SHOWN} more", err=True)
    again = "; to remove them: sharpen gc --yes" if orphans else ""
    echo(f"{len(orphans)} files that nothing names, {n_bytes:,} bytes{again}", err=True)
