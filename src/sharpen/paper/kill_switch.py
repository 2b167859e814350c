"""The kill switch of an account: a file that outlives every process and fails closed.

Each line is a person's or the trader's word; the last one counts. A line that cannot be read counts as
"stop": nothing trades because a disk is damaged.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Kill:
    """Why nothing may be traded."""

    who: str
    reason: str


class KillSwitch:
    """The switch of one account.

    Args:
        path: Of its file, which need not be there.

    >>> import tempfile
    >>> switch = KillSwitch(Path(tempfile.mkdtemp()) / "account.kills")
    >>> switch.pull("ann", "wrong prices", at=0.0); switch.state()
    Kill(who='ann', reason='wrong prices')
    >>> switch.lift("ann", "prices are right", at=1.0); switch.state()
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def state(self) -> Kill | None:
        """Return why nothing may be traded; None when it may."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as problem:
            return Kill("the trader", f"the kill switch cannot be read: {problem}")
        if not lines:  # a pull was cut off before its first letter
            return Kill("the trader", "the kill switch is an empty file")
        try:
            word: Any = json.loads(lines[-1])
            return Kill(str(word["who"]), str(word["reason"])) if word["kill"] is not False else None
        except (ValueError, TypeError, KeyError):
            return Kill("the trader", "the last line of the kill switch cannot be read")

    def pull(self, who: str, reason: str, at: float) -> None:
        """Stop all trading until a person lifts it."""
        self._append({"kill": True, "who": who, "reason": reason, "at": at})

    def lift(self, who: str, reason: str, at: float) -> None:
        """Let trading go on."""
        self._append({"kill": False, "who": who, "reason": reason, "at": at})

    def _append(self, word: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # the newline comes first: a line that a crash cut off must not swallow this one
        line = "\n" + json.dumps(word)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
