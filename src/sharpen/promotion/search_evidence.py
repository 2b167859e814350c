"""What the search and the lockbox say of a version now: what was tried since it was registered counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharpen.gates import Value
from sharpen.report import Analysis
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.views.lockbox import of_result, used_by


def search_evidence(analysis: Analysis, run: RunRow) -> dict[str, Value]:
    """Return what the search says of a run; nothing when the run is not its winner.

    A verdict is on the winner of everything that was tried, so no other run has one.

    Args:
        analysis: Of the run's sweep.
        run: The one that made the version.
    """
    if not is_winner(analysis, run) or analysis.best is None:
        return {}
    judgement, search = analysis.judgement, analysis.search
    values: dict[str, Value] = {"folds_positive": _share_above_zero(analysis)}
    if judgement.kind != "none":
        is_doubted = judgement.kind == "real" and bool(analysis.doubts)
        values["verdict"] = "in doubt" if is_doubted else judgement.kind
    if judgement.kind != "none" and not judgement.baselines:  # a policy has no Sharpe ratio
        values |= {"deflated_sharpe": judgement.dsr, "pbo": judgement.pbo}
    if search is not None and search.is_enough and search.null is not None:
        values["search_p"] = search.null.p_value
    return values


def is_winner(analysis: Analysis, run: RunRow) -> bool:
    """Return whether a run is the winner of its sweep, or one of the runs of the winner's configuration."""
    best = analysis.best
    return best is not None and best.number in (run.number, run.repeat_of)


def _share_above_zero(analysis: Analysis) -> float | None:
    """Return the share of the winner's folds with a score above 0; None where less is better."""
    steps = list(analysis.best.steps.values()) if analysis.best else []
    if not steps or analysis.spec.metric.goal != "maximize":
        return None
    return sum(value > 0 for value in steps) / len(steps)


def lockbox_evidence(reader: Reader, analysis: Analysis, run: RunRow) -> dict[str, Value]:
    """Return how often the lockbox was opened, by whatever sweep, and what it showed of a run.

    Bars that a sweep has trained or chosen on are no lockbox: then there is no figure.
    """
    shown = [look.row for look in analysis.looks if look.row.has_shown]
    n_openings = len(shown) + sum(row.has_shown for row in analysis.looks_elsewhere)
    values: dict[str, Value] = {"lockbox_openings": n_openings} if n_openings else {}
    own = [row.result for row in shown if row.run_id == run.id and row.result]
    if own and not of_result(own[0]) and not used_by(reader, run):
        values["lockbox_sharpe_low"] = _low(own[0])
    return values


def _low(result: Mapping[str, Any]) -> float | None:
    """Return the lower end of the interval of the first look, which is the only one that was blind."""
    interval = result.get("chosen", {}).get("interval")
    return None if not interval else float(interval[0])


def figures(analysis: Analysis, run: RunRow) -> dict[str, Any]:
    """Return what is known of a run when it is registered, for people: verdict, metrics, intervals."""
    entry = next((one for one in analysis.ranked if one.number in (run.number, run.repeat_of)), None)
    values: dict[str, Any] = {"score": run.score, "metric": analysis.spec.metric.name}
    if entry is not None and entry.sharpe is not None:
        interval = entry.sharpe.interval
        values |= {"sharpe": entry.sharpe.value, "sharpe_interval": [interval.low, interval.high]}
    if entry is not None and entry.baseline is not None:
        values["baseline_sharpe"] = entry.baseline.value
    if is_winner(analysis, run):
        judgement = analysis.judgement
        values |= {"verdict": judgement.kind, "headline": judgement.headline, "n_tried": judgement.n_trials}
        values |= {"deflated_sharpe": judgement.dsr, "pbo": judgement.pbo}
    return values
