"""What doctor says of Ray, which takes too long to import for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from sharpen.cli.ray_address import address_here, why_silent


def ray_state(environment: Mapping[str, str] = os.environ) -> tuple[bool, str]:
    """Return whether all is well with Ray, and what to say; an empty sentence where it is not installed.

    The cluster is the one for which ``--ray auto`` stands.
    """
    try:
        installed = f"Ray {version('ray')}"
    except PackageNotFoundError:
        return True, ""
    address = address_here(environment)
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
