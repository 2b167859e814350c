"""Tune trading models honestly: sweeps, walk-forward validation, and a verdict on the winner.

Programs import :mod:`sharpen.tracking`; everything else is driven by the ``sharpen`` command.
"""

__version__ = "0.1.0"
