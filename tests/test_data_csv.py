"""CSV files as people have them: what is taken, and what is said of the others."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sharpen.data import check, load
from sharpen.errors import DataError, UsageError

DAYS = np.datetime64("2020-01-01", "D") + np.arange(120)
HEADER = "time,open,high,low,close,volume"
ROWS = [f"{day},10.5,12,9.5,{10 + i % 2}.25,1000" for i, day in enumerate(DAYS)]
TEXT = "\n".join([HEADER, *ROWS]) + "\n"


@pytest.fixture
def said(tmp_path: Path):
    def refusal(content: str | bytes) -> str:
        """Return why a file is refused, the same by load and by check."""
        path = tmp_path / "x.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(DataError) as caught:
            load(str(path))
        with pytest.raises(DataError) as again:
            check(str(path))
        assert str(again.value) == str(caught.value)
        before, _, why = str(caught.value).partition(": ")
        assert before == str(path)
        assert "Fix: " in why
        return why

    return refusal


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv.gz", gzip.compress(TEXT.encode())),
        ("x.csv", gzip.compress(TEXT.encode())),
        ("x.csv.gz", TEXT.encode()),
        ("x.csv", TEXT.encode("utf-8-sig")),
        ("x.csv", TEXT.replace("\n", "\r\n").encode()),
        ("x.csv", b"\n" + TEXT.encode() + b"\n\n"),
        ("x.csv", TEXT.replace("2020-01-03", '"2020-01-03"').encode()),
    ],
    ids=["gzip", "gzip by another name", "text by gzip's name", "BOM", "CRLF", "blank ends", "quotes"],
)
def test_the_same_bars_however_they_are_packed(tmp_path, name, content) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    bars = load(str(path)).panel
    assert len(bars) == 120
    assert bars.close[:, 0].tolist() == [10 + i % 2 + 0.25 for i in range(120)]
    assert (bars.time == DAYS).all()


@pytest.mark.parametrize(("separator", "name"), [(";", "';'"), ("\t", "tabs"), ("|", "'|'"), (" ", "spaces")])
def test_another_separator_is_taken_and_named(tmp_path, separator, name) -> None:
    path = tmp_path / "x.csv"
    path.write_text(TEXT.replace(",", separator))
    data = load(str(path))
    assert data.layout == f"separated by {name}"
    assert data.panel.close[:, 0].tolist() == [10 + i % 2 + 0.25 for i in range(120)]


def test_semicolons_with_decimal_commas(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(TEXT.replace(",", ";").replace(".", ","))
    data = load(str(path))
    assert data.layout == "separated by ';'; decimal commas"
    assert data.panel.close[:, 0].tolist() == [10 + i % 2 + 0.25 for i in range(120)]


def test_commas_in_names_do_not_hide_another_separator(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(TEXT.replace(",", ";").replace("volume", "volume, in units"))
    assert "separated by ';'" in load(str(path)).layout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty. Fix: write a header line, and a line for each bar"),
        (b" \n\n", "the file is empty"),
        (gzip.compress(b""), "the file is empty"),
        (HEADER.encode(), "there are no rows below the header"),
        (b"PAR1" + bytes(50), "this is a Parquet file. Fix: let its name end in .parquet"),
        (b"PK\x03\x04" + bytes(50), "this is a zip archive or a workbook. Fix: save the table in it as CSV"),
        (TEXT.encode("utf-16"), "this is UTF-16 text. Fix: save it as UTF-8"),
        (bytes(range(256)), "this is a binary file, not text"),
        (gzip.compress(bytes(range(256))), "this is a binary file, not text"),
        (TEXT.replace("1000", "1000é", 2).encode("latin-1"), "line 2 is not UTF-8 text"),
        (gzip.compress(TEXT.encode())[:-40], "the gzip file is damaged: "),
        (b"\x1f\x8bnothing", "the gzip file is damaged: "),
    ],
    ids=range(12),  # compressed bytes hold the time: as names they would differ between workers
)
def test_what_is_no_csv_is_called_by_its_name(said, content, words) -> None:
    assert said(content).startswith(words)


def test_real_parquet_under_the_name_of_csv(said, tmp_path) -> None:
    pl.DataFrame({"time": [1]}).write_parquet(tmp_path / "x.parquet")
    assert said((tmp_path / "x.parquet").read_bytes()).startswith("this is a Parquet file")


def test_rows_with_too_many_or_too_few_cells(said) -> None:
    long, short = ROWS.copy(), ROWS.copy()
    long[3] += ",1"
    for place in (3, 7, 20, 30, 31):
        short[place] = str(DAYS[place])
    words = "the header has 6 cells, but "
    assert said("\n".join([HEADER, *long])).startswith(f"{words}line 5 has 7. Fix: give each row")
    assert said("\n".join([HEADER, *short])).startswith(
        f"{words}line 5 has 1, line 9 has 1, line 22 has 1, and 2 more. Fix: give each row"
    )
    short[0] += ",7"
    assert said("\n".join([HEADER, *short])).startswith(f"{words}line 2 has 7, line 5 has 1, line 9 has 1")


def test_lines_are_counted_as_an_editor_does(said) -> None:
    rows = [f'{ROWS[0]},"one\ntwo"', *(f"{row},three" for row in ROWS[1:5]), ROWS[5]]
    assert "but line 8 has 6" in said("\n".join([f"{HEADER},note", *rows]))


def test_an_empty_last_cell_is_a_missing_value_and_no_short_row(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(TEXT.replace(ROWS[4], ROWS[4].removesuffix("1000")))
    (problem,) = check(str(path)).symbols[0].problems
    assert (problem.kind, problem.rows[0][0]) == ("nan", 5)


def test_a_quote_that_is_not_closed(said) -> None:
    rows = ROWS.copy()
    rows[8] = f'"{rows[8]}'
    assert said("\n".join([HEADER, *rows])).startswith("the quotes in line 10 are not in order: ")


def test_a_column_that_comes_twice_under_the_very_same_name(said) -> None:
    text = "\n".join([f"{HEADER},close", *(f"{row},9" for row in ROWS)])
    assert said(text).startswith("column close comes twice")


def test_other_columns_may_come_twice(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join([f"{HEADER},note,note", *(f"{row},a,b" for row in ROWS)]))
    assert len(load(str(path)).panel) == 120


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("zeit,open,high,low,close,volume", "missing column time; there are zeit, open"),
        ("times,open,high,low,close,volume", " Did you mean times for time? Fix: --map times=time"),
        ("Timestamp,open,hgih,low,close,Vol", " Did you mean hgih for high? Fix: --map hgih=high"),
        ("time,open,high,low,my close,volume", " Did you mean my close for close?"),
        ("time,open,high,low,adj_close,volume", "there are time, open, high, low, adj_close, volume. Fix: "),
        ("2020-01-01,10.5,9,12,10.25,1000", " The first line looks like a row: is the header missing?"),
    ],
)
def test_a_missing_column_and_the_nearest_there_is(said, header, words) -> None:
    assert words in said("\n".join([header, *ROWS]))


@pytest.mark.parametrize("text", ["\r-g\n", "a\rb,c\n1,2\n", "time,open\r,close\n2024-01-02,1,2\n", "\r\r"])
def test_a_carriage_return_inside_a_line_is_read_or_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "x.csv").write_text(text, newline="")
    with pytest.raises(UsageError, match=r"x\.csv"):
        check(str(tmp_path / "x.csv"))
