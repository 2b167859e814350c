"""What doctor says of Ray, which takes too long to import for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from sharpen.cli.ray_address import address_here, why_silent

ASK = """
import sys
import ray
from sharpen.agents.remote.ray_head import wants_a_token
sys.exit(0 if wants_a_token(ray, sys.argv[1]) else 3)
"""
ASK_S = 15.0


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
    is_closed = wants_a_token(address)
    if is_closed is None:
        return False, f"{sentence}, and does not say whether it wants a token: is it a head of this Ray?"
    if is_closed:
        return True, f"{sentence}, and lets nobody in without its token"
    return (
        False,
        f"{sentence}; whoever reaches it can run code there: make a token by 'ray get-auth-token --generate' "
        "on the head, have that ~/.ray/auth_token and RAY_AUTH_MODE=token on all machines, start it again",
    )


def wants_a_token(address: str) -> bool | None:
    """Return whether a cluster refuses those who show no token; None where it does not say."""
    words = [sys.executable, "-c", ASK, address.rpartition("://")[2]]
    shown = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    try:
        done = subprocess.run(words, env=shown, capture_output=True, timeout=ASK_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    return {0: True, 3: False}.get(done.returncode)
