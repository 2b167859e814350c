"""The files of a store in a bucket of an S3-compatible service; the store's folder keeps copies of them.

The folder names the bucket in a file, as it does a database (:mod:`~sharpen.store.location`). A file is kept
when the bucket has all of it, and only then it appears in the folder. Keys are found as the AWS tools
find them: ``AWS_ACCESS_KEY_ID`` and the like, ``~/.aws/credentials``, or the machine's role.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from sharpen.errors import StoreError, Unreachable, UsageError
from sharpen.extras import require
from sharpen.regular_file import open_file, read_text

LINK = "bucket"
MARK = ".sharpen"
FORM = "s3://BUCKET/FOLDER, with ?endpoint_override=HOST:PORT&scheme=http for a service that is not Amazon's"
CHUNK_BYTES = 1 << 20
PATIENCE_S = 45.0  # less than a client of a server waits for an answer
LONGEST_PAUSE_S = 2.0
HOPELESS = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
"""What another try does not change, as the service's errors say it."""
RIGHTS = {
    "PutObject": ("write", "s3:PutObject"),
    "CreateMultipartUpload": ("write", "s3:PutObject"),
    "UploadPart": ("write", "s3:PutObject"),
    "CompleteMultipartUpload": ("write", "s3:PutObject"),
    "GetObject": ("read", "s3:GetObject"),
    "HeadObject": ("look at", "s3:GetObject"),
    "ListObjectsV2": ("list", "s3:ListBucket"),
    "DeleteObject": ("remove", "s3:DeleteObject"),
}
"""What a request of the service does with files, and the right that it needs."""
Result = TypeVar("Result")


class OpenBucket(NamedTuple):
    """Where the files are: a file system of pyarrow, and a folder in it."""

    system: Any
    folder: str

    def path(self, digest: str) -> str:
        """Return where a file is."""
        return f"{self.folder}/{digest[:2]}/{digest[2:]}"


def bucket_of(home: Path) -> str | None:
    """Return the address of the bucket with a store's files; None when they are in the folder alone."""
    try:
        return read_text(home / LINK).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def link_bucket(home: Path, url: str) -> None:
    """Let a folder's files be in a bucket, from now on.

    Raises:
        UsageError: They are in another one.
    """
    existing = bucket_of(home)
    if existing == url:
        return
    if existing is not None:
        raise UsageError(
            f"--blobs {url}: the files of {home} are in {existing}: name another folder with --home"
        )
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = home / f".{LINK}-{os.getpid()}"
    draft.write_text(f"{url}\n", "utf-8")
    draft.replace(home / LINK)


def unlink_bucket(home: Path) -> None:
    """Let a folder's files be in no bucket any more."""
    (home / LINK).unlink(missing_ok=True)


def check_bucket(url: str) -> None:
    """Refuse what is no bucket, or one in which nothing can be kept now.

    Raises:
        UsageError: It is no address of one, or holds a key.
        MissingExtra: pyarrow is not installed.
        StoreError: Nothing can be written there.
    """
    try:
        parts = urlsplit(url)
    except ValueError as problem:
        raise UsageError(f"--blobs {url}: {problem}; files are kept at {FORM}") from problem
    if "@" in parts.netloc:
        raise UsageError(
            "--blobs: whoever reads the store's folder would read the key in this address: set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials"
        )
    if parts.scheme != "s3" or not parts.netloc or not url.isprintable():
        raise UsageError(f"--blobs {url}: files are kept at {FORM}")
    bucket = _open_bucket(url, os.getpid())

    def write() -> None:
        with bucket.system.open_output_stream(f"{bucket.folder}/{MARK}") as stream:
            stream.write(b"sharpen keeps files here\n")

    _patiently(url, write, 0.0)


def look(url: str) -> None:
    """Refuse a bucket that does not answer, or that has nothing of sharpen.

    Raises:
        Unreachable: The service does not answer.
        StoreError: There is no such bucket, or the key may not read it.
    """
    bucket = _open_bucket(url, os.getpid())
    if not _patiently(url, lambda: bucket.system.get_file_info(f"{bucket.folder}/{MARK}"), 0.0).is_file:
        raise StoreError(
            f"{url} has no {MARK}, which is kept there first: the bucket, or its folder, is gone"
        )


def has(home: Path, digest: str, patience_s: float | None = None) -> bool:
    """Return whether the bucket of a store, if it has one, has a file.

    Args:
        home: The store's folder.
        digest: The file's.
        patience_s: How long to try; as long as for a file by default.

    Raises:
        Unreachable: The service did not answer for a long time.
        StoreError: The key may not read the bucket.
    """
    if (url := bucket_of(home)) is None:
        return False
    bucket = _open_bucket(url, os.getpid())
    return _patiently(url, lambda: bucket.system.get_file_info(bucket.path(digest)).is_file, patience_s)


