"""The folder of this machine that stands for a server: its address, copies of its files, scratch room.

What takes a store's folder may be given such a folder in its place. Then the coordinator is asked over HTTP,
rows are read over HTTP, and files are fetched when they are wanted and kept here, by their digest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from sharpen.errors import StoreError, UsageError
from sharpen.regular_file import read_text

FILE = "server"
KINDS = ("http", "https")
ODD = re.compile(r"[^A-Za-z0-9.-]+")


def checked_url(url: str) -> str:
    """Return a server's URL in the one way to write it.

    Raises:
        UsageError: It is no URL of a server.

    >>> checked_url("http://Desk:8420/")
    'http://desk:8420'
    >>> checked_url("desk:8420")
    Traceback (most recent call last):
    sharpen.errors.UsageError: --server 'desk:8420' is no URL of a server: write it as http://HOST:8420
    """
    message = f"--server {url!r:.200} is no URL of a server: write it as http://HOST:8420"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise UsageError(message) from problem
    has_more = parts.query or parts.fragment or not url.isprintable() or " " in url
    if parts.scheme not in KINDS or not host or has_more:
        raise UsageError(message)
    if parts.username is not None or parts.password is not None:
        raise UsageError("--server: a key in a URL ends up in logs: put it into SHARPEN_API_KEY or ~/.netrc")
    at = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{at}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def folder_of(url: str) -> Path:
    """Return the folder that stands for a server, made if need be.

    It lies in SHARPEN_CACHE, else in ``sharpen`` in XDG_CACHE_HOME, else in ``~/.cache/sharpen``.

    Raises:
        UsageError: The URL is none.
        StoreError: The folder cannot be made.
    """
    url = checked_url(url)
    folder = (
        cache_folder()
        / "servers"
        / ODD.sub("_", url.partition("://")[2] + ("" if _is_plain(url) else "-tls"))
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _read(folder) != url:
            (folder / FILE).write_text(f"{url}\n")
    except OSError as problem:
        raise StoreError(
            f"cannot write {folder}, where files of the server are kept: {problem}; SHARPEN_CACHE can move it"
        ) from problem
    return folder


def home_of(environment: Mapping[str, str]) -> Path:
    """Return the store's folder that the environment names, as the command line reads it.

    SHARPEN_SERVER, then SHARPEN_HOME, then ``.sharpen`` in the current folder.

    Raises:
        UsageError: SHARPEN_SERVER is no URL.

    >>> home_of({"SHARPEN_HOME": "/data/store"})
    PosixPath('/data/store')
    """
    if url := environment.get("SHARPEN_SERVER"):
        return folder_of(url)
    return Path(environment.get("SHARPEN_HOME") or ".sharpen")


def cache_folder() -> Path:
    """Return where this machine keeps what can be fetched again."""
    if folder := os.environ.get("SHARPEN_CACHE"):
        return Path(folder).absolute()
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "sharpen"


@cache
def server_of(home: Path) -> str:
    """Return the URL of the server that a folder stands for; empty for a store on this machine."""
    return _read(home)


def shown(home: Path) -> str:
    """Return where a store is, for people: the server's URL, or the folder."""
    return server_of(home) or str(home)


def _read(folder: Path) -> str:
    try:
        return read_text(folder / FILE).strip()
    except (OSError, ValueError):
        return ""


def _is_plain(url: str) -> bool:
    return url.startswith("http:")
