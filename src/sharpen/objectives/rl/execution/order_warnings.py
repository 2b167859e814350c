"""What is to be known of orders before their figures are believed, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from sharpen.facts import DataNote
from sharpen.objectives.rl.execution.evaluation import Outcomes

_FEW = 0.005


def order_warnings(
    twap: Outcomes, left_out: Sequence[str] = (), pauses_s: Sequence[float] = ()
) -> list[DataNote]:
    """Return warnings about orders whose figures need care.

    Args:
        twap: What equal slices came to on these orders.
        left_out: Symbols that have no room for any of them.
        pauses_s: Where nothing was recorded for many times as long as usual, in seconds.
    """
    notes: list[DataNote] = []
    halted, forced = float(twap.halted.mean()), float(twap.forced.mean())
    if halted > 0:
        text = (
            f"Nobody can trade in {_percent(halted)} of the slices: no volume, or no bid below an ask."
            " Orders wait there. What is left in an order's last slice is traded all the same, at the last"
            " price that is known and as if the slice were a usual one."
        )
        notes.append(DataNote("halts", text))
    if forced > _FEW:
        text = (
            f"Orders are large for their time: {_percent(forced)} of what equal slices trade is left for the"
            " end, and traded there at market, beyond the limit on participation. Give a smaller"
            " --order_share, a larger --participation or more --n_slices."
        )
        notes.append(DataNote("large orders", text))
    if left_out:
        text = f"No order is held out in {', '.join(left_out)}: too few bars, or too late ones."
        notes.append(DataNote("left out", text))
    if pauses_s:
        text = (
            f"Nothing was recorded for more than ten usual distances of snapshots, {len(pauses_s)}"
            f" {'time' if len(pauses_s) == 1 else 'times'}, once for {max(pauses_s):.0f} s: an order goes on"
            " across such a pause. Give each stretch as a book of its own to keep them apart."
        )
        notes.append(DataNote("pauses", text))
    return notes


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %" if share >= _FEW else f"{100.0 * share:.2g} %"
