"""What a program says is refused at once when no reader could show or store it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.tracking.names import LARGEST_STEP

NOT_TEXT = os.fsdecode(b"bars-\xff.csv")


@pytest.fixture
def run(monkeypatch):
    """Give a run that writes to the terminal."""
    monkeypatch.delenv("SHARPEN_RUN", raising=False)
    with tracking.init() as made:
        yield made


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (NOT_TEXT, "without control characters"),
        ("\x1b[31mesc", "without control characters"),
        ("two\nlines", "one line"),
        ("nul\0", "without control characters"),
        ("n" * 1001, "1,001 letters, and the limit is 1,000"),
        ("", "it is empty"),
        (5, "a name is text"),
        (None, "a name is text"),
    ],
)
def test_a_name_that_cannot_be_shown_is_refused_wherever_it_is_given(run, tmp_path, name, why):
    (tmp_path / "file").touch()
    for act in (
        lambda: run.log({name: 1.0}),
        lambda: run.summary.update({name: 1}),
        lambda: run.log_artifact(tmp_path / "file", name="x", type=name),
    ):
        with pytest.raises(UsageError, match="is no name of") as problem:
            act()
        assert why in problem.value.message
        assert len(problem.value.message) < 250
        problem.value.message.encode()
    if name is not None:  # the file's own, then
        with pytest.raises(UsageError, match="no name of an artifact"):
            run.log_artifact(tmp_path / "file", name=name)


def test_a_text_that_is_no_unicode_is_refused(run):
    with pytest.raises(UsageError, match=r"summary: file: .* no text: write them out") as problem:
        run.summary["file"] = NOT_TEXT
    assert "\\udcff" in problem.value.message
    assert list(run.summary) == []
    with pytest.raises(UsageError, match="log: file"):
        run.log({"file": NOT_TEXT})


@pytest.mark.parametrize("step", [2**63, 10**29, 10**400, True])
def test_a_step_that_no_store_holds_is_refused_and_moves_nothing(run, tmp_path, step, capsys):
    run.log({"a": 1}, step=1)
    (tmp_path / "ck.bin").touch()
    for act in (
        lambda: run.log({"a": 1}, step=step),
        lambda: run.save_checkpoint(tmp_path / "ck.bin", step=step),
    ):
        with pytest.raises(UsageError, match=f"a step is a whole number from 0 to {LARGEST_STEP}"):
            act()
    with pytest.raises(UsageError, match="save_checkpoint"):
        run.save_checkpoint(tmp_path / "ck.bin", step=-1)
    run.log({"a": 2})
    assert capsys.readouterr().out == "step 1  a=1\nstep 2  a=2\n"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.floats() | st.integers(), max_size=3))
def test_whatever_is_logged_is_taken_or_refused_in_a_sentence(metrics):
    made = tracking.init()
    try:
        made.log(metrics)
    except UsageError as refusal:
        refusal.message.encode()
    finally:
        made.finish()
