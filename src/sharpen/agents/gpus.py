"""GPUs for runs: a share of one, or several whole ones, for as long as a run lasts.

Agents of one store share a machine's GPUs through locks on files in the store: a GPU is a thousand bytes, of
which a run locks its share. The kernel gives them back when an agent dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sharpen.errors import UsageError
from sharpen.store.permissions import own_folder

BYTES = 1000
VISIBLE = "CUDA_VISIBLE_DEVICES"
LIST = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run has of the GPUs until :meth:`release`.

    Attributes:
        devices: Their names, as CUDA knows them; empty for a run that needs none.
    """

    devices: tuple[str, ...] = ()
    descriptors: tuple[int, ...] = ()

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes CUDA show these GPUs and no others; nothing for a run that needs none.

        >>> Claim(("2", "3")).environment
        {'CUDA_VISIBLE_DEVICES': '2,3'}
        """
        return {VISIBLE: ",".join(self.devices)} if self.devices else {}

    def release(self) -> None:
        """Give them back."""
        for descriptor in self.descriptors:
            os.close(descriptor)


class Gpus:
    """Hands out a machine's GPUs.

    Args:
        home: The store's folder.
        share: What a run needs: 0, a part of one, or a whole number.
        devices: The machine's; those that CUDA_VISIBLE_DEVICES or ``nvidia-smi`` name by default.

    Raises:
        UsageError: A run needs more than there is.
    """

    def __init__(self, home: Path, share: float, devices: Sequence[str] | None = None) -> None:
        self._folder = home / "gpus"
        self._share = share
        self._devices: Sequence[str] = ()
        if share > 0:
            self._devices = visible() if devices is None else devices
            if len(self._devices) < math.ceil(share):
                raise UsageError(
                    f"$.resources.gpu: a run needs {share:g}, and this machine shows {len(self._devices)} "
                    f"({VISIBLE}, nvidia-smi): work on the sweep elsewhere, or leave it out"
                )
            own_folder(self._folder)

    def take(self) -> Claim | None:
        """Return what one run needs; None while others have it."""
        if self._share < 1:
            part = next((lock for device in self._devices if (lock := self._part(device))), None)
            return part if self._share else Claim()
        taken: list[Claim] = []
        for device in self._devices:
            lock = self._lock(device, 0, BYTES)
            if lock is not None:
                taken.append(lock)
            if len(taken) == self._share:
                names, descriptors = zip(*((*c.devices, *c.descriptors) for c in taken), strict=True)
                return Claim(names, descriptors)
        for claim in taken:
            claim.release()
        return None

    def _part(self, device: str) -> Claim | None:
        n_bytes = max(1, int(self._share * BYTES))  # so that a third fits three times
        for first in range(0, BYTES - n_bytes + 1, n_bytes):
            lock = self._lock(device, first, n_bytes)
            if lock is not None:
                return lock
        return None

    def _lock(self, device: str, first: int, n_bytes: int) -> Claim | None:
        file = self._folder / device.replace("/", "_")
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # of the open file, not of the process: two slots of one agent must not share
        lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, first, n_bytes, 0)
        with contextlib.suppress(BlockingIOError):
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
            return Claim((device,), (descriptor,))
        os.close(descriptor)
        return None


def visible() -> list[str]:
    """Return the names of the GPUs that programs may use; none when there is no driver."""
    named = os.environ.get(VISIBLE)
    if named is None and shutil.which(LIST[0]):
        listing = subprocess.run(LIST, capture_output=True, text=True, check=False, timeout=30)
        named = ",".join(listing.stdout.split()) if listing.returncode == 0 else ""
    return [name.strip() for name in (named or "").split(",") if name.strip() not in ("", "-1")]
