"""The key that a client shows to a server: from the environment, or from a file of keys by machine."""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sharpen.errors import UsageError

VARIABLES = ("SHARPEN_API_KEY", "WANDB_API_KEY")
FILE_VARIABLE = "NETRC"


class FoundKey(NamedTuple):
    """A key, and where it was found, for people; both empty when there is none."""

    key: str = ""
    source: str = ""


def find_key(url: str, environment: Mapping[str, str]) -> FoundKey:
    """Return the key for a server.

    The first of SHARPEN_API_KEY, WANDB_API_KEY, and the password of the server's machine in the file that
    NETRC names, ``~/.netrc`` by default. That is where ``wandb login`` keeps it, too.

    Args:
        url: The server's.
        environment: The variables.

    Raises:
        UsageError: The file cannot be read, or the key holds what no header can.

    >>> find_key("http://desk:8420", {"WANDB_API_KEY": "abc"})
    FoundKey(key='abc', source='WANDB_API_KEY')
    """
    for name in VARIABLES:
        if key := environment.get(name, "").strip():
            return FoundKey(_checked(key, name), name)
    path = Path(environment.get(FILE_VARIABLE) or Path(environment.get("HOME", "~")).expanduser() / ".netrc")
    try:
        machines = netrc.netrc(str(path)).hosts
    except FileNotFoundError:
        return FoundKey()
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as problem:
        raise UsageError(f"cannot read the keys in {path}: {problem}") from problem
    parts = urlsplit(url)
    for machine in (parts.netloc.rpartition("@")[2], parts.hostname or ""):
        if machine in machines:
            return FoundKey(_checked(machines[machine][2], str(path)), str(path))
    return FoundKey()


def _checked(key: str, source: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"the key in {source} is none: it has letters that no header can hold")
    return key
