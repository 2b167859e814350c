"""Folders for the files of runs, one a run, under ``scratch`` in the store's folder; cleared after.

An agent holds a lock on its own folder. What an agent that was killed has left, the next one clears.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Generator
from pathlib import Path

KEEP = "SHARPEN_KEEP_SCRATCH"
FOLDER = "scratch"
CLAIMS = "claims"
LOCK = ".lock"


class ScratchFolders:
    """The folders of one agent's runs.

    Args:
        home: The store's folder.
        agent_id: The agent's.
        keep: Whether to leave the folders when runs end; by default the environment variable
            SHARPEN_KEEP_SCRATCH says so.

    Attributes:
        folder: The agent's folder.
        claims: Where runs of all agents claim the files that they share.
    """

    def __init__(self, home: Path, agent_id: str, keep: bool | None = None) -> None:
        self.folder = home.resolve() / FOLDER / agent_id
        self.claims = self.folder.parent / CLAIMS
        self.keep = bool(os.environ.get(KEEP)) if keep is None else keep
        self._lock: int | None = None

    def make(self, run_id: str, token: int) -> Path:
        """Return an empty folder for a lease of a run.

        Raises:
            OSError: It cannot be made.
        """
        if self._lock is None:
            self._open()
        path = self.folder / f"{run_id}-{token}"
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def _open(self) -> None:
        """Make the agent's folder, and clear those of agents that have died."""
        parent = self.folder.parent
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _one_at_a_time(parent):  # a folder that has just been made is not locked yet
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(self.folder)
            for other in parent.iterdir():
                if other not in (self.folder, self.claims):
                    _clear_if_free(other)

    def clear(self, run_id: str, token: int) -> None:
        """Remove the folder of a lease that has ended, unless folders are to be kept."""
        if not self.keep:
            shutil.rmtree(self.folder / f"{run_id}-{token}", ignore_errors=True)

    def close(self) -> None:
        """Remove the agent's folder; one whose runs' folders are kept stays until it is removed by hand."""
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif self._lock is not None:
            (self.folder / LOCK).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Generator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):  # a file system without locks: then nobody clears another's
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _clear_if_free(folder: Path) -> None:
    """Remove the folder of an agent that holds its lock no more; one without a lock was kept on purpose."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # it is at work
        pass
    finally:
        os.close(lock)
