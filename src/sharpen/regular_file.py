"""Opening files to read, where something else may lie in their place: a pipe, a device, a folder."""

from __future__ import annotations

import errno
import io
import os
import stat
from io import BufferedReader
from pathlib import Path

from sharpen.errors import UsageError

OWN_INPUTS = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_file(path: str | Path, *, or_input: bool = False) -> BufferedReader:
    """Open a regular file to read; what else lies there is refused, and holds nobody up.

    Args:
        path: The file.
        or_input: Whether a pipe of this process's own is taken too, such as ``/dev/stdin``.

    Raises:
        OSError: There is none, it may not be read, or it is no regular file.

    >>> open_file("/dev/zero")
    Traceback (most recent call last):
    OSError: [Errno 22] it is a device, and no regular file: '/dev/zero'
    """
    takes_pipe = or_input and str(path).startswith(OWN_INPUTS)
    _refuse(path, Path(path).stat().st_mode, takes_pipe)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if takes_pipe else os.O_NONBLOCK))
    try:
        _refuse(path, os.fstat(descriptor).st_mode, takes_pipe)  # it may have been put there meanwhile
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_file(path: str | Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: As of :func:`open_file`.
    """
    with open_file(path) as file:
        return file.read()


def read_text(path: str | Path) -> str:
    """Return the text of a regular file in UTF-8.

    Raises:
        OSError: As of :func:`open_file`.
        UnicodeDecodeError: It is no text.
    """
    return read_file(path).decode("utf-8")


def read_input(path: str | Path, n_most_bytes: int) -> str:
    """Return the text of a file that somebody named, which may be a pipe of this process's own.

    Args:
        path: The file.
        n_most_bytes: No more than so many are read.

    Raises:
        OSError: As of :func:`open_file`, or it is larger.
        UnicodeDecodeError: It is no text.
    """
    with open_file(path, or_input=True) as file:
        content = file.read(n_most_bytes + 1)
    if len(content) > n_most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {n_most_bytes:,} bytes", str(path))
    return io.TextIOWrapper(io.BytesIO(content), "utf-8").read()


def refuse_unreadable(call: str, path: Path) -> None:
    """Refuse what is no regular file that can be read.

    Raises:
        UsageError: So it is; ``call`` says who asks.

    >>> refuse_unreadable("log_artifact", Path("/dev/zero"))
    Traceback (most recent call last):
    sharpen.errors.UsageError: log_artifact: /dev/zero cannot be read: it is a device, and no regular file
    """
    try:
        with open_file(path) as file:
            file.read(1)
    except FileNotFoundError:
        raise UsageError(f"{call}: there is no file {path}") from None
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else problem
        raise UsageError(f"{call}: {path} cannot be read: {why}") from problem


def other_kind(path: str | Path) -> str:
    """Return what lies in the place of a regular file; nothing where one does, or there is nothing.

    >>> other_kind("/"), other_kind("/dev/null"), other_kind("no such file")
    ('a folder', 'a device', '')
    """
    try:
        return _KINDS.get(stat.S_IFMT(Path(path).stat().st_mode), "")
    except (OSError, ValueError):
        return ""


def _refuse(path: str | Path, mode: int, takes_pipe: bool) -> None:
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is not None and not (takes_pipe and stat.S_ISFIFO(mode)):
        raise OSError(errno.EINVAL, f"it is {kind}, and no regular file", str(path))
