"""Configurations written from memory of Hypersweeper: they run, and each slip is answered by one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_sweeper import hydra, rows

EXAMPLES = Path(__file__).parents[2] / "examples"
BASE = """
defaults:
  - search_space: ppo_space
  - sweeper: smac_bo
  - _self_

agent: ppo
gpu_id: 0
num_envs: 512
n_folds: 3
fold_id: 0
seed: 42
break_step: 500000
state_dim: 283
action_dim: 28
max_step: 602

hydra:
  sweeper:
    n_trials: 50
  run:
    dir: outputs/${agent}/${now:%Y-%m-%d_%H-%M-%S}
  sweep:
    dir: outputs/${agent}_sweep/${now:%Y-%m-%d_%H-%M-%S}
"""
SPACE = """
search_space:
  hyperparameters:
    learning_rate:
      type: float
      lower: 1e-5
      upper: 1e-3
      log: true
      default: 3e-4
    net_dims_0:
      type: int
      lower: 64
      upper: 512
      log: true
      default: 256
    repeat_times:
      type: int
      lower: 4
      upper: 32
      default: 16
"""
SMAC = """
hydra:
  sweeper:
    _target_: hydra_plugins.hypersweeper.hypersweeper.Hypersweeper
    opt_constructor: hydra_plugins.hyper_smac.hyper_smac.make_smac
    n_trials: 50
    sweeper_kwargs:
      smac_facade: smac.facade.HyperparameterOptimizationFacade
      scenario:
        n_trials: 50
        deterministic: false
        n_workers: 1
      initial_design:
        n_configs: 5
"""
DEHB = """
hydra:
  sweeper:
    _target_: hydra_plugins.hypersweeper.hypersweeper.Hypersweeper
    opt_constructor: hydra_plugins.hyper_dehb.hyper_dehb.make_dehb
    n_trials: 100
    budget_variable: break_step
    sweeper_kwargs:
      min_fidelity: 100000
      max_fidelity: 1000000
      eta: 3
"""
PB2 = """
hydra:
  sweeper:
    _target_: hydra_plugins.hypersweeper.hypersweeper.Hypersweeper
    opt_constructor: hydra_plugins.hyper_pbt.hyper_pbt.make_pb2
    n_trials: 20
    sweeper_kwargs:
      population_size: 20
      perturbation_interval: 50000
      quantile_fraction: 0.25
"""
QUICK = (
    *("fold_id=0", "break_step=64", "num_envs=2", "+horizon_len=16", "+batch_size=32", "+min_trades=0"),
    *("repeat_times=1", "net_dims_0=16", "+net_dims_1=16"),
)
PLUS = [
    word if word.partition("=")[0] not in ("repeat_times", "net_dims_0") else f"+{word}" for word in QUICK
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the example's program and the files as somebody wrote them from memory."""
    configs = tmp_path / "examples" / "configs"
    for place in ("search_space", "sweeper"):
        (configs / place).mkdir(parents=True)
    shutil.copy(EXAMPLES / "hpo_alpaca_vecenv.py", tmp_path / "examples")
    (configs / "alpaca_ppo.yaml").write_text(BASE)
    (configs / "search_space" / "ppo_space.yaml").write_text(SPACE)
    for name, text in (("smac_bo", SMAC), ("dehb_mf", DEHB), ("pb2_pbt", PB2)):
        (configs / "sweeper" / f"{name}.yaml").write_text(text)
    return tmp_path


def run(home: Path, *words: str, config: str = "alpaca_ppo") -> tuple[int, str]:
    """Return the exit code and all that the example says."""
    done = hydra(home, f"--config-name={config}", *words, program="examples/hpo_alpaca_vecenv.py")
    return done.returncode, done.stdout + done.stderr


def test_the_command_as_typed_runs_and_names_each_canonical_form(home: Path) -> None:
    words = ("hydra.sweeper.n_trials=1", "gpu_id=1", *PLUS)
    code, said = run(home, "-m", *words)
    assert code == 0, said
    for sentence in (
        "sweeper.hydra.sweeper: is read as hydra.sweeper: begin the file with the line '# @package _global_'",
        "search_space: is read as hydra.sweeper.search_space: set it to ${search_space}",
        "the file's search_space key is one level too many",
        "type: float is read as type: uniform_float",
        "default is read as default_value",
        "smac_facade: is read as sweeper_kwargs.optimizer_kwargs.smac_facade",
    ):
        assert said.count(sentence) == 1, (sentence, said)
    (row,) = rows(home / "outputs" / "ppo_sweep" / "latest" / "runhistory.csv")
    assert (row["config_id"], row["fold_id"], row["seed"]) == ("1", "0", "42")
    assert float(row["learning_rate"]) == pytest.approx(3e-4)
    float(row["performance"])


