"""What programs and files put into texts never steers the terminal, and a full device is a sentence."""

import csv
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.bench import Bench, ask
from sharpen.coordinator import connect
from sharpen.hints import printable

EVIL = "\x1b[2J\x1b]0;PWNED\x07\x9b31m\u202e"


@pytest.fixture
def evil(tmp_path):
    """Give a bench whose sweep has steering texts wherever one may put them."""
    with Bench(tmp_path) as bench:
        sweep_id = bench.create(2)
        place = {"sweep_id": sweep_id, "agent_id": "a"}
        with connect(bench.home) as client:
            run = client.call("lease", **place, key="1")["run"]
            held = {"run_id": run["run_id"], "token": run["token"]}
            client.call("report", **held, rows=[[1, {"score": 1.0, f"m{EVIL}": 2.0}]])
            client.call("summarize", **held, values={f"s{EVIL}": EVIL})
            client.call("note", target=run["run_id"], text=f"note{EVIL}")
            client.call("exit", **held, exit_code=0, last_words="")
            other = client.call("lease", **place, key="2")["run"]
            failed = {"run_id": other["run_id"], "token": other["token"]}
            client.call("exit", **failed, exit_code=1, last_words=f"ValueError: {EVIL}")
        with closing(sqlite3.connect(bench.home / "store.db")) as older, older:  # took any name of a sweep
            older.execute("UPDATE sweeps SET name = ?", [f"name{EVIL}"])
        yield bench


VERBS = (
    ("ls",),
    ("info", "last"),
    ("info", "last-1"),
    ("info", "last-2"),
    ("runs", "last"),
    ("best", "last"),
    ("note", "last-1"),
    ("tag", "last-1"),
    ("runs", "last", "--json"),
)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_lets_a_text_steer_the_terminal(evil, words):
    done = ask(evil, *words)
    assert done.exit_code == 0, done.output
    assert not set(done.output) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert words[0] in ("best", "tag", "ls") or "\\x1b" in done.output or "\\u001b" in done.output


def test_on_a_real_terminal_too(evil):
    for words in VERBS[:6]:
        said = on_a_terminal(evil, *words)
        assert b"PWNED" not in said or b"\x1b]0;PWNED" not in said
        assert b"\x1b[2J" not in said
        assert b"\x07" not in said


def on_a_terminal(bench, *words):
    """Return what a verb writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sharpen", "--home", str(bench.home), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=bench.environment | {"TERM": "xterm"},
    )
    os.close(theirs)
    said = b""
    try:
        while data := os.read(ours, 65536):
            said += data
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert process.wait(60) == 0, said
    return said


@given(st.text())
def test_what_is_printable_can_be_printed_and_steers_nothing(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert printable(shown) == shown
    assert text.isprintable() is False or shown == text or "\u200e" in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("run", "--help"), ("ls",), ("runs", "last"), ("export", "last")]
)
def test_a_full_device_is_a_sentence(evil, words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sharpen", "--home", str(evil.home), *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=evil.environment,
        )
    assert done.stderr == "sharpen: the output cannot be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_nothing(evil, closed):
    """As under cron, or a supervisor that closes them."""
    for words in (("ls",), ("note", "last", closed)):
        command = [sys.executable, "-m", "sharpen", "--home", str(evil.home), *words]
        shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *command]
        done = subprocess.run(shell, check=False, capture_output=True, text=True, env=evil.environment)
        assert (done.returncode, done.stderr) == (0, "")
    assert ask(evil, "note", "last").stdout == f"{closed}\n"


def test_a_home_that_is_no_name_is_a_usage_error(tmp_path):
    for home, words in (("h" * 5000, "File name too long"), ("h" * 300, "File name too long")):
        done = subprocess.run(
            [sys.executable, "-m", "sharpen", "ls"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"SHARPEN_HOME": home},
            cwd=tmp_path,
        )
        assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (2, True, False)
        assert len(done.stderr) < 300


def test_an_export_that_breaks_leaves_the_old_file(evil, tmp_path, monkeypatch):
    file = tmp_path / "runs.csv"
    file.write_text("precious")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sharpen.cli.export._write_csv", fail)
    done = ask(evil, "export", "last", "-o", str(file))
    assert (done.exit_code, "No space left" in done.output) == (2, True)
    assert file.read_text() == "precious"
    assert [path.name for path in tmp_path.glob(".runs*")] == []


def test_cells_that_are_formulas_are_quoted_on_request(evil, tmp_path):
    with connect(evil.home) as client:
        client.call(
            "note", target=ask(evil, "export", "last").output.splitlines()[1].split(",")[0], text="=1+1"
        )
    for more, note in (((), "=1+1"), (("--spreadsheet-safe",), "'=1+1")):
        file = tmp_path / "runs.csv"
        assert ask(evil, "export", "last", "-o", str(file), *more).exit_code == 0
        with file.open(newline="") as text:
            rows = list(csv.DictReader(text))
        assert rows[0]["note"] == note
        assert rows[0]["score"] == "1.0"


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "tab\there"])
def test_a_name_or_tag_that_steers_is_refused_where_it_is_given(evil, name):
    for words in (("edit", "last", "--name", name), ("tag", "last", "add", name)):
        done = ask(evil, *words)
        assert (done.exit_code, "must be one line without control characters" in done.output) == (2, True)
    assert ask(evil, "tag", "last", "rm", name).exit_code == 0, "one that an older sharpen took can go"
