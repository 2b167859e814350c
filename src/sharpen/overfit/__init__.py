"""Is the winner real, or the luckiest of N? Statistics of selection, and the verdict drawn from them."""

from sharpen.overfit.bootstrap import Interval, optimal_block_length, sharpe_interval, stationary_blocks
from sharpen.overfit.judgement import Check, Judgement
from sharpen.overfit.pbo import Pbo, pbo
from sharpen.overfit.sharpe import (
    Moments,
    deflated_sharpe,
    expected_max_sharpe,
    min_backtest_length,
    min_track_record_length,
    moments,
    probabilistic_sharpe,
    probability_above,
)
from sharpen.overfit.verdict import Evidence, judge

__all__ = [
    "Check",
    "Evidence",
    "Interval",
    "Judgement",
    "Moments",
    "Pbo",
    "deflated_sharpe",
    "expected_max_sharpe",
    "judge",
    "min_backtest_length",
    "min_track_record_length",
    "moments",
    "optimal_block_length",
    "pbo",
    "probabilistic_sharpe",
    "probability_above",
    "sharpe_interval",
    "stationary_blocks",
]
