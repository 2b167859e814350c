"""What the whole product says of worlds whose truth is known."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import kstest

from sharpen import metrics
from sharpen.folds import WalkForward, lockbox_start, split
from sharpen.objectives.boosted.scoring import label, prepare, score
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.objectives.progress import progress
from sharpen.optimizers.tpe import Tpe
from sharpen.overfit import Evidence, judge
from sharpen.permutation import PermutationTest, permuted
from sharpen.seeds import rng_for
from sharpen.space import Float, Int, Space
from sharpen.trial import Trial, TrialState, best
from worlds import make_world

PROGRAM = Path(__file__).resolve().parents[1] / "scripts" / "train_classifier.py"
SWEEP = """
name: planted
program: {program}
method: bayes
metric: {{name: val/sharpe, goal: maximize}}
parameters:
  data: {{value: {data}}}
  max_depth: {{min: 2, max: 4}}
  learning_rate: {{distribution: log_uniform_values, min: 0.03, max: 0.3}}
  n_estimators: {{value: 60}}
  horizon_bars: {{min: 5, max: 12}}
  tp_atr_mult: {{min: 1.5, max: 2.5}}
"""
SPACE = Space(
    {"max_depth": Int(2, 4), "learning_rate": Float(0.03, 0.3, log=True), "horizon_bars": Int(3, 12)}
)
N_WORLDS = 20
N_TRIALS = 12
MIN_TRADES = 2  # few enough that every world has a winner to judge
NOISE = """
name: noise
program: {program}
method: bayes
metric: {{name: val/sharpe, goal: maximize}}
parameters:
  data: {{value: {data}}}
  n_estimators: {{value: 30}}
  min_trades: {{value: 2}}
  max_depth: {{min: 2, max: 4}}
  learning_rate: {{distribution: log_uniform_values, min: 0.03, max: 0.3}}
  horizon_bars: {{min: 3, max: 12}}
