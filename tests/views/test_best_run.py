"""Which run is the best one: every place of the house that names it gives the same answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sharpen import spec
from sharpen.agents.finalists import top_runs
from sharpen.errors import SharpenError
from sharpen.registry.best_version import best_version
from sharpen.report.analysis import analyse
from sharpen.store import schema
from sharpen.store.configurations import configurations, winner
from sharpen.store.queries import Reader
from sharpen.store.sqlite import open_writer
from sharpen.trial import Trial, TrialState, best
from sharpen.views.aggregates import best_so_far
from sharpen.views.run_lines import best_line, best_points, run_lines
from sharpen.views.snapshot import Snapshot

MOST = """
program: t.py
method: random
metric: {name: m, goal: maximize}
parameters: {x: {min: 0.0, max: 9.0}}
"""
LEAST = MOST.replace("maximize", "minimize")
SWEEP = {"id": "some", "key": "some", "name": "some", "status": "running", "source": "s.yaml", "workdir": "/"}
SWEEP |= {"seed": 3, "run_cap": None, "created_at": 1.0}


@dataclass(frozen=True)
class Ended:
    """A run of the sweep; it ends in the order of the numbers."""

    score: float | None
    state: str = "finished"
    violation: float = 0.0
    fidelity: float | None = None


CASES = {
    "the highest": (MOST, [Ended(1.0), Ended(3.0), Ended(2.0)], 2),
    "the lowest": (LEAST, [Ended(1.0), Ended(-3.0), Ended(2.0)], 2),
    "the earliest of equals": (MOST, [Ended(1.0), Ended(3.0), Ended(3.0)], 2),
    "zero and below": (MOST, [Ended(-2.0), Ended(0.0), Ended(-1.0)], 2),
    "none that broke a constraint": (MOST, [Ended(9.0, violation=0.1), Ended(1.0), Ended(2.0)], 3),
    "none that was stopped": (MOST, [Ended(9.0, "stopped"), Ended(1.0), Ended(2.0)], 3),
    "none without a score": (MOST, [Ended(None), Ended(1.0), Ended(None, "failed")], 2),
    "none of less fidelity": (MOST, [Ended(9.0, fidelity=1.0), Ended(1.0, fidelity=3.0)], 2),
    "none of less than the whole": (MOST, [Ended(9.0, fidelity=27.0), Ended(1.0), Ended(2.0)], 3),
    "the largest fidelity that counts": (
        MOST,
        [
            Ended(1.0, fidelity=3.0),
            Ended(2.0, fidelity=3.0),
            Ended(3.0, fidelity=9.0, violation=1.0),
            Ended(4.0, "stopped"),
        ],
        2,
    ),
    "none at all": (MOST, [Ended(9.0, "stopped"), Ended(1.0, violation=2.0), Ended(None)], None),
}


def store(home: Path, text: str, runs: list[Ended]) -> Reader:
    """Return a reader of a store with a sweep of such runs, each of which logged a version of ``clf``."""
    engine = open_writer(home)
    with engine.begin() as connection:
        connection.execute(schema.sweeps.insert(), SWEEP | {"spec": text})
        connection.execute(
            schema.collections.insert(), {"name": "clf", "type": "model", "created_at": 1.0, "note": ""}
        )
        for number, run in enumerate(runs, 1):
            row = {
                "id": f"some-{number}",
                "sweep_id": "some",
                "number": number,
                "state": run.state,
                "token": 1,
            }
            row |= {"config": json.dumps({"x": number}), "created_at": 1.0, "started_at": 1.0}
            row |= {"ended_at": 2.0 + number, "score": run.score}
            row |= {"violation": run.violation, "fidelity": run.fidelity}
            connection.execute(schema.runs.insert(), row)
            version = {"collection": "clf", "version": number, "digest": str(number), "files": "[]"}
            version |= {
                "record": "{}",
                "figures": "{}",
                "run_id": row["id"],
                "author": "a",
                "created_at": 1.0,
            }
            connection.execute(schema.versions.insert(), version)
    engine.dispose()
    return Reader(home)


def of_search(reader: Reader, metric: spec.Metric) -> int | None:
    trials = [
        Trial(
            row.number,
            row.config,
            TrialState(row.state),
            score=None if row.score is None else metric.larger_is_better(row.score),
            violation=row.violation,
            fidelity=row.fidelity,
        )
        for row in reader.runs("some")
    ]
    found = best(trials)
    return found and found.number


def of_configurations(reader: Reader, metric: spec.Metric) -> int | None:
    found = winner(configurations(reader.runs("some"), 1), metric)
    return found and found.row.number


def of_listing(reader: Reader, metric: spec.Metric) -> int | None:
    found = reader.best("some", metric)
    return found and found.number


def of_name(reader: Reader, metric: spec.Metric) -> int | None:
    return reader.run("some-best").number


def of_finalists(reader: Reader, metric: spec.Metric) -> int | None:
    return top_runs(reader, reader.sweep("some"), 1)[0].number


def of_registry(reader: Reader, metric: spec.Metric) -> int | None:
    found = best_version(reader, "clf")
    return found and found.version


def of_page(reader: Reader, metric: spec.Metric) -> int | None:
    found = best_line(metric, run_lines(reader, "some"))
    return found and found.number


def of_chart(reader: Reader, metric: spec.Metric) -> int | None:
    return number_of(reader, best_points(metric, run_lines(reader, "some"))[-1].best)


def of_curve(reader: Reader, metric: spec.Metric) -> int | None:
    score = best_so_far(metric, reader.runs("some"))[-1][1]
    return None if math.isnan(score) else number_of(reader, score)


def of_report(reader: Reader, metric: spec.Metric) -> int | None:
    found = analyse(reader, reader.sweep("some")).best
    return found and found.number


def of_history_of_report(reader: Reader, metric: spec.Metric) -> int | None:
    return number_of(reader, analyse(reader, reader.sweep("some")).history[-1].best)


def of_snapshot(reader: Reader, metric: spec.Metric) -> int | None:
    found = Snapshot.read(reader, "some").best
    return found and found.number


def of_best_alone(reader: Reader, metric: spec.Metric) -> int | None:
    found = Snapshot.of_best(reader, "some").best
    return found and found.number


def number_of(reader: Reader, score: float | None) -> int | None:
    """Return the first run of a score, for what tells no more than that."""
    return next((run.number for run in reader.runs("some") if score is not None and run.score == score), None)


Asked = Callable[[Reader, spec.Metric], int | None]


@pytest.mark.parametrize(
    "ask",
    [
        of_search,
        of_configurations,
        of_listing,
        of_name,
        of_finalists,
        of_registry,
        of_page,
        of_chart,
        of_curve,
        of_report,
        of_history_of_report,
        of_snapshot,
        of_best_alone,
    ],
)
def test_each_that_names_the_best_run_names_the_same(tmp_path: Path, ask: Asked) -> None:
    for at, (text, runs, number) in enumerate(CASES.values()):
        reader = store(tmp_path / str(at), text, runs)
        try:
            found = ask(reader, spec.parse(text).metric)
        except SharpenError:
            found = None
        assert found == number, list(CASES)[at]


def test_a_version_of_a_run_that_broke_a_constraint_is_never_the_best_one(tmp_path: Path) -> None:
    reader = store(tmp_path, MOST, [Ended(9.0, violation=0.1), Ended(1.0)])
    assert best_version(reader, "clf").version == 2


def test_the_best_version_of_repeats_is_of_the_best_mean(tmp_path: Path) -> None:
    text = MOST + "repeats: 2\n"
    reader = store(tmp_path, text, [Ended(9.0), Ended(5.0), Ended(-9.0), Ended(6.0)])
    engine = open_writer(tmp_path)
    r = schema.runs
    with engine.begin() as connection:
        for number, first in ((3, 1), (4, 2)):
            again = {"repeat": 1, "repeat_of": first, "config": json.dumps({"x": first})}
            connection.execute(r.update().where(r.c.number == number).values(**again))
    engine.dispose()
    assert best_version(reader, "clf").version == 2


def test_runs_of_several_metrics_have_no_best_version(tmp_path: Path) -> None:
    text = MOST.replace(
        "metric: {name: m, goal: maximize}", "metrics: [{name: m, goal: maximize}, {name: n}]"
    )
    assert best_version(store(tmp_path, text, [Ended(1.0)]), "clf") is None
