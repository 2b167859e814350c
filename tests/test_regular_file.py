"""Whatever lies in the place of a file, a pipe or a device, is refused in a sentence and holds nobody up."""

import io
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from sharpen import spec, tracking
from sharpen.cli import main
from sharpen.cli.consoles import Stdout
from sharpen.cli.printing import table
from sharpen.data import files
from sharpen.errors import DataError, SpecError, UsageError
from sharpen.regular_file import open_file, read_input, refuse_unreadable
from sharpen.spec import document
from sharpen.store.blobs import blob_path
from sharpen.store.queries import Reader
from sharpen.store.references import with_lists
from sharpen.store.uploads import announced


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_pipe_in_place_of_a_blob_or_a_note_holds_nobody_up(tmp_path, pipe):
    digest = "ab" * 32
    blob_path(tmp_path, digest).parent.mkdir(parents=True)
    pipe.replace(blob_path(tmp_path, digest))
    assert with_lists([digest], lambda name: blob_path(tmp_path, name)) == {digest}
    (tmp_path / "uploads").mkdir()
    os.mkfifo(tmp_path / "uploads" / f"pending-{'0' * 32}.json")
    with pytest.raises(OSError, match="named pipe"):
        open_file(blob_path(tmp_path, digest))
    assert not announced(tmp_path).digests


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom"])
def test_a_device_is_no_sweep_file(path):
    with pytest.raises(UsageError, match=r"a device, and no regular file"):
        spec.load(path)


def test_a_pipe_is_no_sweep_file_save_one_of_our_own(pipe, tmp_path):
    with pytest.raises(UsageError, match=r"a named pipe, and no regular file"):
        spec.load(pipe)
    ours, theirs = os.pipe()
    os.write(theirs, b"a: 1\r\n")
    os.close(theirs)
    assert read_input(f"/dev/fd/{ours}", 100) == "a: 1\n"
    os.close(ours)
    (tmp_path / "large").write_bytes(b"x" * 101)
    with pytest.raises(OSError, match="more than 100 bytes"):
        read_input(tmp_path / "large", 100)


def test_what_a_program_keeps_is_a_file(pipe):
    for path, why in ((pipe, "a named pipe"), (pipe.parent, "a folder")):
        with pytest.raises(UsageError, match=f"cannot be read: it is {why}"):
            refuse_unreadable("log_artifact", path)


@pytest.mark.parametrize("text", ["[" * 100_001, "- " * 50_000 + "a", "{a: " * 20_000])
def test_a_deep_document_is_refused_before_it_is_read(text):
    with pytest.raises(SpecError, match="nested deeper than 100 levels"):
        document.read(text, "deep.yaml")


def test_a_parquet_file_of_too_many_values_is_refused_by_its_footer(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_VALUES", 100)
    pl.DataFrame({"close": [1.0] * 101}).write_parquet(tmp_path / "bomb.parquet")
    with pytest.raises(DataError, match="101 rows of 1 columns, and the limit is 100 values"):
        files.read_file(str(tmp_path / "bomb.parquet"))
    pl.DataFrame({"close": [[1.0]]}).write_parquet(tmp_path / "lists.parquet")
    with pytest.raises(DataError, match="column close holds List"):
        files.read_file(str(tmp_path / "lists.parquet"))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A store whose run keeps a file, and where the file's content is."""
    home = tmp_path / "store"
    monkeypatch.setenv("SHARPEN_HOME", str(home))
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    (tmp_path / "weights").write_text("0.5")
    with tracking.init(project="p", id="r") as run:
        run.log_artifact(tmp_path / "weights")
    [file] = Reader(home).artifacts(run_id="r")
    return home, Path(file.path)


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_backup_and_gc_go_on_past_a_blob_that_is_no_file(kept, tmp_path, put):
    home, blob = kept
    blob.parent.chmod(0o700)
    blob.unlink()
    put(blob)
    done = CliRunner().invoke(main, ["--home", str(home), "backup", str(tmp_path / "copy.db")])
    assert (done.exit_code, "Traceback" in done.output) == (1, False), done.output
    assert blob.name in done.stderr
    for words in ((), ("--yes",)):
        done = CliRunner().invoke(main, ["--home", str(home), "gc", *words])
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("name", "kind"), [("pipe.csv", "named pipe"), ("zero.csv", "device"), ("x.csv", "folder")]
)
def test_what_is_no_file_is_no_bars(tmp_path, name, kind):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "x.csv").mkdir()
    done = CliRunner().invoke(main, ["data", "check", str(tmp_path / name)])
    assert (done.exit_code, f"it is a {kind}, and no regular file" in done.stderr) == (2, True), done.output


def test_a_folder_is_said_to_be_one(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataError, match="it is a folder"):
        files.read_file(str(tmp_path / "x.csv"))


def test_a_cell_is_as_wide_as_what_is_shown():
    said = io.StringIO()
    console = Stdout(file=said, width=80)
    console.print(table([{"symbol": "\x1b[2JEVIL"}]))
    assert "\\x1b[2JEVIL" in said.getvalue()


TABLE = """
from sharpen.cli.main import main
from sharpen.cli.printing import print_rows
main(["--version"], standalone_mode=False)
print_rows([{"run": "\\u2605 1"}], False, "")
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_a_locale_lacks_are_written_out(encoding):
    done = subprocess.run(
        [sys.executable, "-c", TABLE],
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u2605 1" in done.stdout
