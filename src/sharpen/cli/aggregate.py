"""The verbs that put runs and sweeps together: aggregate, compare."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sharpen import spec
from sharpen.cli.printing import json_option, print_rows
from sharpen.errors import UsageError
from sharpen.store.queries import Reader
from sharpen.views.aggregates import aggregates, at_budget, best_so_far, fold_metric_among

BUDGETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@click.command()
@click.argument("sweep")
@json_option
@click.pass_obj
def aggregate(home: Path, sweep: str, as_json: bool) -> None:
    """Print the mean, the standard deviation and the count of each configuration of SWEEP, the best first.

    Those that were stopped early come last: their values are of fewer folds.

    The values are those of single folds and seeds, where the runs log them; repeats of a configuration count
    together. A configuration at another budget is another row.

    \b
      sharpen aggregate last
    """
    reader = Reader(home)
    row = reader.sweep(sweep)
    read = spec.parse(row.spec, where=row.source)
    runs = reader.runs(row.id)
    logged = reader.tracked.last_of_all([run.id for run in runs])
    has_folds = fold_metric_among(read.metric, {name for last in logged.values() for name in last})
    reports = reader.reports(sweep_id=row.id) if has_folds else ()  # a run of a million steps has none
    aggregated = aggregates(read.metric, runs, reports)
    if as_json:
        print_rows([asdict(one) for one in aggregated], as_json, "")
        return
    has_budget = any(one.fidelity is not None for one in aggregated)
    rows: list[dict[str, Any]] = []
    for one in aggregated:
        figures = {"run": one.number, "mean": one.mean, "std": one.std, "count": one.count}
        budget = {"budget": one.fidelity} if has_budget else {}
        varying = {name: value for name, value in one.config.items() if name not in read.constants}
        halved = {"out of memory": one.less} if any(other.less for other in aggregated) else {}
        rows.append({**figures, **budget, **varying, **halved})
    print_rows(rows, as_json, f"no run of sweep {row.id} has ended")


@click.command()
@click.argument("sweeps", nargs=-1, required=True)
@json_option
@click.pass_obj
def compare(home: Path, sweeps: tuple[str, ...], as_json: bool) -> None:
    """Compare the search methods of several SWEEPS over one space: the best so far at equal budgets.

    A budget of 1 is one run at the largest fidelity; shorter runs cost their share. Sweeps of the same method
    are one row with their mean and range: a method is one sweep of chance without several of them.

    \b
      sharpen compare k3v9 m2x7 p5w1
    """
    reader = Reader(home)
    methods: dict[str, list[list[tuple[float, float]]]] = {}
    first: spec.Sweep | None = None
    sweep_ids: set[str] = set()
    for name in sweeps:
        row = reader.sweep(name)
        if row.id in sweep_ids:
            raise UsageError(f"sweep {row.id} is named twice: name each sweep once")
        sweep_ids.add(row.id)
        read = spec.parse(row.spec, where=row.source)
        first = first or read
        if read.space.dimensions != first.space.dimensions or read.metric != first.metric:
            raise UsageError(
                f"sweep {row.id} has another space or metric than {sweeps[0]}: they do not compare"
            )
        methods.setdefault(read.method, []).append(best_so_far(read.metric, reader.runs(row.id)))
    longest = max((curve[-1][0] for curves in methods.values() for curve in curves if curve), default=0.0)
    budgets = [budget for budget in BUDGETS if budget <= longest + 1e-9]
    rows = [_method_row(method, curves, budgets, as_json) for method, curves in methods.items()]
    print_rows(rows, as_json, "no run has ended")


def _method_row(
    method: str, curves: list[list[tuple[float, float]]], budgets: list[int], as_json: bool
) -> dict[str, Any]:
    row: dict[str, Any] = {"method": method, "sweeps": len(curves)}
    for budget in budgets:
        values = [at_budget(curve, budget) for curve in curves]
        values = [value for value in values if math.isfinite(value)]
        if as_json:
            row[str(budget)] = values
            continue
        mean = statistics.fmean(values) if values else math.nan
        spread = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
        row[f"after {budget}"] = f"{mean:.4g}{spread}"
    return row
