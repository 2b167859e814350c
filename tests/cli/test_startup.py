"""What every command pays before it does anything."""

import ast
import subprocess
import sys

import pytest

from sharpen.coordinator import connect

HEAVY = ("scipy", "numba", "pandas", "polars", "pyarrow", "plotly", "optuna", "xgboost", "sklearn", "torch")


def test_no_command_imports_what_only_some_need():
    words = f"import sys, sharpen.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


ONLY_FOR = {
    "rich": "tables",
    "sharpen.cli.live": "verbs that show how a sweep goes",
    "sharpen.cli.sweep_info": "sweeps",
    "sharpen.coordinator.host": "whoever writes",
    "sharpen.optimizers": "whoever searches",
    "sharpen.report": "reports",
    "numpy": "arithmetic",
}
SWEEP = """
program: p.py
method: random
metric: {name: score, goal: maximize}
parameters: {x: {min: 0.0, max: 1.0}}
"""


def imported_by(home, *words):
    """Return which modules of ONLY_FOR a command has imported when it ends."""
    code = "import atexit, json, sys; from sharpen.cli import main\n"
    code += f"names = {list(ONLY_FOR)!r}\n"
    code += "atexit.register(lambda: print([n for n in names if n in sys.modules], file=sys.stderr))\n"
    code += "main()"
    command = [sys.executable, "-c", code, "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(ast.literal_eval(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Give a store with a run of a sweep that has ended."""
    home = tmp_path_factory.mktemp("store")
    with connect(home) as client:
        place = {"source": "s.yaml", "workdir": "/"}
        sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=place)["sweep_id"]
        client.call("join", sweep_id=sweep_id, agent_id="a", host="elsewhere", pid=1, born="x")
        run = client.call("lease", sweep_id=sweep_id, agent_id="a", key="1")["run"]
        held = {"run_id": run["run_id"], "token": run["token"]}
        client.call("report", **held, rows=[[1, {"score": 0.5}]])
        client.call("exit", **held, exit_code=0, last_words="")
    return home


def test_info_of_a_run_imports_what_it_shows(home):
    assert imported_by(home, "info", "last-1", "--json") == set()
    assert imported_by(home, "info", "last-1") == {"rich"}


@pytest.mark.parametrize(
    "words", [("ls", "--json"), ("runs", "last", "--json"), ("best", "last", "--json"), ("info", "last")]
)
def test_verbs_that_read_import_nothing_that_draws_tables_unless_they_draw_one(home, words):
    heavy = {"rich", "sharpen.coordinator.host", "sharpen.optimizers", "sharpen.report", "numpy"}
    assert not imported_by(home, *words) & heavy
