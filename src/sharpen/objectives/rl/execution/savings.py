# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Keeping what a policy saved against each baseline, for whoever draws the verdict on a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from sharpen.objectives.rl.execution.evaluation import Outcomes, saved_bps


def write_saved(outcomes: Mapping[str, Outcomes], path: Path) -> None:
    """Write by how much the policy ``ppo`` costs less than each baseline in basis points, a row a window.

    A window is the orders that share their prices; where prices are drawn it is one order.
    """
    parquet.write_table(pa.table(saved_bps(outcomes)), path, compression="zstd", use_dictionary=False)