"""


def write_bars(panel, path):
    n_bars, n_symbols = panel.close.shape
    names = ("open", "high", "low", "close", "volume")
    columns = {name: getattr(panel, name).ravel(order="F") for name in names}
    symbols = np.repeat(panel.symbols, n_bars)
    pl.DataFrame({"time": np.tile(panel.time, n_symbols), "symbol": symbols, **columns}).write_parquet(path)


def sharpen(home, *words):
    command = [sys.executable, "-m", "sharpen", "--home", str(home), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=True, cwd=home.parent)


@pytest.mark.slow
def test_a_sweep_finds_a_planted_edge_and_the_lockbox_confirms_it(tmp_path):
    write_bars(make_world(seed=1, edge=0.012), tmp_path / "bars.parquet")
    text = SWEEP.format(program=PROGRAM, data=tmp_path / "bars.parquet")
    (tmp_path / "sweep.yaml").write_text(text)
    home = tmp_path / "store"
    ended = sharpen(home, "run", "sweep.yaml", "--agents", "2", "--trials", "8")
    assert "not distinguishable from luck" not in ended.stdout
    winner = json.loads(sharpen(home, "best", "last", "--json").stdout)
    look = json.loads(sharpen(home, "validate", winner["run"], "--json").stdout)
    low, high = look["chosen"]["interval"]
    assert 0 < low < look["chosen"]["sharpe"] < high


@pytest.mark.slow
def test_permuted_bars_take_a_planted_edge_away(tmp_path):
    write_bars(make_world(seed=1, edge=0.012), tmp_path / "bars.parquet")
    (tmp_path / "sweep.yaml").write_text(SWEEP.format(program=PROGRAM, data=tmp_path / "bars.parquet"))
    home = tmp_path / "store"
    sharpen(home, "run", "sweep.yaml", "--agents", "2", "--trials", "4")
    winner = json.loads(sharpen(home, "best", "last", "--json").stdout)
    said = json.loads(sharpen(home, "permute", winner["run"], "-n", "19", "--json").stdout)
    assert (said["p"], said["p_excess"]) == (0.05, 0.05)
    assert said["score"] == winner["score"]


def permuted_p(seed, n=19):
    """Return the p-values of one configuration, and of its excess, in a world where nothing can be known."""
    panel = make_world(seed, n_bars=500, n_symbols=2)
    settings = ClassifierSettings.of({"n_estimators": 15, "max_depth": 3, "threshold": 0.02})
    histories = [panel, *(permuted(panel, rng_for(seed, "null", k)) for k in range(n))]
    found = [walk_forward(settings, prepare(history), seed).metrics for history in histories]
    scores, holding = (tuple(f[name] for f in found) for name in ("val/sharpe", "baseline/sharpe"))
    test = PermutationTest("val/sharpe", True, scores[0], scores[1:], seed, holding[0], holding[1:])
    return test.own.p, test.excess.p


def walk_forward(settings, prepared, seed):
    folds = split(len(prepared.panel), WalkForward(n_folds=4), first_bar=prepared.features.warmup_bars)
    examples = label(settings, prepared)
    return progress([score(settings, examples, fold, seed) for fold in folds], MIN_TRADES)


@pytest.mark.slow
def test_on_noise_p_values_of_permuted_bars_are_uniform():
    for found in zip(*map(permuted_p, range(40)), strict=True):
        jittered = np.array(found) - rng_for(0, "ties").random(40) / 20  # from 20 values to the unit interval
        assert kstest(jittered, "uniform").pvalue > 0.01
        assert sum(p <= 0.05 for p in found) <= 6  # of 40 by chance: 999 times in a thousand


def noise_verdict(seed):
    """Return the verdict on a small sweep of a world where nothing can be known."""
    panel = make_world(seed, n_bars=700, n_symbols=2)
    development = panel.slice(0, lockbox_start(len(panel)))
    prepared = prepare(development)
    folds = split(len(development), WalkForward(n_folds=4), first_bar=prepared.features.warmup_bars)
    search = Tpe(n_startup_trials=4)
    trials, returns = [], {}
    for number in range(1, N_TRIALS + 1):
        config = search.ask(SPACE, trials, 1, rng_for(seed, "ask", number))[0].config
        settings = ClassifierSettings.of({"n_estimators": 15, "threshold": 0.02, **config})
        examples = label(settings, prepared)
        scores = [score(settings, examples, fold, seed) for fold in folds]
        value = progress(scores, min_trades=MIN_TRADES).metrics["val/sharpe"]
        value = value if math.isfinite(value) else None
        trials.append(Trial(number, config, TrialState.FINISHED, score=value))
        returns[number] = np.concatenate([fold.returns for fold in scores])
    baseline = np.concatenate([fold.baseline for fold in scores])
    winner = best(trials)
    return judge(
        Evidence(
            best_returns=returns[winner.number] if winner else np.zeros(0),
            baseline_returns=baseline,
            trial_sharpes=np.array([metrics.sharpe(r, 1.0) for r in returns.values()]),
            finished_returns=np.column_stack([returns[t.number] for t in trials if t.score is not None]),
            bars_per_year=252.0,
            seed=seed,
        )
    )


@pytest.mark.slow
def test_noise_is_called_luck():
    said = [noise_verdict(seed) for seed in range(N_WORLDS)]
    others = [j.sentence for j in said if "not distinguishable from luck" not in j.headline]
    assert len(others) <= 1, others


@pytest.mark.slow
def test_a_sweep_of_noise_says_luck_on_the_terminal(tmp_path):
    write_bars(make_world(seed=2, n_bars=700, n_symbols=2), tmp_path / "bars.parquet")
    text = NOISE.format(program=PROGRAM, data=tmp_path / "bars.parquet")
    (tmp_path / "sweep.yaml").write_text(text)
    ended = sharpen(tmp_path / "store", "run", "sweep.yaml", "--agents", "2", "--trials", "8")
    assert "not distinguishable from luck" in ended.stdout
