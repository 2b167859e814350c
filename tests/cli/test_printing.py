"""What tables look like."""

import pytest

from sharpen.cli import printing
from sharpen.cli.printing import print_rows, table


@pytest.mark.parametrize(
    ("cells", "justify"),
    [
        ([1, 2.5], "right"),
        (["0.1234", "−1.2e-05", "infeasible", ""], "right"),
        (["", "", "7"], "right"),
        (["+0.10 … +0.93", "–", "nan"], "right"),
        (["0.1", "hist", "3"], "right"),
        (["finished", "stopped", "7"], "left"),
        (["k3v9x2aq-1", "2026-11-28 03:51:34+0000", "3s"], "left"),
        (["", None], "left"),
    ],
)
def test_columns_of_numbers_stand_to_the_right(cells, justify):
    [column] = table([{"it": cell} for cell in cells]).columns
    assert column.justify == justify


def test_many_rows_stand_in_columns_as_few_do(capsys, monkeypatch):
    rows = [{"run": "é日本"[: n % 4] + f"k-{n}", "score": n / 7 if n % 3 else None} for n in range(3)]
    print_rows(rows, False, "")
    few = capsys.readouterr().out
    monkeypatch.setattr(printing, "MANY", 2)
    print_rows(rows, False, "")
    assert capsys.readouterr().out.splitlines() == [line.rstrip() for line in few.splitlines()]


@pytest.mark.parametrize("values", [[], [1], [{"a": [1, {"b": "x\ny"}], "c": {}}, {"a": float("nan")}, []]])
def test_a_list_is_printed_value_by_value_as_at_once(capsys, values):
    printing.print_json(values)
    at_once = capsys.readouterr().out
    printing.print_json_list(iter(values))
    assert capsys.readouterr().out == at_once
