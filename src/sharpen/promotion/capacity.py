"""How large the largest order is beside what is traded in a day."""

from __future__ import annotations

import numpy as np

from sharpen.bars import Panel
from sharpen.facts import TURNOVER_COLUMN
from sharpen.store.blobs import checked_path
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.views.returns import read_file, returns_files

ADV_BARS = 20
CAPITAL_USD = 100_000.0


def capacity_adv_share(reader: Reader, run: RunRow, panel: Panel, capital_usd: float) -> float | None:
    """Return the largest order as a share of the average daily volume; None where nobody knows.

    The largest order is no larger than the most that was traded in one bar of the backtest. It is taken to
    be all in the symbol that trades least, so the true share is no higher.

    Args:
        reader: The store.
        run: Whose returns say what was traded.
        panel: The bars, of days.
        capital_usd: The money to trade with.
    """
    returns_file = returns_files(reader.artifacts(run_id=run.id)).get(run.id)
    if returns_file is None:
        return None
    traded = read_file(checked_path(reader.home, returns_file.digest)).stress.get(TURNOVER_COLUMN)
    value = panel.volume[-ADV_BARS:] * panel.close[-ADV_BARS:]
    if traded is None or not len(traded) or len(value) < ADV_BARS or not np.isfinite(value).all():
        return None
    least = float(value.mean(axis=0).min())
    return float(np.max(traded)) * capital_usd / least if least > 0 else None
