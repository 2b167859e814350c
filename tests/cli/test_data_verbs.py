"""data ls, data check."""

import json

import numpy as np
import pytest


def write_bars(path, rows=120, spoil=None):
    """Write a CSV of one symbol's daily bars; ``spoil`` may change its columns."""
    days = np.busday_offset("2020-01-01", np.arange(rows), roll="forward")
    close = 100 + np.sin(np.arange(rows))
    columns = {
        "time": [str(day) for day in days],
        "symbol": ["ABC"] * rows,
        "open": close - 0.1,
        "high": close + 1,
        "low": close - 1,
        "close": close,
        "volume": np.full(rows, 1000.0),
    }
    if spoil:
        spoil(columns)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_ls(sharpen):
    said = sharpen("data", "ls", "--json")
    assert (said.exit_code, said.stderr) == (0, "")
    rows = json.loads(said.stdout)
    assert "stocks" in [row["name"] for row in rows]
    assert all(row["licence"] and row["symbols"] for row in rows)
    table = sharpen("data", "ls")
    assert (table.exit_code, table.stderr) == (0, "")
    assert len(table.stdout.splitlines()) >= 1 + len(rows)


def test_a_sound_file_is_fit_to_use(sharpen, tmp_path):
    path = write_bars(tmp_path / "abc.csv")
    said = sharpen("data", "check", path, "--json")
    assert said.exit_code == 0
    found = json.loads(said.stdout)
    assert found["is_usable"] is True
    assert [(s["symbol"], s["n_rows"], s["problems"]) for s in found["symbols"]] == [("ABC", 120, [])]
    text = sharpen("data", "check", path)
    assert (text.exit_code, text.stderr.splitlines()[-1]) == (0, "fit to use")
    assert "ABC" in text.stdout


def test_every_problem_of_a_file_is_shown_and_ends_with_2(sharpen, tmp_path):
    def spoil(columns):
        columns["high"][5] = columns["low"][5] - 1
        columns["close"][9] = -3.0

    path = write_bars(tmp_path / "abc.csv", spoil=spoil)
    said = sharpen("data", "check", path, "--json")
    assert said.exit_code == 2
    found = json.loads(said.stdout)
    assert found["is_usable"] is False
    assert len(found["symbols"][0]["problems"]) >= 2
    text = sharpen("data", "check", path)
    assert text.exit_code == 2
    assert text.stderr.count("ABC: ") >= 2
    assert text.stderr.splitlines()[-1] == "not fit to use"


def test_symbols_whose_bars_never_begin_together_are_not_fit_to_use(sharpen, tmp_path):
    def spoil(columns):
        columns["symbol"][120:] = ["DEF"] * 120
        columns["time"][120:] = [f"{day}T12:00:00Z" for day in columns["time"][:120]]
        columns["time"][:120] = [f"{day}T00:00:00Z" for day in columns["time"][:120]]

    path = write_bars(tmp_path / "two.csv", rows=240, spoil=spoil)
    said = sharpen("data", "check", path, "--json")
    assert said.exit_code == 2
    found = json.loads(said.stdout)
    assert found["is_usable"] is False
    assert [problem["kind"] for problem in found["problems"]] == ["calendar"]
    text = sharpen("data", "check", path)
    assert text.exit_code == 2
    assert f"{path}: ABC and the others are in step at 0 of its 119 times" in text.stderr
    assert text.stderr.splitlines()[-1] == "not fit to use"


def test_a_late_listing_is_fit_to_use(sharpen, tmp_path):
    def spoil(columns):
        columns["symbol"][120:] = ["DEF"] * 30
        columns["time"][120:] = columns["time"][90:120]

    said = sharpen("data", "check", write_bars(tmp_path / "two.csv", rows=150, spoil=spoil))
    assert said.exit_code == 0
    assert "DEF has 30, begins 2020-05-06, too few for a model to trade it" in said.stderr


@pytest.mark.parametrize("name", ["stokcs", "nowhere.csv"])
def test_an_unknown_data_set_ends_with_2(sharpen, name):
    said = sharpen("data", "check", name)
    assert (said.exit_code, said.stdout) == (2, "")
    assert name in said.stderr
