"""Tune trading models honestly: sweeps, walk-forward validation, and a verdict on the winner.

Programs import :mod:`sharpen.tracking`; everything else is driven by the ``sharpen`` command. A script of the
W&B client runs with ``import sharpen as wandb``: its words are those of :mod:`sharpen.wandb`, which is
imported when the first of them is used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'sharpen' has no attribute {name!r}")
    # by its name, and only now: `import sharpen` alone costs nothing
    return import_module("sharpen.wandb").word(name)
