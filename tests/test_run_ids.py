"""What the runs of a sweep are called."""

import pytest

from sharpen.errors import NotFound
from sharpen.run_ids import run_id, split_run_id


@pytest.mark.parametrize("number", [1, 10, 123_456, 10**17])
def test_an_id_is_split_as_it_was_made(number):
    assert split_run_id(run_id("k3v9x2aq", number)) == ("k3v9x2aq", number)
    assert split_run_id(run_id("a-b", number)) == ("a-b", number)


@pytest.mark.parametrize(
    "digits", ["", "07", "+7", "7 ", "\u0663", "\u00b2", "9" * 5000, "7\n", "best", "7.0"]
)
def test_a_number_is_written_in_one_way(digits):
    with pytest.raises(NotFound, match="SWEEP-NUMBER"):
        split_run_id(f"k3v9x2aq-{digits}")


def test_an_id_without_a_dash_is_no_run_of_a_sweep():
    with pytest.raises(NotFound, match="SWEEP-NUMBER"):
        split_run_id("k3v9x2aq")
