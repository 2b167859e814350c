"""What does not fit into the memory is refused before it is read, or ends as a sentence."""

import subprocess
import sys

import polars as pl
import pytest

from sharpen import free_memory
from sharpen.data import files
from sharpen.errors import DataError
from sharpen.free_memory import available_bytes

LIMITED = """
import resource, sys
from pathlib import Path
import sharpen.data
from sharpen.cli import main
n_pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = n_pages * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main(["data", "check", sys.argv[1]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set as on Linux")
def test_memory_that_is_used_up_is_a_sentence(tmp_path):
    with (tmp_path / "bars.csv").open("w") as file:
        file.truncate(400 << 20)
    words = [sys.executable, "-c", LIMITED, str(tmp_path / "bars.csv")]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("sharpen: the memory is used up: ")
    assert done.stderr.count("\n") == 1


def test_bars_that_do_not_fit_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory, "available_bytes", lambda: 100)
    (tmp_path / "bars.csv").write_text("time,open,high,low,close\n2024-01-31,1,1,1,1\n")
    pl.DataFrame({"close": [1.0] * 20}).write_parquet(tmp_path / "bars.parquet")
    for name in ("bars.csv", "bars.parquet"):
        with pytest.raises(DataError, match=rf"{name}: reading it takes .* memory at least, and 0\.0 GB are"):
            files.read_file(str(tmp_path / name))


def test_where_nobody_counts_idle_pages_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory.os, "sysconf_names", {"SC_PAGE_SIZE": 30})  # as on macOS
    monkeypatch.setattr(free_memory, "_free_of_process", lambda: None)
    assert available_bytes(tmp_path / "none", tmp_path / "none") == sys.maxsize


def test_memory_that_only_caches_files_is_free(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemFree:  1 kB\nMemAvailable:   7 kB\n")
    assert available_bytes(tmp_path / "meminfo", tmp_path / "none") == 7 * 1024
    assert available_bytes(tmp_path / "none", tmp_path / "none") > 0


@pytest.mark.parametrize(
    ("names", "free"),
    [
        (("memory.max", "memory.current", "memory.stat"), 3000 - 1200 + 200),
        (("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"), 3000 - 1200 + 200),
        (("memory.none", "memory.current", "memory.stat"), 7 * 1024),
    ],
)
def test_a_containers_limit_counts(tmp_path, names, free):
    (tmp_path / "meminfo").write_text("MemAvailable:   7 kB\n")
    folder = tmp_path / "memory" if "limit_in_bytes" in names[0] else tmp_path
    folder.mkdir(exist_ok=True)
    for name, text in zip(names, ("3000\n", "1200\n", "anon 9\ninactive_file 200\n"), strict=True):
        (folder / name).write_text(text)
    assert available_bytes(tmp_path / "meminfo", tmp_path) == free


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set as on Linux")
def test_a_limit_of_the_process_counts():
    told = (
        "import resource; from sharpen.free_memory import available_bytes;"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28)); print(available_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert 0 < int(done.stdout) < 1 << 28
