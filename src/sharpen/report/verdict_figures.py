"""A verdict and everything behind it as JSON can hold it: what ``sharpen report --json`` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sharpen.jsonable import null_for_nan
from sharpen.overfit import Interval, Judgement
from sharpen.report.formatting import label
from sharpen.report.model import Analysis


def verdict_figures(analysis: Analysis) -> dict[str, Any]:
    """Return the verdict, its checks, the figures of the winner and the cautions; null for what is not known.

    Args:
        analysis: Of a sweep in whatever state.
    """
    judgement, best = analysis.judgement, analysis.best
    verdict: dict[str, Any] = {
        "sweep": analysis.sweep.id,
        "verdict": judgement.kind,
        "label": label(judgement.kind, bool(analysis.doubts)),
        "headline": judgement.headline,
        "details": judgement.details,
        "best": best and {"run": best.run.id, "score": best.run.score, "config": dict(best.run.config)},
    }
    verdict |= _figures(judgement)
    verdict["baselines"] = [asdict(one) for one in judgement.baselines]
    verdict["checks"] = [asdict(check) for check in judgement.checks]
    verdict["related_sweeps"] = [asdict(sweep) for sweep in judgement.related]
    verdict["performance"] = analysis.performance and {
        name: asdict(one) for name, one in zip(("best", "buy_and_hold"), analysis.performance, strict=True)
    }
    verdict["scrutiny"] = analysis.scrutiny and analysis.scrutiny.figures()
    verdict["permuted_search"] = analysis.search and analysis.search.figures()
    verdict["permuted_runs"] = {str(number): test.figures() for number, test in analysis.permutations}
    verdict["n_runs"], verdict["n_with_returns"] = analysis.n_runs, judgement.n_with_returns
    verdict["lockbox_looks"] = _n_looks(analysis)
    verdict["cautions"] = [asdict(caution) for caution in analysis.cautions]
    return null_for_nan(verdict)


def _figures(judgement: Judgement) -> dict[str, Any]:
    spread = judgement.pbo_range
    return {
        "first": judgement.dates[0] or None,
        "last": judgement.dates[1] or None,
        "n_bars": judgement.n_bars,
        "n_tried": judgement.n_trials,
        "n_effective": judgement.n_effective,
        "n_tried_on_other_instruments": judgement.n_elsewhere,
        "deflated_sharpe_over_all_instruments": judgement.dsr_elsewhere,
        "sharpe": judgement.sharpe,
        "sharpe_interval": _ends(judgement.interval),
        "buy_and_hold_sharpe": judgement.baseline_sharpe,
        "luck_bar": judgement.luck_sharpe,
        "luck_bar_rests_on": judgement.luck_basis,
        "deflated_sharpe": judgement.dsr,
        "deflated_sharpe_of_excess": judgement.dsr_excess,
        "reality_check_p": judgement.reality_check,
        "reality_check_of_excess_p": judgement.reality_check_excess,
        "probability_of_overfitting": judgement.pbo,
        "probability_of_overfitting_range": spread and list(spread),
        "bars_needed": judgement.min_track_record_bars,
        "autocorrelation_factor": judgement.autocorrelation_factor,
    }


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _n_looks(analysis: Analysis) -> int:
    rows = (*(look.row for look in analysis.looks), *analysis.looks_elsewhere)
    return sum(row.has_shown for row in rows)
