"""Is the winner real, or the luckiest of N? Statistics of selection, and the verdict drawn from them."""

from sharpen.overfit.bootstrap import Interval, sharpe_interval, stationary_blocks
from sharpen.overfit.dependence import autocorrelation_factor, optimal_block_length
from sharpen.overfit.evidence import Evidence, RelatedSweep
from sharpen.overfit.judgement import Check, Judgement
from sharpen.overfit.luck_bar import LuckBar, luck_bar, noise_variance
from sharpen.overfit.pbo import Pbo, pbo
from sharpen.overfit.search_null import SearchNull, search_p_value, share_interval
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
from sharpen.overfit.verdict import judge

__all__ = [
    "Check",
    "Evidence",
    "Interval",
    "Judgement",
    "LuckBar",
    "Moments",
    "Pbo",
    "RelatedSweep",
    "SearchNull",
    "autocorrelation_factor",
    "deflated_sharpe",
    "expected_max_sharpe",
    "judge",
    "luck_bar",
    "min_backtest_length",
    "min_track_record_length",
    "moments",
    "noise_variance",
    "optimal_block_length",
    "pbo",
    "probabilistic_sharpe",
    "probability_above",
    "search_p_value",
    "share_interval",
    "sharpe_interval",
    "stationary_blocks",
]
