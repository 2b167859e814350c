"""Words of the ``wandb`` client's users for what a verb of ours does, such as ``sharpen sweep pause ID``."""

from __future__ import annotations

from collections.abc import Sequence

WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("sweep", "--info"): ("info",),
    ("sweep", "info"): ("info",),
    ("sweep", "--queue"): ("queue",),
    ("sweep", "queue"): ("queue",),
    ("sweep", "--pause"): ("pause",),
    ("sweep", "pause"): ("pause",),
    ("sweep", "--resume"): ("resume", "--agents", "0"),
    ("sweep", "resume"): ("resume", "--agents", "0"),
    ("sweep", "--stop"): ("stop",),
    ("sweep", "stop"): ("stop",),
    ("sweep", "--cancel"): ("cancel",),
    ("sweep", "cancel"): ("cancel",),
    ("run", "cancel"): ("cancel",),
}
N_WORDS = 3  # with the sweep or run that is meant


def in_own_verbs(args: Sequence[str]) -> list[str]:
    """Return what is typed, in the verbs of this command line.

    Args:
        args: What follows ``sharpen`` and its options.

    >>> in_own_verbs(["sweep", "pause", "k3v9x2aq"]), in_own_verbs(["run", "sweep.yaml"])
    (['pause', 'k3v9x2aq'], ['run', 'sweep.yaml'])
    >>> in_own_verbs(["sweep", "resume", "local/quantbot/k3v9x2aq"])
    ['resume', '--agents', '0', 'k3v9x2aq']
    """
    meant = WORDS.get((args[0], args[1])) if len(args) >= N_WORDS else None
    if meant is None:
        return list(args)
    return [*meant, args[2].rpartition("/")[2], *args[3:]]
