"""The training program: alone, in a sweep, and when the lockbox is opened."""

import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sharpen import tracking
from sharpen.bars import Panel
from sharpen.folds import lockbox_start
from sharpen.objectives.boosted import booster
from sharpen.objectives.boosted.booster import BOOSTERS
from sharpen.objectives.boosted.scoring import evaluate_lockbox
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.permutation import permuted
from sharpen.seeds import rng_for

SCRIPT = Path(__file__).parent.parent / "scripts" / "train_classifier.py"
QUICK = ("--n_estimators", "10", "--max_depth", "2", "--n_folds", "3", "--min_trades", "1")


def make_panel(n_bars=700):
    rng = rng_for(0, "panel")
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.012, (n_bars, 2)), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.005, close.shape))
    high, low = np.maximum(open_, close) * 1.004, np.minimum(open_, close) * 0.996
    days = np.busday_offset("2018-01-01", np.arange(n_bars), roll="forward").astype("datetime64[us]")
    return Panel(("XX", "YY"), days, open_, high, low, close, np.full(close.shape, 1e6))


def write(panel, path):
    """Write a panel as the long table that ``--data`` reads."""
    pl.concat(
        pl.DataFrame(
            {
                "time": bars.time,
                "symbol": [bars.symbol] * len(bars),
                **{name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")},
            }
        )
        for bars in panel.instruments()
    ).write_parquet(path)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(make_panel(), tmp_path_factory.mktemp("bars") / "bars.parquet")


def run_script(*arguments, **environment):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**{k: v for k, v in os.environ.items() if k != "SHARPEN_RUN"}, **environment},
    )


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("train_classifier", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Recorder:
    """A sink that remembers, and that ends the run after a number of reports."""

    def __init__(self, stop_after=99, leads=True):
        self.stop_after, self._leads = stop_after, leads
        self.log, self.summary, self.artifacts = [], {}, []

    def report(self, step, metrics):
        self.log.append((step, dict(metrics)))
        return "worse than its bracket" if len(self.log) >= self.stop_after else ""

    def leads(self):
        return self._leads

    def summarize(self, values):
        self.summary.update(values)

    def artifact(self, path, name, type, metadata):
        n_logged = len(self.log)
        rows = pl.read_parquet(path) if type == "returns" else None
        self.artifacts.append((name, type, n_logged, rows, dict(metadata)))

    def close(self):
        """Nothing is held."""


@pytest.fixture
def sweep(program, monkeypatch):
    """Return a function that runs the program in this process as a sweep would."""

    def run(*arguments, seed=0, stop_after=99, leads=True, **values):
        recorder = Recorder(stop_after, leads)

        def init(config):
            return tracking.Run(recorder, {**config, **values}, seed, "search", in_sweep=True)

        monkeypatch.setattr(tracking, "init", init)
        monkeypatch.setattr(booster, "lean_imports", nullcontext)
        with suppress(tracking.Stopped) if stop_after < 99 else nullcontext():
            assert program.main([*QUICK, *arguments]) == 0
        return recorder

    return run


def test_alone_it_prints_each_fold_and_a_closing_line(data):
    done = run_script("--data", data, *QUICK, "--max_depth", "5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("step")] == [
        ["step", str(k)] for k in (1, 2, 3)
    ]
    assert "buy-and-hold" in lines[-1]
    assert done.stderr == ""
    again = run_script("--data", data, *QUICK, "--max_depth", "5").stdout.splitlines()
    own = ("summary  seconds/", "artifact  returns=")  # times, and a folder of each run's own
    assert [x for x in again if not x.startswith(own)] == [x for x in lines if not x.startswith(own)]
    assert sum(x.startswith("artifact  returns=") for x in lines) == 1


def test_help_is_quick_to_say_and_names_every_setting():
    done = run_script("--help")
    assert done.returncode == 0
    for name in (*asdict(ClassifierSettings()), "data", "n_folds", "train_ratio", "window", "lockbox_share"):
        assert f"--{name} " in done.stdout
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", str(SCRIPT), "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert not {"numpy", "numba", "polars", "xgboost"} & {line.split()[-1] for line in loaded.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--max_depth", "deep"), "invalid int value"),
        (("--no_such_option", "1"), "unrecognized arguments"),
        (("--allow_short", "maybe"), "must be true or false"),
        (("--subsample", "1.5"), "subsample is 1.5, must be in (0, 1]"),
        (("--model", "svm"), "no model 'svm': choose from lightgbm, xgboost"),
        (("--data", "no_such_set"), "no data set 'no_such_set'"),
        (("--n_folds", "5000"), "cannot hold 5000 folds"),
        (("--min_trades", "nan"), "--min_trades is nan, give 0 or more"),
        (("--lockbox_share", "0.99"), "33 bars cannot hold 8 folds"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_wrong_words_exit_2_and_say_why(program, capsys, monkeypatch, arguments, words):
    monkeypatch.setattr(booster, "lean_imports", nullcontext)
    try:
        code = program.main(list(arguments))
    except SystemExit as exit_of_argparse:
        code = exit_of_argparse.code
    assert code == 2
    assert words in capsys.readouterr().err


def test_wrong_words_leave_no_traceback():
    done = run_script("--threshold", "-1")
    assert done.returncode == 2
    assert done.stderr == "train_classifier: threshold is -1.0, must be in [0, 1]\n"


def test_a_sweep_hears_of_each_fold_and_gets_the_returns_and_the_model(sweep, data):
    heard = sweep("--data", data)
    assert [step for step, _ in heard.log] == [1, 2, 3]
    wanted = {"train/sharpe", "val/sharpe", "val/sortino", "val/max_dd", "val/profit_factor", "val/n_trades"}
    wanted |= {"val/turnover"}
    wanted |= {f"fold/{name.replace('/', '_')}" for name in wanted}
    assert all(wanted <= set(metrics) for _, metrics in heard.log)
    model, returns = heard.artifacts
    assert (returns[:3], sorted(set(returns[3]["fold"]))) == (("returns", "returns", 3), [1, 2, 3])
    own = [metrics["fold/val_sharpe"] for _, metrics in heard.log]
    assert heard.log[-1][1]["val/sharpe"] == pytest.approx(sum(own) / 3)
    name, kind, _, _, facts = model
    assert (name, kind) == ("model", "model")
    assert facts["settings"]["n_estimators"] == 10
    assert facts["data_hash"] == heard.summary["data/hash"]
    assert facts["trained_through"] == str(make_panel().time[lockbox_start(700) - 1])
    assert heard.summary["infeasible"] is None
    assert heard.summary["data/name"] == data
    versions = heard.summary["versions"]
    assert {"python", "sharpen", "numpy", "numba", "polars", "TA-Lib", "optuna", "xgboost"} == set(versions)
    assert versions["python"] == platform.python_version()


def test_a_run_that_a_better_one_has_outdone_trains_no_model(sweep, data):
    heard = sweep("--data", data, leads=False)
    assert [name for name, *_ in heard.artifacts] == ["returns"]
    assert len(heard.log) == 3


def test_a_run_that_is_stopped_has_kept_the_returns_of_its_folds(sweep, data):
    heard = sweep("--data", data, stop_after=2)
    assert [step for step, _ in heard.log] == [1, 2]
    assert [name for name, *_ in heard.artifacts] == ["returns"]
    assert sorted(set(heard.artifacts[-1][3]["fold"])) == [1, 2]


def test_the_sweeps_values_and_seed_win(sweep, data):
    a, b, c = (
        sweep("--data", data, seed=1),
        sweep("--data", data, "--seed", "9", seed=1),
        sweep("--data", data, seed=2),
    )
    assert a.log == b.log
    assert a.log != c.log
    assert (
        sweep("--data", data, seed=1, max_depth=4).log
        == sweep("--data", data, "--max_depth", "4", seed=1).log
    )


@pytest.mark.parametrize("model", sorted(BOOSTERS))
def test_every_model_runs(sweep, data, model):
    heard = sweep("--data", data, "--model", model)
    assert len(heard.log) == 3
    assert model in heard.summary["versions"]


def test_too_few_trades_are_infeasible_not_a_failure(sweep, data):
    heard = sweep("--data", data, "--threshold", "0.99")
    assert all(math.isnan(metrics["val/sharpe"]) for _, metrics in heard.log)
    assert [metrics["val/n_trades"] for _, metrics in heard.log] == [0, 0, 0]
    assert heard.summary["infeasible"] == "0.0 trades a fold on average over 3 folds, fewer than 1"
    assert "model" not in {name for name, *_ in heard.artifacts}
    done = run_script("--data", data, *QUICK, "--threshold", "0.99")
    assert done.returncode == 0
    assert "infeasible: 0.0 trades" in done.stdout


def test_the_lockbox_changes_nothing_that_a_search_sees(sweep, data, tmp_path):
    panel = make_panel()
    cut = lockbox_start(len(panel))
    factor = np.ones_like(panel.close)
    factor[cut:] = np.exp(np.cumsum(rng_for(1, "other").normal(0, 0.05, factor[cut:].shape), axis=0))
    other = replace(panel, **{n: getattr(panel, n) * factor for n in ("open", "high", "low", "close")})
    a, b = sweep("--data", data), sweep("--data", write(other, tmp_path / "bars.parquet"))
    assert a.log == b.log
    assert a.summary["data/hash"] == b.summary["data/hash"]
    assert a.summary["lockbox/hash"] == panel.slice(cut, len(panel)).digest != b.summary["lockbox/hash"]
    assert a.summary["lockbox/first"] == b.summary["lockbox/first"] == str(panel.time[cut])[:19]
    assert not {name for name in a.summary if "lockbox" in name} - {"lockbox/hash", "lockbox/first"}
    assert a.artifacts[-1][3].equals(b.artifacts[-1][3])
    earlier = replace(other, close=np.clip(other.close * 1.001, other.low, other.high))
    c = sweep("--data", write(earlier, tmp_path / "earlier.parquet"))
    assert a.log != c.log


def test_opened_the_lockbox_gives_its_figures_and_nothing_else(data, tmp_path):
    results = tmp_path / "results.jsonl"
    about = {
        "channel": f"unix:{tmp_path / 'home'}",
        "results": str(results),
        "stage": "lockbox",
        "seed": 4,
        "config": {"n_estimators": 10, "max_depth": 2},
    }
    done = run_script("--data", data, SHARPEN_RUN=json.dumps(about))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    [metrics] = [row["metrics"] for row in rows if "metrics" in row]
    assert [row["artifact"]["name"] for row in rows if "artifact" in row] == ["returns"]
    assert all(name.startswith("lockbox/") for name in metrics)
    said = {name: value for row in rows for name, value in row.get("summary", {}).items()}
    panel, cut = make_panel(), lockbox_start(700)
    assert said["data/hash"] == panel.slice(0, cut).digest
    assert said["lockbox/hash"] == panel.slice(cut, 700).digest
    settings = ClassifierSettings(n_estimators=10, max_depth=2)
    expected = evaluate_lockbox(settings, make_panel(), lockbox_start(700), seed=4)
    assert metrics["lockbox/sharpe"] == pytest.approx(expected.val_sharpe)
    assert metrics["lockbox/n_trades"] == expected.val_n_trades
    assert metrics["lockbox/baseline_sharpe"] == pytest.approx(expected.baseline_sharpe)


def permuted_rows(data, tmp_path, permutation_seed):
    results = tmp_path / f"{permutation_seed}.jsonl"
    about = {
        "channel": f"unix:{tmp_path / 'home'}",
        "results": str(results),
        "stage": "permuted",
        "permutation_seed": permutation_seed,
        "seed": 4,
    }
    done = run_script("--data", data, *QUICK, SHARPEN_RUN=json.dumps(about))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home").exists()  # no files are kept
    return [json.loads(line) for line in results.read_text().splitlines()]


def test_on_permuted_bars_it_walks_forward_as_in_a_search(sweep, data, tmp_path):
    searched = sweep("--data", data, seed=4)
    rows = permuted_rows(data, tmp_path, 11)
    logged = [(row["step"], row["metrics"]) for row in rows if "metrics" in row]
    assert [(step, list(metrics)) for step, metrics in logged] == [
        (step, list(metrics)) for step, metrics in searched.log
    ]
    said = {name: value for row in rows for name, value in row.get("summary", {}).items()}
    for name in ("data/hash", "lockbox/hash", "lockbox/first"):  # of the bars as they are
        assert said[name] == searched.summary[name]
    panel, cut = make_panel(), lockbox_start(700)
    history = permuted(panel.slice(0, cut), rng_for(11, "bars"))
    columns = ("open", "high", "low", "close", "volume")
    whole = {n: np.concatenate([getattr(history, n), getattr(panel, n)[cut:]]) for n in columns}
    again = sweep("--data", write(replace(panel, **whole), tmp_path / "bars.parquet"), seed=4)
    assert [m["val/sharpe"] for _, m in logged] == pytest.approx([m["val/sharpe"] for _, m in again.log])
    other = permuted_rows(data, tmp_path, 12)
    assert [row for row in rows if "metrics" in row] != [row for row in other if "metrics" in row]


def test_a_sweep_needs_a_lockbox_and_a_program_alone_does_not(program, sweep, data, capsys):
    with pytest.raises(AssertionError):
        sweep("--data", data, "--lockbox_share", "0")
    assert "--lockbox_share must be above 0 in a sweep" in capsys.readouterr().err
    done = run_script("--data", data, *QUICK, "--lockbox_share", "0")
    assert done.returncode == 0, done.stderr
    assert "lockbox/hash" not in done.stdout


def test_out_keeps_the_files(data, tmp_path):
    done = run_script("--data", data, *QUICK, "--out", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["model.ubj", "returns.parquet"]
