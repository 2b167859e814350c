"""The verb for the store as a whole: store copy."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import click

from sharpen.cli.printing import json_option, print_json, print_rows
from sharpen.cli.terminal import echo
from sharpen.errors import NotFound, UsageError
from sharpen.hints import count
from sharpen.store import store_copy
from sharpen.store.backends import backend_of, use_bucket, use_database
from sharpen.store.bucket import bucket_of, check_bucket, link_bucket, unlink_bucket
from sharpen.store.location import (
    FILE,
    SET_ASIDE,
    check_url,
    database_url,
    find,
    unlink,
    without_password,
)
from sharpen.store.replaced_checkpoints import keeping_replaced
from sharpen.store.row_copy import Copied, copy_rows

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
@click.option(
    "--blobs",
    metavar="URL",
    help="A bucket for the files of TARGET, as in s3://BUCKET/FOLDER. [default: that of SOURCE, where the"
    " files stay where they are]",
)
@json_option
@click.pass_obj
def copy(  # noqa: PLR0913 - each is a word of the command line
    home: Path,
    source: str,
    target: str,
    *,
    files: Path | None,
    switch: bool,
    blobs: str | None,
    as_json: bool,
) -> None:
    """Copy the store SOURCE to TARGET, which must be empty; each is a folder or postgresql://….

    Rows are copied in one transaction, and compared one by one before it ends: a copy is whole, or is not
    there. Files that they name are checked by their SHA-256; where some are damaged, --switch waits until
    they are mended and the same is typed again. The store may be at work; the copy is of one moment. The same
    digest of all rows is printed for the same rows, wherever they are.

    The files of a store in a database lie in a bucket or in a folder. Towards a database they stay where
    they are; --files copies them to another folder, which then stands for the database, and --blobs to
    another bucket. From a database they are taken from its bucket, from --files, or else from the store's
    folder (--home).

    \b
      sharpen store copy .sharpen postgresql://db.lab/sharpen --switch
      sharpen store copy .sharpen postgresql://db.lab/sharpen --blobs s3://desk/sharpen
      sharpen store copy .sharpen postgresql://db.lab/sharpen --files /mnt/desk/sharpen
      sharpen store copy postgresql://db.lab/sharpen home-again
    """
    if switch and (_is_url(source) or not _is_url(target) or files is not None):
        raise UsageError("--switch: for a folder's store that goes to a database and leaves its files there")
    if source == target:
        raise UsageError(f"{without_password(source)}: SOURCE and TARGET are the same")
    with _places(home, source, target, files, blobs) as places:
        if switch:
            copied = _take_over(places, target, blobs)
        else:
            with keeping_replaced(places.files_from):
                copied = _copy(places, places.files_to)
    _say(copied, as_json)
    if switch and not copied.damaged:
        aside = Path(source, SET_ASIDE)
        echo(f"{source} uses {without_password(target)} from now on; what it was is {aside}", err=True)
    elif switch:
        echo(
            f"{source} keeps its own store: mend what is named above and type the same again; the rows are in"
            f" {without_password(target)} and are compared then, not copied",
            err=True,
        )
    elif places.files_to == places.files_from:
        message = f"the files stay in {bucket_of(places.files_from) or places.files_from}"
        more = "" if _is_url(source) else "; --switch lets that folder use the database"
        echo(f"{message}{more}", err=True)
    if copied.damaged:
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class Places:
    """Folders that a store is copied through.

    Attributes:
        rows_from: Whose store is read.
        rows_to: Whose store is written.
        files_from: Where files are taken from.
        files_to: Where they are put; the same where they stay.
        others_from: Whose other files, such as keys, are copied; None for nobody's.
        bucket: What shall have the files of the copy; None for its folder.
        is_passing: Whether a folder of these is gone at the end, so that its files are not to pile up.
    """

    rows_from: Path
    rows_to: Path
    files_from: Path
    files_to: Path
    others_from: Path | None
    bucket: str | None
    is_passing: bool


def _copy(places: Places, files_to: Path, *, may_be_there: bool = False) -> Copied:
    copied = copy_rows(places.rows_from, places.rows_to, may_be_there=may_be_there)
    if places.bucket is not None:  # not before: a store that is there, and is refused, must not get it
        link_bucket(places.rows_to, places.bucket)
    store_copy.copy_files(places.files_from, files_to, copied, is_passing=places.is_passing)
    if places.others_from is not None:
        store_copy.copy_others(places.others_from, files_to)
    if places.bucket is not None:
        backend_of(places.rows_to).open_store(places.rows_to).close()  # tells a database of its bucket
    return copied


def _take_over(places: Places, target: str, blobs: str | None) -> Copied:
    """Copy a folder's store to a database, and let the folder use that, and a bucket if one is named.

    Raises:
        UsageError: Somebody works with it, or it uses a database or another bucket already.
    """
    home = places.rows_from
    if not (home / FILE).exists():
        raise UsageError(f"--switch: the store of {home} is in a database already")
    if blobs is not None and bucket_of(home) not in (None, blobs):
        raise UsageError(f"--switch: the files of {home} stay in {bucket_of(home)}: leave --blobs out")
    with store_copy.alone(home), keeping_replaced(home):
        copied = _copy(places, home, may_be_there=True)
        if not copied.damaged:
            if blobs is not None:
                use_bucket(home, blobs)
            store_copy.switch(home, target)
    return copied


@contextlib.contextmanager
def _places(home: Path, source: str, target: str, files: Path | None, blobs: str | None) -> Generator[Places]:
    """Give the folders that a copy goes through."""
    for address in (source, target):
        if "://" in address:
            check_url(address, "store copy")
    if blobs is not None:
        check_bucket(blobs)
    with tempfile.TemporaryDirectory(prefix="sharpen-copy-") as scratch:
        rows_from, files_from, others_from = _sources(home, source, files, Path(scratch, "source"))
        own = (None if _is_url(source) else files) if _is_url(target) else Path(target)
        rows_to = Path(scratch, "target") if own is None else own.absolute()
        stays = own is None and blobs is None
        files_to = files_from if stays else rows_to
        is_passing = Path(scratch) in (files_from.parent, files_to.parent)
        kept_in = blobs or (bucket_of(files_from) if stays else None)
        others = others_from if own else None
        with _linked(rows_to, target, kept_in):
            yield Places(rows_from, rows_to, files_from, files_to, others, kept_in, is_passing)


@contextlib.contextmanager
def _linked(home: Path, target: str, bucket: str | None) -> Generator[None]:
    """Let a folder stand for a database; when the copy fails it does not any more, nor for a bucket.

    Raises:
        UsageError: The database has its files in another bucket.
    """
    had_database, had_bucket = database_url(home) is not None, bucket_of(home) is not None
    try:
        if _is_url(target):
            use_database(home, target)
            with contextlib.suppress(NotFound):
                backend_of(home).open_reader(home).dispose()  # tells the folder of the database's bucket
        _refuse_another(home, target, bucket)
        yield
    except BaseException:
        if not had_database:
            unlink(home)
        if not had_bucket:
            unlink_bucket(home)
        raise


def _refuse_another(home: Path, target: str, bucket: str | None) -> None:
    if bucket is not None and bucket_of(home) not in (None, bucket):
        raise UsageError(
            f"--blobs {bucket}: the files of {without_password(target)} are in {bucket_of(home)}"
        )


def _sources(home: Path, source: str, files: Path | None, scratch: Path) -> tuple[Path, Path, Path | None]:
    """Return the folders with a store's rows, its files, and what else it has; None for no such folder.

    Raises:
        NotFound: There is no store.
        UsageError: The folder that is to have the files has those of another store.
    """
    if not _is_url(source):
        folder = Path(source).absolute()
        find(folder)
        return folder, folder, folder
    use_database(scratch, source)
    backend_of(scratch).open_reader(scratch).dispose()  # tells the folder of the database's bucket
    folder = (files or home).absolute()
    is_its_own = database_url(folder) == source
    if bucket_of(scratch) is not None:
        return (
            scratch,
            folder if bucket_of(folder) == bucket_of(scratch) else scratch,
            folder if is_its_own else None,
        )
    if not is_its_own and (database_url(folder) is not None or (files is None and (folder / FILE).exists())):
        raise UsageError(f"{folder} has the files of another store: name the folder with --files")
    return scratch, folder, folder


def _is_url(address: str) -> bool:
    return "://" in address


def _say(copied: Copied, as_json: bool) -> None:
    rows = [
        {"table": name, "rows": n, "digest": copied.digests[name][:12]} for name, n in copied.rows.items()
    ]
    if as_json:
        more = {"n_files": copied.n_files, "n_replaced": copied.n_replaced, "damaged": copied.damaged}
        print_json({"tables": rows, "digest": copied.digest, **more})
    else:
        print_rows(rows, False, "")
    n_rows = sum(copied.rows.values())
    warning = f"{count(n_rows, 'row')} and {count(copied.n_files, 'file')} are there as they were"
    echo(f"{warning}; digest of all rows {copied.digest[:12]}", err=True)
    if copied.n_replaced:
        rows_with = count(copied.n_replaced, "row")
        echo(f"warning: {rows_with} had the character NUL, and has U+FFFD in its place", err=True)
    for warning in copied.damaged[:SHOWN]:
        echo(f"warning: {warning}", err=True)
    if len(copied.damaged) > SHOWN:
        echo(f"and {len(copied.damaged) - SHOWN} more", err=True)
