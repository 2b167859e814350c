"""The portfolio program: alone, in a sweep, when the lockbox is opened, and as its sweep files call it."""

import importlib.util
import json
import math
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from sharpen import spec, tracking
from sharpen.errors import UsageError
from sharpen.objectives.program import refuse_unknown
from sharpen.objectives.rl import portfolio
from sharpen.objectives.rl.portfolio import PortfolioSettings
from sharpen.objectives.rl.portfolio_objective import PortfolioAgents
from sharpen.population_program import _Candidate, read_options
from sharpen.tracking.run import RunInputs
from worlds import make_world

ROOT = Path(__file__).parent.parent
QUICK = (
    *("--net_dims_0", "8", "--net_dims_1", "0", "--n_envs", "4", "--horizon_len", "32", "--batch_size", "64"),
    *("--break_step", "128", "--n_checks", "1", "--n_folds", "2", "--min_trades", "0"),
)


@pytest.fixture(scope="module")
def program():
    spec_ = importlib.util.spec_from_file_location("train_portfolio", ROOT / "scripts" / "train_portfolio.py")
    module = importlib.util.module_from_spec(spec_)
    sys.modules[spec_.name] = module  # where a dataclass looks up its annotations
    spec_.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path, panel = tmp_path_factory.mktemp("bars") / "bars.parquet", make_world(5, n_bars=800)
    columns = ("open", "high", "low", "close", "volume")
    pl.concat(
        pl.DataFrame(
            {"time": b.time, "symbol": [b.symbol] * len(b), **{name: getattr(b, name) for name in columns}}
        )
        for b in panel.instruments()
    ).write_parquet(path)
    return str(path)


class Recorder:
    """A sink that remembers, and that ends the run after a number of reports."""

    def __init__(self, stop_after):
        self.stop_after, self.log, self.summary, self.returns = stop_after, [], {}, None

    def report(self, step, metrics):
        self.log.append((step, dict(metrics)))
        return "worse than its bracket" if len(self.log) >= self.stop_after else ""

    def leads(self):
        return True

    def summarize(self, values):
        json.dumps(values)
        self.summary.update(values)

    def artifact(self, path, name, type, metadata):
        if type == "returns":  # a slow machine keeps checkpoints, too
            self.returns = pl.read_parquet(path)

    def end(self):
        self.is_ended = True

    def close(self):
        """Nothing is held."""


@pytest.fixture
def run(program, monkeypatch, data):
    """Return a function that runs the program in this process as a sweep would."""

    def once(*arguments, stage="search", stop_after=99):
        recorder = Recorder(stop_after)
        monkeypatch.setattr(sys, "argv", ["train_portfolio.py"])
        made = lambda config: [tracking.Run(recorder, config, 3, stage, in_sweep=True)]  # noqa: E731
        monkeypatch.setattr(tracking, "init_all", made)
        threads = torch.get_num_threads()
        with suppress(tracking.Stopped):
            recorder.code = program.main([*QUICK, "--data", data, *arguments])
        torch.set_num_threads(threads)
        return recorder

    return once


def test_each_fold_is_reported_with_its_baseline_and_its_returns_kept(run, capsys):
    seen = run()
    assert [step for step, _ in seen.log] == [1, 2]
    first, last = seen.log[0][1], seen.log[1][1]
    for name in ("val/sharpe", "val/sortino", "val/max_dd", "val/turnover", "baseline/sharpe"):
        assert name in last
    assert last["val/max_dd"] == pytest.approx((first["val/max_dd"] + last["fold/val_max_dd"]) / 2)
    assert last["train/steps_per_second"] > 0
    assert last["train/learning_rate"] == pytest.approx(3e-4)
    assert seen.returns.columns == ["time", "fold", "ret", "baseline"]
    assert sorted(seen.returns["fold"].unique()) == [1, 2]
    assert seen.summary["lockbox/hash"] != seen.summary["data/hash"]
    assert "buy-and-hold" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_returns_with_folds_at_once_too(run):
    one, two, at_once = run(), run(), run("--folds_at_once", "true")
    assert one.returns.equals(two.returns)
    np.testing.assert_allclose(one.returns["ret"], at_once.returns["ret"], atol=1e-9)


