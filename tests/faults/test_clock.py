"""A wall clock that jumps, for every process, while a sweep is at work."""

import json
import os
import re
import time

from faults.bench import Bench, ask, until
from faults.judge import assert_sound

DAY_S = 86_400.0
JUMPING = """
import os, pathlib, time
_real = time.time
def _jumped():
    try:
        return _real() + float(pathlib.Path(os.environ["CLOCK_OFFSET"]).read_text() or 0)
    except OSError:
        return _real()
time.time = _jumped
"""


def running_runs(bench):
    shown = ask(bench, "runs", "last").stdout
    return shown if " running " in shown else ""


def test_when_the_clock_jumps_nothing_is_lost_and_nothing_lasts_less_than_no_time(
    tmp_path, database, monkeypatch
):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(JUMPING)
    offset = tmp_path / "offset"
    n_runs, began_at = 10, time.time()
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, "CLOCK_OFFSET": str(offset), "TOY_STEP_S": "0.1"}
    with Bench(tmp_path / "b", database=database, **environment) as bench:
        first = bench.create(n_runs)
        agents = [bench.start("agent", first) for _ in range(2)]

        def set_clock(days, after):
            until(lambda: bench.states()["finished"] >= after, f"run {after} to finish")
            offset.with_suffix(".new").write_text(str(days * DAY_S))
            offset.with_suffix(".new").replace(offset)

        set_clock(-1, after=2)
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: began_at - DAY_S)
            shown = until(lambda: running_runs(bench), "a run to be shown at work")
        assert re.search(r"running .* 0s *\n", shown), shown
        assert not re.search(r" -\d", shown), shown
        set_clock(400, after=4)
        set_clock(-400, after=6)
        assert [agent.wait(100) for agent in agents] == [0, 0], bench.said()
        second = bench.create(1)
        listed = json.loads(ask(bench, "ls", "--json").stdout)
        assert [row["sweep"] for row in listed] == [first, second]
        assert json.loads(ask(bench, "info", "last", "--json").stdout)["sweep"] == second
        bench.assert_nothing_left()

        runs = bench.reader().runs(first)
        assert all(run.created_at <= run.started_at <= run.ended_at for run in runs)
        assert max(run.ended_at for run in runs) > runs[0].created_at + 300 * DAY_S, "the clock has jumped"
        assert [run.created_at for run in runs] == sorted(run.created_at for run in runs)
        assert [(run.state, run.token, run.lost) for run in runs] == [("finished", 1, 0)] * n_runs
        (elapsed_s,) = [row.elapsed_s for row in bench.reader().sweeps() if row.id == first]
        assert 0 < elapsed_s < 600, "time at work is not of the wall clock"


def test_a_sweep_is_sound_when_the_clock_stands_far_back_from_the_start(tmp_path, database):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(JUMPING)
    (tmp_path / "offset").write_text(str(-30 * 365 * DAY_S))
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, "CLOCK_OFFSET": str(tmp_path / "offset"), "TOY_STEP_S": "0"}
    with Bench(tmp_path / "b", database=database, **environment) as bench:
        sweep_id = bench.create(2)
        assert bench.call("agent", sweep_id).returncode == 0
        assert_sound(bench, 2, seed=0)
