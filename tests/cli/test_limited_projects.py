"""A project whose limits hold runs back is named where sweeps are listed."""

import json

import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.coordinator import connect

SWEEP = (
    "program: t\nproject: momentum\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0, max: 1}}\n"
)


@pytest.fixture
def ask(tmp_path):
    return lambda *words: CliRunner().invoke(main, ["--home", str(tmp_path), *words])


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("--runs-at-once", "project momentum has 1 of 1 runs at work: the others wait for one to end"),
        (
            "--runs",
            "project momentum has made 1 of 1 runs, and makes no more: 'sharpen project limit' raises it",
        ),
    ],
)
def test_what_holds_runs_back_is_said(tmp_path, ask, limit, words):
    with connect(tmp_path) as client:
        sweep = client.call("create_sweep", key="k", text=SWEEP, place={"source": "s.yaml", "workdir": "/"})
        client.call("join", sweep_id=sweep["sweep_id"], agent_id="a", host="h", pid=1, born="")
        assert ask("project", "limit", "momentum", limit, "1").exit_code == 0
        assert "momentum" not in ask("ls").stderr
        client.call("lease", sweep_id=sweep["sweep_id"], agent_id="a", key="l")
        assert ask("ls").stderr == f"{words}\n"
        assert words in " ".join(ask("info", "last").stdout.split())
        assert json.loads(ask("info", "last", "--json").stdout)["waits"] == words
        assert "wait" in ask("doctor").stdout or limit == "--runs"
        assert ask("cancel", "last").exit_code == 0
        assert "momentum" not in ask("ls").stderr
