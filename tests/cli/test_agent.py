"""The verb agent, which is to be at work soon after it was typed."""

import subprocess
import sys

import pytest

from sharpen.coordinator import connect


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("sharpen.cli.main", {"numpy", "sqlalchemy", "yaml", "rich", "sharpen.spec"}),
        (
            "sharpen.cli.agent, sharpen.agents.local",
            {"numpy", "sqlalchemy", "rich", "sharpen.coordinator.host"},
        ),
    ],
)
def test_what_is_slow_to_import_waits_until_it_is_needed(modules, unwanted):
    code = f"import sys, {modules}\nprint(*sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_agent_of_an_unknown_sweep_says_so(sharpen, store):
    said = sharpen("agent", "zzzz", home=store)
    assert said.exit_code == 2
    assert "no sweep 'zzzz'" in said.stderr


def test_an_agent_of_a_sweep_of_functions_says_where_its_runs_are_made(sharpen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = 'program: "(function)"\nmethod: random\nparameters: {x: {values: [1]}}\n'
    with connect(tmp_path / "store") as client:
        place = {"source": "sweep.yaml", "workdir": str(tmp_path)}
        sweep_id = client.call("create_sweep", key="k", text=text, place=place)["sweep_id"]
    said = sharpen("agent", sweep_id, home=tmp_path / "store")
    assert said.exit_code == 2
    assert f"start the script that calls wandb.agent('{sweep_id}', function=...)" in said.stderr


def test_a_reason_that_somebody_wrote_decides_no_exit_code(sharpen, tmp_path):
    home = tmp_path / "store"
    text = "program: train.py\nmethod: random\nparameters: {x: {values: [1]}}\n"
    with connect(home) as client:
        place = {"source": "sweep.yaml", "workdir": str(tmp_path)}
        sweep_id = client.call("create_sweep", key="k", text=text, place=place)["sweep_id"]
    assert sharpen("cancel", sweep_id, "--reason", "interrupted", home=home).exit_code == 0
    done = sharpen("agent", sweep_id, home=home)
    assert "agent done: interrupted" in done.stderr
    assert done.exit_code == 0
