"""The same figures on the terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sharpen.facts import BASELINE
from sharpen.report.formatting import decimals_for, fixed, label, setting, span
from sharpen.report.model import Analysis, Entry, Estimate
from sharpen.report.tradeoff import front_table
from sharpen.trial import FAILURES, TrialState

STYLES = {"luck": "bold yellow", "beta": "bold magenta", "real": "bold green", "none": "bold"}
OUTCOMES = {
    "passed": ("✓", "green"),
    "failed": ("✕", "yellow"),
    "caution": ("!", "yellow"),
    "not tested": ("–", "dim"),
}


def leaderboard(analysis: Analysis, n: int = 10) -> Group:
    """Return the best runs as a table: the score beside buy-and-hold, and the spread over the folds.

    Args:
        analysis: Whose runs.
        n: How many to show at most.
    """
    metric = analysis.spec.metric.name
    shown = analysis.ranked[:n]
    decimals = decimals_for(e.run.score for e in shown)
    has_seeds = analysis.spec.repeats > 1
    has_baseline = any(BASELINE in e.metrics for e in shown)
    has_sharpe = any(e.sharpe is not None for e in shown)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", justify="right")
    table.add_column(metric, justify="right")
    if has_seeds:
        table.add_column("over seeds", justify="right")
    if has_baseline:
        table.add_column("buy-and-hold", justify="right")
    if has_sharpe:
        table.add_column("Sharpe, all bars", justify="right")
        table.add_column("95% interval", justify="right")
        table.add_column("buy-and-hold, all bars", justify="right")
    table.add_column("steps", justify="right")
    table.add_column("state")
    for entry in shown:
        cells = [str(entry.number), fixed(entry.run.score, decimals)]
        cells += [_over_seeds(entry, decimals)] if has_seeds else []
        cells += [fixed(entry.metrics.get(BASELINE))] if has_baseline else []
        cells += _estimates(entry) if has_sharpe else []
        is_best = analysis.best is not None and entry.number == analysis.best.number
        style = "bold" if is_best else "dim" if entry.state is TrialState.STOPPED else ""
        cells += [str(len(entry.steps)), entry.state]
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return _with_rest(table, analysis, len(shown))


def front(analysis: Analysis, n: int = 10) -> Group:
    """Return the front as a table: every metric, and the parameters in which its runs differ.

    Args:
        analysis: Whose front.
        n: How many runs to show at most.
    """
    shown = front_table(analysis, n)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("front", justify="right")
    for name in (*(metric.name for metric in shown.metrics), *shown.parameters):
        table.add_column(Text(name), justify="right", overflow="fold")
    for row in shown.rows:
        table.add_row(*(Text(cell) for cell in (str(row.entry.number), *row.metrics, *row.settings)))
    return _with_rest(table, analysis, len(shown.rows))


def configuration(analysis: Analysis) -> Table:
    """Return the best run's parameters as a table; without rows when there is no best run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("parameter")
    table.add_column("value", justify="right")
    if analysis.best is not None:
        for name, value in analysis.best.run.config.items():
            table.add_row(Text(name), Text(setting(value)))
    return table


def verdict(analysis: Analysis) -> list[Text]:
    """Return the verdict, its checks, tests on permuted bars and the cautions, a line each."""
    judgement = analysis.judgement
    style = STYLES["luck" if analysis.doubts else judgement.kind]
    kind_label = label(judgement.kind, bool(analysis.doubts))
    lines = [Text(""), Text(f"{kind_label}.", style=style), Text(judgement.sentence)]
    lines += [Text(analysis.selection)] if analysis.selection else []
    for check in judgement.checks:
        sign, color = OUTCOMES[check.outcome]
        lines.append(Text(f"  {sign} {check.name} {check.figure}, {check.threshold}", style=color))
    if analysis.search is not None:
        lines.append(Text(f"  Whole search on permuted bars: {analysis.search.summary}."))
    for number, test in analysis.permutations:
        lines.append(Text(f"  Run {number} on permuted bars (seed {test.seed}): {test.sentence}"))
    lines += [Text(f"{c.topic}: {c.sentence}", style="yellow") for c in analysis.cautions]
    return lines


def _over_seeds(entry: Entry, decimals: int | None) -> str:
    return f"{fixed(entry.seeds[0], decimals)} to {fixed(entry.seeds[-1], decimals)}" if entry.seeds else "–"


def _estimates(entry: Entry) -> list[str]:
    return [*_pair(entry.sharpe), "–" if entry.baseline is None else fixed(entry.baseline.value)]


def _pair(estimate: Estimate | None) -> list[str]:
    return ["–", "–"] if estimate is None else [fixed(estimate.value), span(estimate.interval)]


def _with_rest(table: Table, analysis: Analysis, n_shown: int) -> Group:
    """Return a table with a line below it on the runs that it does not show."""
    remainder = _rest(analysis, n_shown)
    lines = [Text(remainder, style="dim italic")] if remainder else []
    return Group(*([table] if n_shown else []), *lines)


def _rest(analysis: Analysis, n_shown: int) -> str:
    counts = [
        (len(analysis.ranked) - n_shown, "more"),
        (len(analysis.broken), "broke a constraint"),
        (len(analysis.infeasible), "infeasible"),
        (len(analysis.unranked), "ended"),
        *((sum(e.state is state for e in analysis.failed), state) for state in FAILURES),
        (len(analysis.canceled), "canceled"),
        (len(analysis.unfinished), "not over yet"),
    ]
    remainder = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    return f"and {remainder}" if remainder and n_shown else remainder or ("" if n_shown else "no runs")
