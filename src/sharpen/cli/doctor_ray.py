"""What doctor says of Ray, which takes too long to import for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sharpen.cli.ray_address import why_silent


def ray_words(environment: Mapping[str, str] = os.environ) -> tuple[bool, str]:
    """Return whether all is well with Ray, and what to say; an empty sentence where it is not installed.

    The cluster is the one that ``--ray auto`` tries first: what RAY_ADDRESS names, or the last that was
    started on this machine.
    """
    try:
        installed = f"Ray {version('ray')}"
    except PackageNotFoundError:
        return True, ""
    address = environment.get("RAY_ADDRESS", "") or _last_started(environment)
    if not address:
        return True, f"{installed}; no cluster of this machine, so '--ray' needs an address"
    if why_silent(address):
        return False, f"{installed}; nobody answers at {address}: start it with 'ray start --head'"
    sentence = f"{installed}; a cluster answers at {address}"
    if environment.get("RAY_AUTH_MODE") != "token":
        return (
            False,
            f"{sentence}; whoever reaches it can run code there: set RAY_AUTH_MODE=token on all machines",
        )
    return True, sentence


def _last_started(environment: Mapping[str, str]) -> str:
    try:
        folder = Path(environment.get("RAY_TMPDIR", "/tmp"))  # noqa: S108 - it is Ray's own
        return (folder / "ray" / "ray_current_cluster").read_text().strip()
    except OSError:
        return ""
