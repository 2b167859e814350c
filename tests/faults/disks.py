"""Small disks that are really there, and folders that really cannot be written."""

import contextlib
import os
import shutil
import subprocess
import sys

import pytest

INSIDE = "SHARPEN_TEST_MAY_MOUNT"


def run(*words):
    return subprocess.run(words, check=False, capture_output=True, text=True)


def may_mount(folder):
    """Return whether this process may mount a disk."""
    folder.mkdir()
    tried = run("mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder))
    if tried.returncode == 0:
        run("umount", str(folder))
    folder.rmdir()
    return tried.returncode == 0


def enter(request, tmp_path):
    """Return whether the test may go on here; if not, it has been run where it may, as root of a namespace.

    Skips, with the reason, where there is no such place.
    """
    if may_mount(tmp_path / "probe"):
        return True
    if INSIDE in os.environ or shutil.which("unshare") is None:
        pytest.skip("this machine lets nobody but root mount a disk")
    probe = run("unshare", "-Urm", "true")
    if probe.returncode != 0:
        pytest.skip(f"neither mount nor unshare is permitted: {probe.stderr.strip()}")
    words = [
        "unshare",
        "-Urm",
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    inside = subprocess.run(
        [*words, request.node.nodeid],
        check=False,
        capture_output=True,
        text=True,
        cwd=request.config.rootpath,
        env=os.environ | {INSIDE: "1"},
    )
    assert (inside.returncode, "1 passed" in inside.stdout) == (0, True), inside.stdout[-4000:]
    return False


class Disk:
    """A mounted disk of a few kilobytes."""

    def __init__(self, place):
        self.place = place

    def fill(self, leave_bytes=0):
        """Leave no more room than so much."""
        found = os.statvfs(self.place)
        n_bytes = found.f_bavail * found.f_frsize - leave_bytes
        with (self.place / "filler").open("ab") as file, contextlib.suppress(OSError):
            for n in (1 << 12, 1):
                while n_bytes >= n:
                    n_bytes -= os.write(file.fileno(), b"x" * n)

    def free(self):
        """Give the room back."""
        (self.place / "filler").unlink()


@contextlib.contextmanager
def disk(place, options):
    """Mount a disk over a folder, which is made if it is not there."""
    place.mkdir(parents=True, exist_ok=True)
    tried = run("mount", "-t", "tmpfs", "-o", options, "none", str(place))
    assert tried.returncode == 0, tried.stderr
    try:
        yield Disk(place)
    finally:
        unmount(place)


@contextlib.contextmanager
def read_only(place):
    """Let nobody write to a folder, not even root."""
    bound = run("mount", "--bind", str(place), str(place))
    assert bound.returncode == 0, bound.stderr
    try:
        bound = run("mount", "-o", "remount,ro,bind", str(place))
        assert bound.returncode == 0, bound.stderr
        yield
    finally:
        unmount(place)


def unmount(place):
    if run("umount", str(place)).returncode != 0:
        run("umount", "-l", str(place))  # somebody is still in it: the test has failed already
