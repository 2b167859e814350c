"""The execution program: alone, and as its sweep file calls it."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from objectives.rl.execution.books import make_book, write_book
from sharpen import spec
from sharpen.execution_program import read_options
from sharpen.objectives.rl.execution.settings import ExecutionSettings

ROOT = Path(__file__).parent.parent
QUICK = (
    "--net_arch=[8]",
    "--n_steps=256",
    "--n_envs=32",
    "--total_timesteps=512",
    "--n_checks=1",
    "--n_episodes=64",
)


@pytest.fixture(scope="module")
def program():
    found = importlib.util.spec_from_file_location("train_execution", ROOT / "scripts" / "train_execution.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train_execution.py"])


@pytest.mark.parametrize("market", ["signal", "bars"])
def test_alone_it_prints_every_policy_and_a_sentence_for_each_baseline(program, capsys, market):
    assert program.main([*QUICK, f"--market={market}"]) == 0
    out, err = capsys.readouterr()
    table, sentences = out.split("\n\n")[:2]
    names = [line.split()[0] for line in table[table.index("policy ") :].splitlines()]
    last = ["optimum"] if market == "signal" else []
    assert names == ["policy", "ppo", "immediate", "twap", "pov", "almgren_chriss", "random", *last]
    assert len(sentences.strip().splitlines()) == len(names) - 2
    assert "held-out orders" in err


def test_an_order_larger_than_its_days_is_said_to_be(program, capsys):
    assert program.main([*QUICK, "--market=bars", "--order_share=1.0"]) == 0
    out, err = capsys.readouterr()
    assert "Orders are large for their time: " in err
    assert "The only policy that was tried " in out


def test_it_trains_in_a_recorded_book(program, capsys, tmp_path):
    book, trades = write_book(make_book(), tmp_path)
    assert program.main([*QUICK, "--market=book", f"--book={book}", f"--trades={trades}"]) == 0
    out = capsys.readouterr().out
    assert "passive_twap" in out
    assert program.main([*QUICK, "--market=book", f"--book={book}"]) == 0
    assert program.main([*QUICK, "--market=book"]) == 2
    assert "needs a recorded book: give --book FILE" in capsys.readouterr().err


def test_what_is_wrong_is_refused_in_a_sentence(program, capsys):
    assert program.main(["--market", "casino"]) == 2
    assert program.main(["--net_arch", "wide"]) == 2
    err = capsys.readouterr().err
    assert "train_execution: no market 'casino': there are signal, ac, ow, propagator, bars, book" in err
    assert "train_execution: net_arch is 'wide', give one or two widths" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data=stocks"], "the market signal reads no --data: give --market bars or propagator"),
        (["--market=bars", "--book=b.csv"], "the market bars reads no --book: give --market book"),
        (["--slice_rows=3"], "the market signal does not have slice_rows, which is of book"),
    ],
)
def test_what_the_market_does_not_read_is_refused(program, capsys, words, sentence):
    assert program.main([*QUICK, *words]) == 2
    assert sentence in capsys.readouterr().err


def test_training_that_breaks_down_is_said(program, capsys, monkeypatch):
    monkeypatch.setattr("sharpen.objectives.rl.population.Population.problem", lambda *_: "it broke down")
    assert program.main([*QUICK]) == 1
    assert "train_execution: it broke down" in capsys.readouterr().err


def test_every_configuration_of_the_sweep_file_is_a_configuration(program):
    sweep = spec.load(ROOT / "sweeps" / "ppo_sweep.yaml")
    rng = np.random.default_rng(0)
    for _ in range(20):
        config = sweep.space.from_unit(rng.random(len(sweep.space.dimensions)))
        options = read_options([f"--{name}={value}" for name, value in config.items()])
        settings = ExecutionSettings.of({**options, **config})
        assert settings.agent.learning_rate == pytest.approx(config["learning_rate"])
        assert settings.agent.horizon_len * settings.agent.n_envs == config["n_steps"]
