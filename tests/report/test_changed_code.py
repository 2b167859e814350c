"""A program that is edited while its sweep runs: the report says which runs had which file."""

import json
import textwrap

from click.testing import CliRunner

from sharpen.cli.main import main
from sharpen.report.cautions import about_code

PROGRAM = """
from sharpen import tracking
import helper
with tracking.init() as run:
    run.log({"score": helper.score(run.config.x)})
"""
SWEEP = """
program: plain.py
method: grid
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2]}}
"""


def test_each_file_that_differs_is_named_with_its_runs():
    code = {1: {"a.py": "11", "b.py": "33"}, 2: {"a.py": "22", "b.py": "33"}, 3: {"a.py": "11"}, 4: {}}
    [caution] = about_code(code)
    assert caution.sentence.endswith("may not compare: a.py (11: run 1, 3, 22: run 2).")
    assert about_code({1: {"a.py": "11"}, 2: {"b.py": "22"}}) == []


WARM = """
import early
from sharpen import tracking
if __name__ == "__main__":
    import late
    with tracking.init() as run:
        run.log({"score": early.score(run.config.x)})
"""


def test_modules_that_a_fork_server_has_loaded_count_like_those_that_a_run_loads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.py").write_text(WARM)
    (tmp_path / "early.py").write_text("def score(x): return x\n")
    (tmp_path / "late.py").touch()
    (tmp_path / "sweep.yaml").write_text(textwrap.dedent(SWEEP))
    done = CliRunner().invoke(main, ["run", "sweep.yaml", "--agents", "1"])
    assert done.exit_code == 0, done.output
    for n in (1, 2):
        said = json.loads(CliRunner().invoke(main, ["info", f"last-{n}", "--json"]).stdout)
        assert said["summary"]["program/files"].keys() == {"early.py", "late.py", "plain.py"}


def test_a_module_beside_the_program_that_changes_between_two_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.py").write_text(PROGRAM)
    (tmp_path / "sweep.yaml").write_text(textwrap.dedent(SWEEP))
    call = CliRunner().invoke
    assert call(main, ["sweep", "sweep.yaml"]).exit_code == 0
    for text in ("def score(x): return x\n", "def score(x): return 2.5 - x\n"):
        (tmp_path / "helper.py").write_text(text)
        done = call(main, ["agent", "last", "--count", "1", "--cold"])
        assert done.exit_code == 0, done.output
    files = [
        json.loads(call(main, ["info", f"last-{n}", "--json"]).stdout)["summary"]["program/files"]
        for n in (1, 2)
    ]
    assert files[0].keys() == files[1].keys() == {"helper.py", "plain.py"}
    assert files[0]["plain.py"] == files[1]["plain.py"]
    assert f"helper.py {files[0]['helper.py']}" in call(main, ["info", "last-1"]).stdout
    report = call(main, ["report", "last", "-o", "report.html"])
    assert report.exit_code == 0, report.output
    text = (tmp_path / "report.html").read_text()
    assert "The program changed while the sweep ran" in text
    assert files[0]["helper.py"] in text
    assert files[1]["helper.py"] in text
