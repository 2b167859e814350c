"""A folder of a run's own, and the refusal of files that another run at work has written.

Programs of several runs share their working folder. A file ``model.bin`` there is overwritten by whoever
saves last, so that a run would keep the model of another. In ``run.dir`` that cannot happen.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path

from sharpen.errors import UsageError

CLOCK_STEP_NS = 50_000_000  # file times may lag behind the clock by a tick of the kernel


class Scratch:
    """A folder for one run's files.

    Args:
        given: The folder that the agent has made, and clears; None to make one when it is asked for, which
            is cleared when the run is finished or this process ends.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._clear: weakref.finalize[..., Scratch] | None = None
        self._kept: dict[str, Path] = {}

    @property
    def folder(self) -> Path:
        """The folder; it is there."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sharpen-run-"))
            self._clear = weakref.finalize(self, _remove, self._folder, os.getpid())
        else:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder

    def holds(self, path: Path) -> bool:
        """Return whether a file lies in the folder."""
        return self._folder is not None and path.resolve().is_relative_to(self._folder.resolve())

    def keep(self, name: str, path: Path) -> None:
        """Leave the folder where it is, and print at the end where a file of it lies."""
        self._kept[name] = path
        if self._clear is not None:
            self._clear.detach()

    def close(self) -> None:
        """Clear a folder that was made here, unless it is to be kept."""
        for name, path in self._kept.items():
            print(f"artifact  {name}={path}", flush=True)
        self._kept.clear()
        if self._clear is not None and self._clear.alive:
            self._clear()
            self._folder = self._clear = None


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # and not in a fork of the program's own
        shutil.rmtree(folder, ignore_errors=True)


class FileClaims:
    """Files that a run has written and kept outside of its own folder: no two runs at work may share one.

    A claim is a lock on a file that is named by the path. The kernel gives it up when the process ends,
    however it ends. It also says when the file was written that was kept, so that who began before that run
    ended does not keep the same file as its own.

    Args:
        folder: Where the claims of a store's runs lie; None for a run that shares nothing.
        run_id: Who claims.
    """

    def __init__(self, folder: Path | None, run_id: str = "") -> None:
        self._folder = folder
        self._run_id = run_id
        self._held: dict[Path, int] = {}
        self._began_ns = time.time_ns() - CLOCK_STEP_NS

    def take(self, path: Path) -> None:
        """Claim a file; one that nobody has written since the run began needs no claim.

        Raises:
            UsageError: Another run has written and kept it since this one began.
        """
        path = path.resolve()
        if self._folder is None or path in self._held:
            return
        written_ns = path.stat().st_mtime_ns
        lock = self._lock(path)
        if lock is None:
            return
        if written_ns < self._began_ns:
            os.close(lock)
            return
        other, _, kept_ns = os.pread(lock, 200, 0).decode(errors="replace").partition("\n")
        if kept_ns == str(written_ns):  # by a run that has ended meanwhile: nobody has written it since
            os.close(lock)
            raise _shared(path, other, "which has ended")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{self._run_id}\n{written_ns}".encode(), 0)
        self._held[path] = lock

    def _lock(self, path: Path) -> int | None:
        assert self._folder is not None  # noqa: S101 - for the type checker
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
        lock = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(lock, 200, 0).decode(errors="replace").partition("\n")[0]
            os.close(lock)
            raise _shared(path, other, "which is at work too") from None
        except OSError:  # a file system without locks
            os.close(lock)
            return None
        return lock

    def close(self) -> None:
        """Give up all claims."""
        for lock in self._held.values():
            with contextlib.suppress(OSError):
                os.close(lock)
        self._held.clear()


def _shared(path: Path, other: str, what: str) -> UsageError:
    who = f"run {other}" if other else "another configuration"
    return UsageError(
        f"{path}: {who}, {what}, has written and kept this file, so that it may hold what that run has "
        f"written. Write it in run.dir, a folder of this run's own: run.dir / {path.name!r}"
    )