def test_runs_in_one_program_earn_what_each_earns_alone(program, data, monkeypatch):
    given = (
        {"max_trade": 0.05, "net_dims_0": 16},
        {"learning_rate": 10.0, "reward_scale": 1e37},
        {"gamma": 0.9},
    )
    alone = [run_all(program, data, monkeypatch, [values])[0] for values in given]
    together = run_all(program, data, monkeypatch, given)
    for one, other in zip(alone, together, strict=True):
        assert [step for step, _ in one.log] == [step for step, _ in other.log]
        assert one.log[-1][1]["val/sharpe"] == pytest.approx(other.log[-1][1]["val/sharpe"], nan_ok=True)
    assert "fold 1: training broke down" in together[1].summary["infeasible"]
    assert together[0].returns["ret"].to_list() == pytest.approx(alone[0].returns["ret"].to_list(), abs=1e-9)
    assert all(one.is_ended for one in together)


def run_all(program, data, monkeypatch, given):
    """Run the program as with ``--population``, with values of each run, and return what each reported."""
    recorders = [Recorder(99) for _ in given]

    def made(config):
        pairs = zip(recorders, given, strict=True)
        member = RunInputs(is_member=True)
        return [
            tracking.Run(r, {**config, **own}, 3, "search", in_sweep=True, given=member) for r, own in pairs
        ]

    monkeypatch.setattr(tracking, "init_all", made)
    threads = torch.get_num_threads()
    assert program.main([*QUICK, "--data", data]) == 0
    torch.set_num_threads(threads)
    return recorders


def test_alone_it_goes_on_from_its_folder(program, data, tmp_path, monkeypatch, capsys):
    """A program of no sweep that dies after its first fold does the rest, and earns the same."""
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    threads, words = torch.get_num_threads(), (*QUICK, "--data", data, "--checkpoint_s", "0")

    class Killed(BaseException):
        """As sudden as a signal."""

    def dies(one, fold, result, report=_Candidate.report_fold):
        report(one, fold, result)
        if fold.number == 2:
            raise Killed

    assert program.main([*words, "--out", str(tmp_path / "calm")]) == 0
    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(_Candidate, "report_fold", dies)
        program.main([*words, "--out", str(tmp_path / "cut")])
    (tmp_path / "cut" / "returns.parquet").unlink()
    assert program.main([*words, "--out", str(tmp_path / "cut"), "--go_on", "true"]) == 0
    torch.set_num_threads(threads)
    one, two = (pl.read_parquet(tmp_path / name / "returns.parquet") for name in ("calm", "cut"))
    assert one.equals(two)
    assert "buy-and-hold" in capsys.readouterr().out


def test_a_file_of_28_stocks_gives_the_state_of_283_numbers(run, tmp_path, monkeypatch):
    """A block with a path and a map, as a sweep file's ``data`` is handed on."""
    panel, seen = make_world(7, n_bars=700, n_symbols=28), []
    frames = [
        pl.DataFrame(
            {"day": b.time, "tic": [b.symbol] * len(b), "o": b.open, "h": b.high, "l": b.low, "c": b.close}
        )
        for b in panel.instruments()
    ]
    pl.concat(frames).write_parquet(tmp_path / "dow.parquet")
    names = "day=time,tic=symbol,o=open,h=high,l=low,c=close"
    start = portfolio._Training.begin

    def begin(data, jobs, device):
        training = start(data, jobs, device)
        env = training.population.stacks[0].agent.env
        seen.append(env.own_dim + env.table.shape[1])
        return training

    monkeypatch.setattr(portfolio._Training, "begin", begin)
    found = run("--data", f"{{path: {tmp_path / 'dow.parquet'}, map: '{names}'}}", "--n_folds", "1")
    assert (found.code, set(seen)) == (0, {283})


