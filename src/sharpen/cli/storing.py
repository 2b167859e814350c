"""The verb for the store as a whole: store copy."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator
from pathlib import Path

import click

from sharpen.cli.printing import json_option, print_json, print_rows
from sharpen.cli.terminal import echo
from sharpen.errors import UsageError
from sharpen.hints import count
from sharpen.store import copying
from sharpen.store.backends import use_database
from sharpen.store.place import FILE, check_url, database_url, find, unlink, without_password
from sharpen.store.replaced import keeping_replaced

SHOWN = 20


@click.group()
def store() -> None:
    """Take the store to another place.

    \b
      sharpen store copy .sharpen postgresql://db.lab/sharpen --switch
      sharpen store copy postgresql://db.lab/sharpen home-again
    """


@store.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--files",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder with the files of a database's store. [default: the folder at the other end]",
)
@click.option("--switch", is_flag=True, help="Let the folder SOURCE use the database TARGET from now on.")
@json_option
@click.pass_obj
def copy(home: Path, source: str, target: str, *, files: Path | None, switch: bool, as_json: bool) -> None:
    """Copy the store SOURCE to TARGET, which must be empty; each is a folder or postgresql://….

    Rows are copied in one transaction, and compared one by one before it ends: a copy is whole, or is not
    there. Files that they name are checked by their SHA-256. The store may be at work; the copy is of one
    moment. The same digest of all rows is printed for the same rows, wherever they are.

    The files of a store in a database lie in a folder. Towards a database they stay where they are; --files
    copies them to another folder, which then stands for the database. From a database they are taken from
    --files, or else from the store's folder (--home).

    \b
      sharpen store copy .sharpen postgresql://db.lab/sharpen --switch
      sharpen store copy .sharpen postgresql://db.lab/sharpen --files /mnt/desk/sharpen
      sharpen store copy postgresql://db.lab/sharpen home-again
    """
    if switch and (_is_url(source) or not _is_url(target) or files is not None):
        raise UsageError("--switch: for a folder's store that goes to a database and leaves its files there")
    if source == target:
        raise UsageError(f"{without_password(source)}: SOURCE and TARGET are the same")
    with _places(home, source, target, files) as (read_from, write_to, old_files, new_files):
        if switch and not (read_from / FILE).exists():
            raise UsageError(f"--switch: the store of {read_from} is in a database already")
        lock = copying.alone(read_from) if switch else contextlib.nullcontext()
        with lock, keeping_replaced(old_files):
            copied = copying.copy_rows(read_from, write_to)
            copying.copy_files(old_files, new_files, copied)
            aside = copying.switch(read_from, target) if switch and not copied.damaged else None
    _say(copied, as_json)
    if aside is not None:
        echo(f"{source} uses {without_password(target)} from now on; what it was is {aside}", err=True)
    elif _is_url(target) and files is None:
        words = f"the files stay in {source}; --switch lets that folder use the database"
        echo(words, err=True)
    if copied.damaged:
        raise SystemExit(1)


@contextlib.contextmanager
def _places(
    home: Path, source: str, target: str, files: Path | None
) -> Generator[tuple[Path, Path, Path, Path]]:
    """Give the folders to read and write rows through, and those of the files at both ends.

    A folder that a copy was to make stand for a database does not when the copy fails.
    """
    for place in (source, target):
        if "://" in place:
            check_url(place, "store copy")
    with tempfile.TemporaryDirectory(prefix="sharpen-copy-") as room:
        if _is_url(source):
            read_from = Path(room, "source")
            use_database(read_from, source)
            old_files = (files or home).absolute()
            if database_url(old_files) not in (None, source):
                raise UsageError(f"{old_files} has the files of another store: name the folder with --files")
        else:
            read_from = old_files = Path(source).absolute()
            find(read_from)
        if not _is_url(target):
            write_to = new_files = Path(target).absolute()
        else:
            new_files = old_files if files is None or _is_url(source) else files.absolute()
            write_to = Path(room, "target") if new_files == old_files else new_files
            use_database(write_to, target)
        try:
            yield read_from, write_to, old_files, new_files
        except BaseException:
            if files is not None and write_to == new_files:
                unlink(write_to)
            raise


def _is_url(place: str) -> bool:
    return "://" in place


def _say(copied: copying.Copied, as_json: bool) -> None:
    rows = [
        {"table": name, "rows": n, "digest": copied.digests[name][:12]} for name, n in copied.rows.items()
    ]
    if as_json:
        more = {"n_files": copied.n_files, "n_replaced": copied.n_replaced, "damaged": copied.damaged}
        print_json({"tables": rows, "digest": copied.digest, **more})
    else:
        print_rows(rows, False, "")
    n_rows = sum(copied.rows.values())
    words = f"{count(n_rows, 'row')} and {count(copied.n_files, 'file')} are there as they were"
    echo(f"{words}; digest of all rows {copied.digest[:12]}", err=True)
    if copied.n_replaced:
        rows_with = count(copied.n_replaced, "row")
        echo(f"warning: {rows_with} had the character NUL, and has U+FFFD in its place", err=True)
    for words in copied.damaged[:SHOWN]:
        echo(f"warning: {words}", err=True)
    if len(copied.damaged) > SHOWN:
        echo(f"and {len(copied.damaged) - SHOWN} more", err=True)
