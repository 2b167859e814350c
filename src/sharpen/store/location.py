"""Where the database of a store is: in its folder, or on a server that a file of the folder names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sharpen.errors import NotFound, UsageError
from sharpen.http import server_of
from sharpen.regular_file import read_text

FILE = "store.db"
SET_ASIDE = f"{FILE}.copied"  # what a folder's database is called once its store is elsewhere
LINK = "database"  # a file with the address of a database elsewhere; it may hold a password
SCHEMES = ("postgresql", "postgres")
OPTIONS = (
    "options|target_session_attrs|load_balance_hosts|application_name|connect_timeout|service|user|dbname|host|hostaddr"
    "|port|passfile|ssl[a-z_]+|keepalives[a-z_]*|tcp_user_timeout|channel_binding|gssencmode|require_auth"
)
"""What an address has behind its ``?``; behind another one a password goes on."""


def find(home: Path) -> Path:
    """Return the database of a store that is there, or the file that names it; a server has one.

    Raises:
        NotFound: There is no store in the folder.
    """
    for path in (home / LINK, home / FILE):
        if path.exists():
            return path
    if server_of(home):
        return home / FILE
    raise NotFound(f"no store in {home}: start with 'sharpen run FILE', or name another with --home")


def database_url(home: Path) -> str | None:
    """Return the address of a store's database; None when it is in the folder itself."""
    try:
        return read_text(home / LINK).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def link(home: Path, url: str) -> None:
    """Let a folder's store be in a database elsewhere, from now on.

    Raises:
        UsageError: It is no address of a database, or the folder has another store.

    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> link(home, "postgresql://db.lab/sharpen")
    >>> database_url(home)
    'postgresql://db.lab/sharpen'
    >>> link(home, "mysql://db.lab/sharpen")
    Traceback (most recent call last):
    sharpen.errors.UsageError: --store mysql://db.lab/sharpen: a store is at postgresql://USER@HOST/DATABASE
    """
    check_url(url)
    existing = database_url(home)
    if existing == url:
        return
    shown = without_password(url)
    if existing is not None:
        raise UsageError(
            f"--store {shown}: the store of {home} is at {without_password(existing)}: "
            "name another folder with --home"
        )
    if (home / FILE).exists():
        raise UsageError(
            f"--store {shown}: {home} has a store of its own: name another folder with --home, "
            f"or take it there with 'sharpen store copy {home} {shown}'"
        )
    _write(home, url)


def unlink(home: Path) -> None:
    """Let a folder's store be in no database elsewhere any more."""
    (home / LINK).unlink(missing_ok=True)


def check_url(url: str, where: str = "--store") -> None:
    """Refuse what is no address of a database.

    Raises:
        UsageError: It is no address of a database.
    """
    scheme, separator, _ = url.partition("://")
    if scheme not in SCHEMES or not separator or not url.isprintable():
        raise UsageError(f"{where} {without_password(url)}: a store is at postgresql://USER@HOST/DATABASE")


def without_password(url: str) -> str:
    """Return an address to show to people.

    >>> without_password("postgresql://ann:secret@db.lab/sharpen?password=secret")
    'postgresql://ann:***@db.lab/sharpen?password=***'
    >>> without_password("postgresql://ann:se/cr@t@db.lab:5432/sharpen")  # not as it should be written
    'postgresql://ann:***@db.lab:5432/sharpen'
    >>> without_password("postgresql://ann@lab:se#cret@db.lab/sharpen")
    'postgresql://ann@lab:***@db.lab/sharpen'
    >>> without_password("postgresql://ann:12/3?4?5@db.lab/sharpen")
    'postgresql://ann:***@db.lab/sharpen'
    >>> without_password("postgresql://db.lab:5432/sharpen?options=-csearch_path%3Dann@lab")
    'postgresql://db.lab:5432/sharpen?options=-csearch_path%3Dann@lab'
    """
    hidden = re.sub(r"(password=)[^&]*", r"\1***", url)
    return re.sub(rf"(://[^:]*?):(?!\d+/[^/?@]*[?]({OPTIONS})=[^?]*$).*@", r"\1:***@", hidden)


def _write(home: Path, url: str) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = home / f".{LINK}-{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{url}\n")
    draft.replace(home / LINK)
