"""What `artifact ls` shows of files that a run has kept, which are no versions."""

import json

from click.testing import CliRunner

from faults.bench import Bench
from sharpen.cli import main

PROGRAM = """
from pathlib import Path
from sharpen import tracking

with tracking.init() as run:
    Path("model.txt").write_text("weights")
    run.log_artifact("model.txt", name="model", type="model")
    run.log({"score": 1.0})
"""


def listed(home, *words):
    return CliRunner().invoke(main, ["--home", str(home), "artifact", "ls", *words])


def test_the_files_that_a_run_has_kept_are_listed(tmp_path):
    (tmp_path / "keeps.py").write_text(PROGRAM)
    with Bench(tmp_path / "b", tmp_path / "keeps.py") as bench:
        sweep_id = bench.create(1)
        assert bench.call("agent", sweep_id).returncode == 0
        (row,) = json.loads(listed(bench.home, f"{sweep_id}-1", "--json").stdout)
        assert (row["file"], row["type"], row["bytes"]) == ("model", "model", 7)
        done = listed(bench.home)
        assert "files kept with a run: sharpen artifact ls RUN" in done.output
        done = listed(bench.home, "nothing")
        assert (done.exit_code, "no artifact 'nothing'" in done.stderr) == (2, True)