def send(home: Path, source: Path, digest: str) -> None:
    """Keep a file in the bucket of a store, if it has one; on return all of it is there.

    Raises:
        Unreachable: The service did not answer for a long time.
        StoreError: It does not take the file.
    """
    if (url := bucket_of(home)) is not None:
        send_to(url, source, digest)


def send_to(url: str, source: Path, digest: str) -> None:
    """Keep a file in a bucket; on return all of it is there.

    Raises:
        Unreachable: The service did not answer for a long time.
        StoreError: It does not take the file.
    """
    bucket, n_bytes = _open_bucket(url, os.getpid()), source.stat().st_size

    def attempt() -> None:
        with open_file(source) as file, bucket.system.open_output_stream(bucket.path(digest)) as sent:
            while chunk := file.read(CHUNK_BYTES):
                sent.write(chunk)
        n_there = bucket.system.get_file_info(bucket.path(digest)).size
        if n_there != n_bytes:
            raise OSError(f"{n_there} of {n_bytes} bytes have arrived")

    _patiently(url, attempt)


def bring(home: Path, digest: str, keep: Callable[[Callable[[], bytes]], None]) -> None:
    """Read a file of the bucket.

    Args:
        home: The store's folder, which has a bucket.
        digest: The file's.
        keep: Given what returns the next piece, and nothing at the end; called again, from the beginning,
            when the line breaks off.

    Raises:
        FileNotFoundError: It is not there.
        Unreachable: The service did not answer for a long time.
        StoreError: The key may not read the bucket.
    """
    url = bucket_of(home) or ""
    bucket = _open_bucket(url, os.getpid())

    def attempt() -> None:
        with bucket.system.open_input_stream(bucket.path(digest)) as stream:
            keep(lambda: stream.read(CHUNK_BYTES))

    _patiently(url, attempt)


def forget(home: Path, digest: str, put_before: float) -> None:
    """Remove a file from the bucket of a store, unless it has been put there again.

    Args:
        home: The store's folder.
        digest: The file's.
        put_before: Unix seconds; one that was put since is left there.

    Raises:
        Unreachable: The service did not answer for a long time.
        StoreError: The key may not remove files.
    """
    if (url := bucket_of(home)) is None:
        return
    bucket = _open_bucket(url, os.getpid())

    def attempt() -> None:
        put_at = bucket.system.get_file_info(bucket.path(digest)).mtime
        if put_at is not None and put_at.timestamp() < put_before:
            bucket.system.delete_file(bucket.path(digest))

    _patiently(url, attempt)


@lru_cache(maxsize=4)
def _open_bucket(url: str, _pid: int) -> OpenBucket:
    """Return where a bucket's files are. Threads do not outlive a fork: each process has its own."""
    require("pyarrow", "s3")
    fs: Any = import_module("pyarrow.fs")
    try:
        system, folder = fs.FileSystem.from_uri(url)
    except (OSError, ValueError) as problem:
        raise UsageError(f"--blobs {url}: {problem}; files are kept at {FORM}") from problem
    return OpenBucket(system, folder.rstrip("/"))


def _lack(message: str) -> str | None:
    """Return what a key may not do, when a service says so.

    >>> _lack("When getting x: AWS Error ACCESS_DENIED during GetObject operation: Access Denied")
    'lets this key read no files: give it the right s3:GetObject, or use another key'
    """
    found = re.search(r"ACCESS_DENIED during (\w+) operation", message)
    if found is None or found[1] not in RIGHTS:
        return None
    verb, right = RIGHTS[found[1]]
    return f"lets this key {verb} no files: give it the right {right}, or use another key"


def _patiently(url: str, attempt: Callable[[], Result], patience_s: float | None = None) -> Result:
    """Return what an attempt returns, which is made again while the service cannot be reached."""
    began, pause_s = time.monotonic(), 0.1
    patience_s = PATIENCE_S if patience_s is None else patience_s
    while True:
        try:
            return attempt()
        except FileNotFoundError:
            raise
        except OSError as problem:
            message = " ".join(str(problem).split())
            if (lack := _lack(message)) is not None:
                raise StoreError(f"{url} {lack}") from problem
            if any(sign in message for sign in HOPELESS):
                raise StoreError(f"{url} does not take or give files: {message}") from problem
            if time.monotonic() - began > patience_s:
                raise Unreachable(f"{url} does not take or give files just now: {message}") from problem
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
