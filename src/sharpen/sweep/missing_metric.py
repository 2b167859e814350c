"""What to say of a metric that a program never logged: what it did log, and which of that was meant."""

from __future__ import annotations

from collections.abc import Collection

from sharpen.hints import nearest

N_NAMED = 8


def instead(name: str, logged: Collection[str]) -> str:
    """Return what a program logged in place of a metric, and the nearest name, to follow a sentence.

    >>> instead("val/sharpe", ["val/sharp", "train/loss"])
    "; it logged train/loss, val/sharp; did you mean 'val/sharp'?"
    >>> instead("val/sharpe", [])
    '; it logged nothing'
    """
    names = sorted(logged)
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return f"; it logged {', '.join(names[:N_NAMED]) or 'nothing'}{more}{nearest(name, names)}"
