"""Words that are no UTF-8, and locales that lack the letters of a name: done, or refused in a sentence."""

import os
import subprocess
import sys

import pytest

from faults.bench import Bench, ask

NO_TEXT = os.fsdecode(b"gr\xff")
LATIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # as any locale but a UTF-8 one
NAMED = "parameters: {größe: {values: [ä, ☃]}}\n"
PROGRAM = """\
import sys
from sharpen import tracking
with tracking.init() as run:
    print(sys.argv[1], "→ ☃")
    run.log({"score": 1.0, "größe": 2.0})
"""


@pytest.fixture
def bench(tmp_path):
    with Bench(tmp_path) as made:
        made.create(1)
        yield made


VERBS = (
    ("info", NO_TEXT),
    ("logs", NO_TEXT),
    ("validate", NO_TEXT),
    ("note", NO_TEXT, "hi"),
    ("tag", NO_TEXT, "add", "x"),
    ("rerun", NO_TEXT),
    ("cancel", NO_TEXT),
    ("delete", NO_TEXT, "--yes"),
    ("artifact", "ls", NO_TEXT),
    ("promote", NO_TEXT, "candidate"),
    ("rollback", NO_TEXT, "candidate", "--reason", "r"),
    ("runs", "--project", NO_TEXT),
    ("serve", "--host", NO_TEXT),
)


@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_a_word_that_is_no_utf8_is_refused(bench, words):
    done = ask(bench, *words)
    assert (done.exit_code, type(done.exception)) == (2, SystemExit), done.output
    assert done.stderr.startswith("sharpen: ")


def test_a_locale_of_few_letters_changes_nothing(tmp_path):
    with Bench(tmp_path, **LATIN) as bench:
        (bench.work / "toy.py").write_text(PROGRAM, encoding="utf-8")
        (bench.work / "sweep.yaml").write_text(
            "program: toy.py\nmethod: grid\nmetric: {name: score, goal: maximize}\n" + NAMED, encoding="utf-8"
        )
        command = [sys.executable, "-m", "sharpen", "--home", str(bench.home)]

        def call(*words):
            """Return what a verb wrote to standard output."""
            done = subprocess.run(
                [*command, *words], check=False, capture_output=True, cwd=bench.work, env=bench.environment
            )
            assert done.returncode == 0, done.stderr.decode()
            return done.stdout.decode()

        call("run", "sweep.yaml", "--agents", "1", "--report", "report.html")
        assert "--größe=ä → ☃" in call("logs", "last-1")
        assert "größe" in call("export", "last")
        call("edit", "last", "--name", "größe")
        assert "größe" in call("ls")
        bench.assert_nothing_left()
