"""The files of a paper account in a store's folder."""

from __future__ import annotations

import re
from pathlib import Path

from sharpen.errors import UsageError
from sharpen.paper.kill_switch import KillSwitch

ACCOUNT = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


def paths_of(folder: Path, account: str) -> tuple[Path, KillSwitch, Path]:
    """Return an account's ledger file, its kill switch and the file that asks its trader to stop.

    Raises:
        UsageError: The account's name is no name of a file.
    """
    if not ACCOUNT.fullmatch(account):
        raise UsageError(
            f"{account[:80]!r} is no name of an account: 1 to 64 letters, digits, and _ - . after the first"
        )
    at = folder / "paper"
    return at / f"{account}.ledger", KillSwitch(at / f"{account}.kills"), at / f"{account}.stop"


def live_bars(folder: Path, account: str) -> Path:
    """Return where an account keeps the live bars that it has traded on."""
    return paths_of(folder, account)[0].with_suffix(".bars.csv")
