"""A program of functions whose configurations learn side by side: alone, as a population, on the lockbox."""

import runpy
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sharpen import tracking
from sharpen.population_program import PopulationRule, run_population_program
from sharpen.tracking.run import RunInputs
from sharpen.walk_forward import Rule, run_program
from worlds import make_world

OPTIONS = {"sign": 1.0, "min_trades": 0}


def decide(panel, config, model):
    """Hold what has risen, or fallen; the model says how much of it."""
    steps = np.diff(panel.close, axis=0, prepend=panel.close[:1])
    return np.where(config["sign"] * steps > 0, model, 0.0)


def fit(panel, configs, rngs):
    """Draw how much to hold."""
    return [rng.uniform(0.2, 0.8) for rng in rngs]


class Recorder:
    """A sink that remembers, and that ends the run after a number of reports."""

    def __init__(self, stop_after=99):
        self.stop_after, self.log, self.summary, self.returns = stop_after, [], {}, None

    def report(self, step, metrics):
        self.log.append((step, dict(metrics)))
        return "worse than its bracket" if len(self.log) >= self.stop_after else ""

    def leads(self):
        return True

    def summarize(self, values):
        self.summary.update(values)

    def artifact(self, path, name, type, metadata):
        self.returns = pl.read_parquet(path)

    def end(self):
        """Nothing is held."""

    close = end


@pytest.fixture
def data(tmp_path):
    panel = make_world(5, n_bars=500)
    columns = ("open", "high", "low", "close", "volume")
    pl.concat(
        pl.DataFrame(
            {"time": b.time, "symbol": [b.symbol] * len(b), **{name: getattr(b, name) for name in columns}}
        )
        for b in panel.instruments()
    ).write_parquet(tmp_path / "bars.parquet")
    return str(tmp_path / "bars.parquet")


@pytest.fixture
def run(monkeypatch, data):
    """Return a function that runs a program in this process as a sweep would, with a run for each config."""

    def all_of(rule, configs=({},), stage="search", stops=(99,) * 9, words=()):
        recorders = [Recorder(stop) for _, stop in zip(configs, stops, strict=False)]
        given = RunInputs(is_member=len(configs) > 1, permutation_seed=7 if stage == "permuted" else None)

        def made(config):
            pairs = zip(recorders, configs, strict=True)
            return [tracking.Run(r, {**config, **c}, 3, stage, in_sweep=True, given=given) for r, c in pairs]

        monkeypatch.setattr(tracking, "init_all", made)
        monkeypatch.setattr(tracking, "init", lambda config: made(config)[0])
        monkeypatch.setattr(sys, "argv", ["mine.py"])
        program = run_program if isinstance(rule, Rule) else run_population_program
        code = None
        with suppress(tracking.Stopped):
            code = program(rule, ["--data", data, "--n_folds", "3", *words])
        return code, recorders

    return all_of


RULE = PopulationRule(decide, fit, options=OPTIONS, warmup_bars=1)


@pytest.mark.parametrize("stage", ["search", "lockbox", "permuted"])
def test_one_run_earns_what_the_rule_of_one_run_does(run, stage):
    one = Rule(decide, lambda panel, config, rng: fit(panel, [config], [rng])[0], OPTIONS, warmup_bars=1)
    (_, (ours,)), (_, (theirs,)) = run(RULE, stage=stage), run(one, stage=stage)
    assert ours.log == theirs.log
    assert ours.returns.equals(theirs.returns)
    for name in ("data/hash", "lockbox/hash", "versions", "infeasible"):
        assert ours.summary[name] == theirs.summary[name]


def test_runs_side_by_side_earn_what_each_earns_alone(run):
    configs, seen = ({}, {"sign": -1.0}, {"cost_bps": 50.0}), []

    def fit_all(panel, configs, rngs):
        seen.append(len(configs))
        return fit(panel, configs, rngs)

    _, together = run(PopulationRule(decide, fit_all, options=OPTIONS, warmup_bars=1), configs)
    assert seen == [3, 3, 3]  # a fold each
    for config, one in zip(configs, together, strict=True):
        assert one.log == run(RULE, (config,))[1][0].log


def test_all_folds_may_train_together(run):
    assert run(RULE, words=("--folds_at_once", "true"))[1][0].log == run(RULE)[1][0].log


def test_a_training_that_broke_down_is_infeasible_and_the_others_go_on(run):
    def breaks(panel, configs, rngs):
        return [None if config["sign"] < 0 else 0.5 for config in configs]

    code, (good, bad) = run(
        PopulationRule(decide, breaks, options=OPTIONS, warmup_bars=1), ({}, {"sign": -1.0})
    )
    assert code == 0
    assert bad.summary["infeasible"] == "fold 1: fit returned no model"
    assert [step for step, _ in bad.log] == [1]
    assert [step for step, _ in good.log] == [1, 2, 3]


def test_a_run_that_is_stopped_keeps_its_returns_and_the_others_go_on(run):
    _, (first, second) = run(RULE, ({}, {"sign": -1.0}), stops=(1, 99))
    assert first.returns["fold"].unique().to_list() == [1]
    assert second.returns["fold"].unique().to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    ("rule", "config", "sentence"),
    [
        (RULE, {"sing": 2.0}, "mine: no such option: sing; did you mean 'sign'"),
        (
            PopulationRule(decide, lambda panel, configs, rngs: [], OPTIONS, 1),
            {},
            "fit returned 0 models for 1 configurations",
        ),
        (
            PopulationRule(
                lambda p, c, m: np.where(p.close > p.close.mean(axis=0), 1.0, 0.0), fit, OPTIONS, 1
            ),
            {},
            "the rule looks ahead",
        ),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(run, capsys, rule, config, sentence):
    assert run(rule, (config,))[0] == 2
    assert sentence in capsys.readouterr().err


def test_alone_it_prints_a_line_a_fold(data, capsys, monkeypatch):
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    assert run_population_program(RULE, ["--data", data, "--n_folds", "2"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("artifact")]
    assert [line.split(":")[0] for line in lines[1:3]] == ["fold 1", "fold 2"]
    assert "validation Sharpe" in lines[3]


def test_the_example_learns_side_by_side_what_each_learns_alone(run):
    example = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "direct_reinforcement.py"))
    options = {"learning_rate": 1000.0, "weight_decay": 1e-4, "min_trades": 0}
    rule = PopulationRule(example["decide"], example["fit"], options, example["N_LAGS"])
    configs = ({}, {"learning_rate": 10.0}, {"weight_decay": 0.1})
    code, together = run(rule, configs)
    assert code == 0
    scores = [one.log[-1][1]["val/sharpe"] for one in together]
    assert len(set(scores)) == 3
    for config, score in zip(configs, scores, strict=True):
        assert run(rule, (config,))[1][0].log[-1][1]["val/sharpe"] == pytest.approx(score)
