"""What must be true of a store once its sweep has ended, whatever happened to the processes."""

import json

from faults.programs.toy import N_STEPS, value


def assert_sound(bench, n_runs, seed):
    """Assert that every run is whole, counted once, and made by one attempt alone."""
    assert bench.is_intact()
    runs = bench.runs()
    assert [run.number for run in runs] == list(range(1, n_runs + 1))
    assert {run.state for run in runs} <= {"finished", "stopped"}
    reader = bench.reader()
    for run in runs:
        reports = reader.reports(run_id=run.id)
        steps = [report.step for report in reports]
        assert steps == list(range(1, len(steps) + 1)), run
        assert (len(steps) == N_STEPS) or run.state == "stopped"
        expected = [value(run.config, seed, step) for step in steps]
        assert [report.value for report in reports] == expected, run
        assert run.score == expected[-1]
    assert_acknowledged(bench)


def assert_acknowledged(bench):
    """Assert that every step of which a program was told "stored" is stored, with its value."""
    columns = "r.run_id, r.token, r.step, r.metrics, runs.config, sweeps.seed"
    joined = "reports r join runs on runs.id = r.run_id join sweeps on sweeps.id = runs.sweep_id"
    rows = bench.sql(f"select {columns} from {joined}")
    keys = [(run, token, step) for run, token, step, *_ in rows]
    assert len(keys) == len(set(keys))
    acknowledged = {(run, token, step) for run, token, step, _ in bench.acknowledged()}
    assert acknowledged, "no program was told anything"
    assert acknowledged <= set(keys)
    for *_, step, metrics, config, seed in rows:
        assert json.loads(metrics) == {"score": value(json.loads(config), seed, step)}
