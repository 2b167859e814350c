"""The blobs of a store on another machine: sent and fetched over HTTP, checked by digest at both ends."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sharpen.errors import StoreError, Unreachable, UsageError
from sharpen.http import folder_of
from sharpen.http.connection import HttpConnection
from sharpen.regular_file import open_file
from sharpen.store import cache_limit
from sharpen.store.blobs import digest_and_size, digest_of
from sharpen.store.permissions import own_folder

PATH = "/api/agents/blobs"
CHUNK_BYTES = 1 << 20
PATIENCE_S = 600.0
LONGEST_PAUSE_S = 2.0
TRIES = 3  # with a file that changes while it is sent
THERE, NOT_THERE = 200, 404
Result = TypeVar("Result")


class HttpBlobs:
    """Keeps files at a server, and copies of what has been fetched on this machine.

    Args:
        url: The server's.
        home: Where copies are kept; the folder that stands for the server by default.
    """

    def __init__(self, url: str, home: Path | None = None) -> None:
        self._url = url
        self.home = home or folder_of(url)

    def put(self, source: Path) -> tuple[str, int]:
        """Keep a copy of a file at the server; return its digest and size in bytes.

        What the server has already is not sent again.

        Raises:
            StoreError: It cannot be kept.
            Unreachable: The server did not answer for a long time.
        """
        connection = HttpConnection(self._url)
        with contextlib.closing(connection):
            for _ in range(TRIES):
                digest, n_bytes = digest_and_size(source)
                if self._patiently(partial(_send, connection, source, digest, n_bytes)):
                    return digest, n_bytes
        raise StoreError(f"{source} changes while it is sent: write it whole before it is kept")

    def fetch(self, digest: str) -> Path:
        """Return a file of this machine that holds a blob; not to be written to.

        Raises:
            StoreError: The server's is missing or damaged.
            Unreachable: The server did not answer for a long time.
        """
        path = self.home / "blobs" / digest[:2] / digest[2:]
        with contextlib.suppress(OSError):
            if digest_of(path) == digest:
                cache_limit.note_use(path)
                return path
        connection = HttpConnection(self._url)
        with contextlib.closing(connection):
            self._patiently(lambda: _fetch(connection, digest, path))
        with contextlib.suppress(OSError):
            cache_limit.bound(self.home / "blobs", lambda _: True)  # all of them came from the server
        return path

    def _patiently(self, attempt: Callable[[], Result]) -> Result:
        """Return what an attempt returns, which is made again while the server cannot be reached."""
        began, pause_s = time.monotonic(), 0.05
        while True:
            try:
                return attempt()
            except OSError as problem:
                if time.monotonic() - began > PATIENCE_S:
                    message = f"{self._url} did not answer for {PATIENCE_S:g} s: {problem}"
                    raise Unreachable(message) from problem
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _send(connection: HttpConnection, source: Path, digest: str, n_bytes: int) -> bool:
    """Send a file unless it is there; return False when its content was not what had been announced."""
    there = connection.send("HEAD", f"{PATH}/{digest}", expected=(NOT_THERE,))
    connection.read(there)
    if there.status == THERE:
        return True
    with open_file(source) as file:
        if os.fstat(file.fileno()).st_size != n_bytes:
            return False
        try:
            answer = connection.send(
                "PUT", f"{PATH}/{digest}", file, headers={"Content-Length": str(n_bytes)}
            )
        except UsageError as problem:
            if problem.facts.get("why") == "digest":
                return False
            raise
    connection.read(answer)
    return True


def _fetch(connection: HttpConnection, digest: str, path: Path) -> None:
    """Write a blob to a file; what arrives damaged is fetched again."""
    answer = connection.send("GET", f"{PATH}/{digest}")
    own_folder(path.parent.parent)
    own_folder(path.parent)
    sha256 = hashlib.sha256()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".incoming-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            while chunk := connection.read(answer, CHUNK_BYTES):
                sha256.update(chunk)
                file.write(chunk)
        is_whole = sha256.hexdigest() == digest  # a body that is cut off ends without an error
        if is_whole:
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        connection.close()
        raise
    if not is_whole:
        Path(name).unlink(missing_ok=True)
        connection.close()
        raise ConnectionError(f"blob {digest[:12]} arrived damaged")