def test_a_method_that_is_not_there_is_refused_in_one_line(home: Path) -> None:
    code, said = run(
        home, "-m", "hydra.sweeper.opt_constructor=hydra_plugins.hyper_neps.hyper_neps.make_neps"
    )
    assert code == 2, said
    assert said.count("is no search method here; known: ") == 1


@pytest.mark.parametrize(
    ("sweeper", "canonical", "words"),
    [
        (
            "dehb_mf",
            "min_fidelity: is read as sweeper_kwargs.optimizer_kwargs.min_fidelity",
            ("min_fidelity=32", "max_fidelity=64"),
        ),
        ("pb2_pbt", "perturbation_interval", ("perturbation_interval=64",)),
    ],
)
def test_a_method_that_is_there_runs(
    home: Path, sweeper: str, canonical: str, words: tuple[str, ...]
) -> None:
    small = [f"hydra.sweeper.sweeper_kwargs.{word}" for word in words]
    code, said = run(home, "-m", f"sweeper={sweeper}", "hydra.sweeper.n_trials=1", *small, *PLUS)
    assert code == 0, said
    assert canonical in said


def test_who_writes_the_population_as_the_number_of_trials_gets_whole_trainings(home: Path) -> None:
    members = ("population_size=2", "perturbation_interval=64")
    small = [f"hydra.sweeper.sweeper_kwargs.{word}" for word in members]
    plus = [word.replace("break_step=64", "break_step=128") for word in PLUS]
    code, said = run(home, "-m", "sweeper=pb2_pbt", "hydra.sweeper.n_trials=2", *small, *plus)
    assert code == 0, said
    assert "n_trials: 2 is read as the members of the population: n_trials: 5" in said
    history = rows(home / "outputs" / "ppo_sweep" / "latest" / "runhistory.csv")
    assert sorted(row["budget"] for row in history) == ["128.0", "128.0", "128.0", "64.0", "64.0"]


@pytest.mark.parametrize("name", ["smac", "dehb"])
def test_a_look_whether_it_is_installed(name: str) -> None:
    line = f"from hydra_plugins.hyper_{name} import Hyper{name.upper()}Config; print('{name.upper()} OK')"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == f"{name.upper()} OK\n"
    assert f"override hydra/sweeper: Hyper{name.upper()}" in done.stderr


def test_the_tree_of_the_examples_can_be_composed() -> None:
    for agent in ("ppo", "sac", "ddpg", "modsac"):
        done = hydra(
            EXAMPLES.parent,
            f"--config-name=alpaca_{agent}",
            "-c",
            "job",
            program="examples/hpo_alpaca_vecenv.py",
        )
        assert done.returncode == 0, done.stderr
        assert f"agent: {agent}" in done.stdout


@pytest.mark.parametrize("typed", ["hydra.sweeper.sweeper_kwargs.data_path={}", ""])
def test_local_importance_names_the_parameter_that_matters(tmp_path: Path, typed: str) -> None:
    lines = ["config_id,budget,fold_id,seed,performance,learning_rate,gamma"]
    for at in range(40):
        rate, gamma = 1e-5 * 10 ** (2 * (at % 8) / 7), 0.95 + 0.049 * (at // 8) / 4
        lines += [f"{at},1.0,{fold},1,{(at % 8 - 3) ** 2 + fold},{rate},{gamma}" for fold in (0, 1)]
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    table = tmp_path / "outputs" / "ppo_sweep" / "latest" / "runhistory.csv"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(lines) + "\n")
    done = hydra(
        tmp_path,
        "--config-name=alpaca_ppo_lpi",
        "-m",
        *[word.format(table) for word in [typed] if word],
        "hydra.sweeper.search_space={hyperparameters:{learning_rate:{type:uniform_float,lower:1e-5,upper:1e-3,log:true},"
        "gamma:{type:uniform_float,lower:0.95,upper:0.999}}}",
        program="examples/hpo_alpaca_vecenv.py",
    )
    assert done.returncode == 0, done.stderr
    shares = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines() if line[:1] != "["}
    assert shares["learning_rate"] > 0.8
    assert shares["gamma"] < 0.2
