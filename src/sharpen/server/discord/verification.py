"""Whether a request is Discord's: its signature over the raw body, its age, and whether it came before."""

from __future__ import annotations

from collections import OrderedDict

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

WINDOW_S = 300.0
"""How old a request may be. Discord names no figure."""


def is_signed(public_key: str, signature: str, timestamp: str, body: bytes) -> bool:
    """Return whether a body and its timestamp were signed with the key that belongs to a public key.

    Args:
        public_key: In hex.
        signature: In hex, of the header ``X-Signature-Ed25519``.
        timestamp: Of the header ``X-Signature-Timestamp``; only digits, for a digit that was moved into the
            body would have the same signature.
        body: As it came, byte for byte.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and body.startswith(b"{")):
        return False
    try:
        VerifyKey(bytes.fromhex(public_key)).verify(timestamp.encode() + body, bytes.fromhex(signature))
    except (BadSignatureError, ValueError):
        return False
    return True


def is_fresh(timestamp: str, now: float) -> bool:
    """Return whether a timestamp of digits lies within the window.

    >>> is_fresh("1000", 1299.0), is_fresh("1000", 1301.0), is_fresh("9" * 400, 0.0)
    (True, False, False)
    """
    return len(timestamp) < 16 and abs(now - int(timestamp)) <= WINDOW_S


class SeenInteractions:
    """Which interactions came before, as long as they would still be fresh.

    >>> seen = SeenInteractions()
    >>> seen.is_new("1", 0.0), seen.is_new("1", 1.0), seen.is_new("1", 1000.0)
    (True, False, True)
    """

    def __init__(self) -> None:
        self._at: OrderedDict[str, float] = OrderedDict()

    def is_new(self, interaction_id: str, now: float) -> bool:
        """Return whether an interaction comes for the first time, and remember it."""
        while self._at and next(iter(self._at.values())) < now - 2 * WINDOW_S:
            self._at.popitem(last=False)
        if interaction_id in self._at:
            return False
        self._at[interaction_id] = now
        return True