def test_a_stopped_run_keeps_the_returns_so_far(run):
    seen = run(stop_after=1)
    assert seen.returns["fold"].unique().to_list() == [1]


def test_the_lockbox_is_scored_and_nothing_else(run):
    seen = run(stage="lockbox")
    assert [step for step, _ in seen.log] == [0]
    assert all(name.startswith("lockbox/") for name in seen.log[0][1])
    assert len(seen.returns) == 160


def test_a_training_that_breaks_down_is_infeasible(run):
    seen = run("--learning_rate", "10", "--reward_scale", "1e37")
    assert math.isnan(seen.log[-1][1]["val/sharpe"])
    assert "fold 1: training broke down" in seen.summary["infeasible"]
    assert seen.code == 0


def test_wrong_words_are_refused(run, capsys):
    assert run("--cost_bps", "-1").code == 2
    assert "train_portfolio: cost_bps is -1.0" in capsys.readouterr().err
    assert PortfolioSettings.of({"reward_scale": 2.0}).market.reward_per_unit == 1e-5
    with pytest.raises(SystemExit, match="2"):
        run("--go_on", "true")
    assert "--go_on needs --out" in capsys.readouterr().err
    assert run("--fill", "yesterday").code == 2
    assert "must be one of next_open" in capsys.readouterr().err


def test_a_name_that_nothing_reads_is_refused_for_every_run(program, capsys):
    """A population's runs get their values without a command's words, so argparse never sees them."""
    known = read_options(PortfolioAgents(), []).keys() | {"batch_size", "gamma", "agent", "ratio_clip"}
    words = "no such option: batchsize, num_ensembles; did you mean 'batch_size'"
    with pytest.raises(UsageError, match=words):
        refuse_unknown({"batchsize": 7, "num_ensembles": 2, "gamma": 0.9}, known)
    config = {"agent": "sac", "ratio_clip": 0.3, "gamma": 0.9}
    refuse_unknown(config, known)
    PortfolioAgents().settings(config)
    assert "ratio_clip of no effect: sac has none" in capsys.readouterr().err


def test_alone_it_prints_a_short_line_a_fold(program, data, monkeypatch, capsys):
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    threads = torch.get_num_threads()
    assert program.main([*QUICK, "--data", data]) == 0
    torch.set_num_threads(threads)
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("artifact")]
    assert [line.split(":")[0] for line in lines[1:3]] == ["fold 1", "fold 2"]
    assert "3 stocks, 640 bars from" in lines[0]
    assert max(map(len, lines[1:])) < 120
    assert len(lines) == 4


@pytest.mark.parametrize(("name", "other"), [("horizon_len", "n_steps"), ("if_use_v_trace", "if_use_vtrace")])
def test_a_sweep_may_call_a_setting_by_its_other_name(program, name, other):
    """A sweep gives a run its values twice: as words of the command, and as its configuration."""
    given = {other: True if name.startswith("if") else 16}
    options = read_options(PortfolioAgents(), [f"--{other}={given[other]}"]) | given
    assert getattr(PortfolioSettings.of(options).agent, name) == given[other]
    with pytest.raises(UsageError, match="two names of one setting"):
        PortfolioSettings.of(options | {name: given[other]})


@pytest.mark.parametrize("agent", ["ppo", "sac", "ddpg", "modsac"])
def test_every_configuration_of_the_sweep_files_is_a_configuration(agent, program):
    sweep = spec.load(ROOT / "sweeps" / f"{agent}_portfolio.yaml")
    rng = np.random.default_rng(0)
    n = len(sweep.space.dimensions)
    for _ in range(20):
        config = sweep.space.from_unit(rng.random(n))
        options = read_options(PortfolioAgents(), [f"--{name}={value}" for name, value in config.items()])
        settings = PortfolioSettings.of(options)
        assert settings.agent.agent == agent
        assert settings.agent.learning_rate == pytest.approx(config["learning_rate"])
