"""What every policy costs on the same orders, for people: a table, and sentences beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sharpen.facts import slippage_names
from sharpen.objectives.rl.execution.evaluation import Outcomes, Row, table

COLUMNS = ("policy", "cost", "± se", "vs twap", "± se", "PA", "GLR", "tail 5 %", "complete", "reward")


def cost_table(outcomes: Mapping[str, Outcomes]) -> str:
    """Return a line a policy, in columns."""
    lines = [COLUMNS, *(_cells(row) for row in table(outcomes))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )


def of_its_cost(metrics: Mapping[str, float], baseline: str) -> str:
    """Return what was saved as a percentage of a baseline's own cost, where that is clearly more than 0."""
    share, error = (metrics.get(name) for name in slippage_names(baseline))
    if share is None or error is None:
        return f"{baseline} itself costs nothing that is clearly more than 0"
    return f"{-share:.0f} ± {error:.0f} % of its slippage"


def legend(n_orders: int, market: str) -> str:
    """Return what the columns mean."""
    return (
        f"{n_orders} held-out orders in the market {market}, the same for every policy. In basis points of"
        " the order at its arrival price: cost is the implementation shortfall (a loss is positive), vs twap"
        " what is saved against equal slices on the same orders, PA the advantage over the mean price, tail"
        " the mean of the worst 5 %."
    )


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (row.shortfall, row.error, row.saved, row.saved_error, row.advantage, row.gain_loss, row.tail)
    shares = (f"{100 * row.completion:.1f} %", f"{row.reward:.3f}")
    return (row.policy, *(f"{x:.2f}" if math.isfinite(x) else "-" for x in numbers), *shares)
