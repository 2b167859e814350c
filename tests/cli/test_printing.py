"""What tables look like."""

import pytest

from sharpen.cli.printing import table


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
