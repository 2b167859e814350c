"""The same seed gives the same sweep; with several agents, the same configuration gives the same result."""

import json
import math
from pathlib import Path

import pytest

from faults.bench import HYPERBAND, Bench
from faults.judge import assert_sound
from faults.programs.toy import N_STEPS, value

SCRIPTS = Path(__file__).parents[2] / "scripts"
REPORT_KEYS = ("step", "metrics", "has_metric", "value")

CLASSIFIER = """
parameters:
  max_depth: {values: [2, 3]}
  learning_rate: {distribution: log_uniform_values, min: 0.02, max: 0.3}
  tp_atr_mult: {distribution: uniform, min: 1.0, max: 3.0}
  n_estimators: {value: 15}
  n_folds: {value: 3}
"""


def sweep(folder, n_agents, seed=7, program=None, **file):
    """Run a sweep in a store of its own and return everything in it that a repetition must give again."""
    options = {} if program is None else {"program": program}
    with Bench(folder, TOY_STEP_S="0", **options) as bench:
        created = bench.call("sweep", bench.write_sweep(**file), "--seed", str(seed))
        sweep_id = created.stdout.strip()
        agents = [bench.start("agent", sweep_id) for _ in range(n_agents)]
        assert [agent.wait(100) for agent in agents] == [0] * n_agents, bench.said()
        bench.assert_nothing_left()
        if program is None:
            assert_sound(bench, file["run_cap"], seed)
        return story(bench)


def story(bench):
    """Return the runs in the order in which they ended, each with its configuration, reports and files."""
    reader = bench.reader()
    ended = sorted(bench.runs(), key=lambda run: (run.ended_at, run.number))
    return [
        {
            "number": run.number,
            "config": run.config,
            "state": run.state,
            "score": run.score,
            "reason": run.reason,
            "origin": run.origin,
            "summary": {k: v for k, v in run.summary.items() if not k.startswith("seconds/")},
            "reports": [
                [repr(getattr(report, key)) for key in REPORT_KEYS]
                for report in reader.reports(run_id=run.id)
            ],
            "artifacts": [(file.name, file.type, file.digest) for file in reader.artifacts(run_id=run.id)],
        }
        for run in ended
    ]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_one_agent_repeats_a_sweep_to_the_letter(tmp_path, method):
    file = {"run_cap": 14, "method": method, "more": HYPERBAND}
    first = sweep(tmp_path / "a", n_agents=1, **file)
    again = sweep(tmp_path / "b", n_agents=1, **file)
    assert first == again
    assert [run["number"] for run in first] == list(range(1, 15))
    assert {run["state"] for run in first} == {"finished", "stopped"}


def test_another_seed_gives_another_sweep(tmp_path):
    first = sweep(tmp_path / "a", n_agents=1, run_cap=3, seed=7)
    other = sweep(tmp_path / "b", n_agents=1, run_cap=3, seed=8)
    assert not {json.dumps(run["config"]) for run in first} & {json.dumps(run["config"]) for run in other}


def test_with_three_agents_a_result_depends_on_the_configuration_and_the_seed_alone(tmp_path):
    """Random search proposes by number alone, so that even the configurations are the same."""
    file = {"run_cap": 12}
    one = by_number(sweep(tmp_path / "one", n_agents=1, **file))
    three = by_number(sweep(tmp_path / "three", n_agents=3, **file))
    assert one == three
    for run in three.values():
        assert run["score"] == value(run["config"], 7, N_STEPS)


def kept_models(runs):
    """Yield the number and the model of each run that kept one, and take the model from its story."""
    for number, run in runs.items():
        for file in [file for file in run["artifacts"] if file[1] == "model"]:
            run["artifacts"].remove(file)
            yield number, file


@pytest.mark.slow
def test_the_classifier_repeats_to_the_letter(tmp_path):
    """Scores, returns and models, on real bars; and three agents find what one did."""
    more = "early_terminate: {type: hyperband, min_iter: 1, eta: 2}\n"
    file = {"run_cap": 3, "space": CLASSIFIER, "program": SCRIPTS / "train_classifier.py"}
    metric = "metric: {name: val/sharpe, goal: maximize}\n"
    first = sweep(tmp_path / "a", 1, more=more, metric=metric, **file)
    again = sweep(tmp_path / "b", 1, more=more, metric=metric, **file)
    assert first == again
    one = by_number(sweep(tmp_path / "c", 1, metric=metric, **file))
    three = by_number(sweep(tmp_path / "d", 3, metric=metric, **file))
    models = [dict(kept_models(story)) for story in (one, three)]  # who leads depends on who ends first
    assert one == three
    assert all(models)
    assert all(models[0][number] == models[1][number] for number in models[0].keys() & models[1].keys())
    scores = [run["score"] for run in one.values() if run["score"] is not None]
    assert scores
    assert all(map(math.isfinite, scores))


def by_number(runs):
    return {run["number"]: run for run in runs}
