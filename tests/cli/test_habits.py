"""What people do every day, and what they are then told."""

from __future__ import annotations

import pytest

from faults.bench import Bench
from sharpen.coordinator import connect

PLAIN = (
    "from sharpen import tracking\nwith tracking.init() as run:\n    run.log({'score': run.config['x']})\n"
)
SPACE = "parameters: {x: {min: 0.0, max: 1.0}, y: {min: 0.0, max: 1.0}, z: {values: [a, b, c]}}\n"


@pytest.fixture
def bench(tmp_path):
    program = tmp_path / "plain.py"
    program.write_text(PLAIN)
    with Bench(tmp_path / "bench", program=program) as found:
        yield found


def test_a_file_of_somebody_else_is_not_overwritten_by_the_report(bench):
    (bench.work / "report.html").write_text("mine")
    said = bench.call("run", bench.write_sweep(1, space=SPACE), "--agents", "1")
    assert said.returncode == 0, said.stderr
    assert "report.html is no report of sharpen's, so it is left as it is" in said.stderr
    assert (bench.work / "report.html").read_text() == "mine"
    (written,) = bench.work.glob("report-*.html")
    assert f"report: {written.name}" in said.stderr
    (bench.work / "report.html").unlink()
    for _ in range(2):  # one of ours is replaced
        assert "left as it is" not in bench.call("report", "last").stderr


@pytest.mark.parametrize(
    ("verb", "hint"), [("best", "'last'"), ("runs", "'last'"), ("validate", "'last-best'")]
)
def test_an_argument_that_is_missing_is_hinted_at(bench, verb, hint):
    said = bench.call(verb)
    assert said.returncode == 2
    assert hint in said.stderr.splitlines()[-1]


def test_an_agent_says_why_a_run_could_not_start(bench):
    (bench.work / "none.yaml").write_text(
        "command: [nosuchbinary]\nmethod: random\nrun_cap: 1\nmetric: {name: score, goal: maximize}\n" + SPACE
    )
    sweep_id = bench.call("sweep", "none.yaml").stdout.strip()
    said = bench.call("agent", sweep_id)
    assert "run   1  failed" in said.stderr
    assert "cannot start nosuchbinary: [Errno 2] No such file or directory: 'nosuchbinary'" in said.stderr


def test_a_model_based_search_that_is_resumed_proposes_what_it_would_have_proposed(tmp_path):
    program = tmp_path / "plain.py"
    program.write_text(PLAIN)
    found = []
    for name, caps in (("whole", (14,)), ("halves", (9, 14))):
        with Bench(tmp_path / name, program=program) as bench:
            file = bench.write_sweep(14, method="gp", space=SPACE)
            bench.call("run", file, "--agents", "1", "--trials", str(caps[0]))
            for cap in caps[1:]:
                bench.call("resume", "last", "--agents", "1", "--trials", str(cap))
            found.append([run.config for run in bench.runs()])
    assert len(found[0]) == 14
    assert found[0] == found[1]


def test_a_run_that_waits_has_no_clock(bench):
    sweep_id = bench.call("sweep", bench.write_sweep(1, space=SPACE)).stdout.strip()
    with connect(bench.home) as client:
        lease = client.call("lease", sweep_id=sweep_id, agent_id="a", key="k")["run"]
        client.call("release", run_id=lease["run_id"], token=lease["token"])
    (row,) = bench.call("runs", sweep_id).stdout.splitlines()[1:]
    assert row.split() == [lease["run_id"], "pending", "0"]
