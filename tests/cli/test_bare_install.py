"""sharpen without its extras: an agent and a training program work, and a refused verb names its extra."""

import subprocess
import sys
from pathlib import Path

import pytest

from sharpen.extras import EXTRAS

# the command, in a process where nothing that an extra brings can be imported
BARE = f"""
import sys
BLOCKED = {sorted(EXTRAS)!r}

class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Bare())
"""
COMMAND = BARE + "from sharpen.cli import main\nmain()\n"
PROGRAM = (
    BARE
    + """
from sharpen import tracking
with tracking.init() as run:
    for step in range(1, 4):
        run.log({"score": run.config.x * step}, step=step)
    run.summary["kept"] = True
    model = run.dir / "model.txt"
    model.write_text("weights")
    run.log_artifact(model, type="model")
"""
)
SWEEP = """
program: plain.py
method: {method}
run_cap: 2
metric: {{name: score, goal: maximize}}
parameters: {{x: {{min: 0.0, max: 1.0}}}}
"""


@pytest.fixture
def bare(tmp_path):
    """Give a function that runs the command as in a bare install."""
    (tmp_path / "plain.py").write_text(PROGRAM)
    for method in ("random", "bayes", "grid"):
        (tmp_path / f"{method}.yaml").write_text(SWEEP.format(method=method))
    halving = SWEEP.format(method="hyperband") + "optimizer: {sampler: gp, max_fidelity: 9}\n"
    (tmp_path / "halving.yaml").write_text(halving)

    def call(*words):
        return subprocess.run(
            [sys.executable, "-c", COMMAND, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return call


def test_an_agent_works_with_a_plain_program(bare, tmp_path):
    assert "Tune trading models honestly" in bare("--help").stdout
    made = bare("sweep", "random.yaml")
    assert made.returncode == 0, made.stderr
    worked = bare("agent", "last", "--slots", "2")
    assert (worked.returncode, worked.stderr.splitlines()[-1]) == (0, "agent done: finished"), worked.stderr
    for words in (("ls",), ("runs", "last"), ("info", "last-1"), ("best", "last"), ("export", "last")):
        done = bare(*words)
        assert (done.returncode, "finished" in done.stdout or words[0] == "best") == (0, True), done.stderr
    (kept,) = Path(tmp_path / ".sharpen" / "blobs").glob("??/*")
    assert kept.read_text() == "weights"


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("run", "random.yaml"), "report"),
        (("data", "ls"), "data"),
        (("sweep", "bayes.yaml"), "samplers"),
        (("sweep", "halving.yaml"), "samplers"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else words,
)
def test_a_verb_that_needs_more_names_its_extra_before_any_work(bare, tmp_path, words, extra):
    done = bare(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not installed: pip install 'sharpen[" + extra + "]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".sharpen" / "store.db").exists() or bare("ls").stdout.count("running") == 0


def test_a_report_names_its_extra(bare):
    assert bare("sweep", "random.yaml").returncode == 0
    done = bare("report", "last")
    assert (done.returncode, "sharpen[report]" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_a_program_of_ones_own_names_the_extra_that_reads_bars(tmp_path):
    program = "from sharpen.walk_forward import Rule, run_program\nsys.exit(run_program(Rule(None)))\n"
    (tmp_path / "mine.py").write_text(BARE + program)
    done = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stderr == "mine: polars is not installed: pip install 'sharpen[data]'\n"
    assert done.returncode == 2
