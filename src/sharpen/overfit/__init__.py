"""Is the winner real, or the luckiest of N? Statistics of selection, and the verdict drawn from them."""

from sharpen.overfit.bootstrap import Interval, sharpe_interval, stationary_blocks
from sharpen.overfit.comparison import Comparison, are_comparable, compare
from sharpen.overfit.dependence import (
    annual_factor,
    autocorrelation_factor,
    dependent_sharpe,
    optimal_block_length,
)
from sharpen.overfit.evidence import Evidence, RelatedSweep
from sharpen.overfit.judgement import Check, Judgement
from sharpen.overfit.luck_bar import LuckBar, luck_bar, noise_variance
from sharpen.overfit.neighbourhood import Neighbourhood, neighbourhood
from sharpen.overfit.paired import PairedTest, holm, paired_test
from sharpen.overfit.pbo import Pbo, pbo, pbo_range
from sharpen.overfit.policy_verdict import judge_policy
from sharpen.overfit.reality_check import long_run_variance, reality_check
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
from sharpen.overfit.verdict_text import CONFIDENCE, MAX_P_VALUE, say_probability

__all__ = [
    "CONFIDENCE",
    "MAX_P_VALUE",
    "Check",
    "Comparison",
    "Evidence",
    "Interval",
    "Judgement",
    "LuckBar",
    "Moments",
    "Neighbourhood",
    "PairedTest",
    "Pbo",
    "RelatedSweep",
    "SearchNull",
    "annual_factor",
    "are_comparable",
    "autocorrelation_factor",
    "compare",
    "deflated_sharpe",
    "dependent_sharpe",
    "expected_max_sharpe",
    "holm",
    "judge",
    "judge_policy",
    "long_run_variance",
    "luck_bar",
    "min_backtest_length",
    "min_track_record_length",
    "moments",
    "neighbourhood",
    "noise_variance",
    "optimal_block_length",
    "paired_test",
    "pbo",
    "pbo_range",
    "probabilistic_sharpe",
    "probability_above",
    "reality_check",
    "say_probability",
    "search_p_value",
    "share_interval",
    "sharpe_interval",
    "stationary_blocks",
]
