"""What a program says is refused at once when no reader could show or store it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.names import LARGEST_STEP, check_name, fitted
from sharpen.wandb.config import Config as WandbConfig

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


def test_there_is_no_step_after_the_largest(run):
    run.log({"a": 1}, step=LARGEST_STEP)
    with pytest.raises(UsageError, match=rf"log\(step={LARGEST_STEP + 1}\): a step is a whole number from 0"):
        run.log({"a": 2})


def nested(n: int) -> list:
    """Return a list in a list, and so on."""
    found: list = []
    for _ in range(n):
        found = [found]
    return found


def doubled(n: int) -> list:
    """Return a list that holds another twice, and so on: 2**n values when it is written."""
    found: list = [1]
    for _ in range(n):
        found = [found, found]
    return found


HOLDS_ITSELF: list = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize("value", [nested(150), nested(5000), doubled(60), HOLDS_ITSELF])
def test_a_value_that_no_reader_can_take_is_refused_wherever_it_is_given(run, tmp_path, value):
    (tmp_path / "file").touch()
    config = WandbConfig({"lr": 0.1})
    for act in (
        lambda: run.log({"a": value}),
        lambda: run.summary.update({"a": value}),
        lambda: run.summary.update({"a": {"b": (value,)}}),
        lambda: run.log_artifact(tmp_path / "file", metadata={"a": value}),
        lambda: tracking.init({"a": value}),
        lambda: tracking.init({"a": {"b": value}}, project="p", home=tmp_path),
        lambda: tracking.init_all({"a": value}),
        lambda: config.update({"a": value}),
    ):
        with pytest.raises(
            UsageError, match=r"nests deeper than 100 levels|holds more than 33,554,432 values"
        ):
            act()
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../../../etc/x", "leads out of its folder"),
        ("..", "leads out of its folder"),
        ("a\\..\\b", "leads out of its folder"),
        ("/abs", "an absolute path"),
        ("p" * 100_000, "100,000 letters, and the limit is 1,000"),
        ("two\u2028lines", "one line"),
        ("  ", "blank"),
        pytest.param(10**5000, "a name is text", id="digits"),
    ],
)
def test_a_name_that_leads_elsewhere_as_a_path_is_refused(run, tmp_path, name, why):
    (tmp_path / "file").touch()
    for act in (
        lambda: run.log_artifact(tmp_path / "file", name=name),
        lambda: tracking.init(project=name, home=tmp_path),
    ):
        with pytest.raises(UsageError, match="is no name of") as problem:
            act()
        assert why in problem.value.message
        assert len(problem.value.message) < 250


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"tags": ["\x1b[2J"]}, "no name of a tag"),
        ({"tags": ["ok", " "]}, "blank"),
        ({"tags": "fast"}, "a list of texts"),
        ({"tags": ["t" * 1001]}, "1,001 letters"),
        ({"group": "g\n"}, "no name of a group"),
        ({"job_type": "j" * 1001}, "no name of a job_type"),
        ({"name": "\x00"}, "no name of a display"),
        ({"group": 5}, "text, not the number 5"),
        ({"notes": {"a": 1}}, "text, not a mapping"),
    ],
)
def test_a_label_that_cannot_be_shown_is_refused(tmp_path, about, why):
    with pytest.raises(UsageError, match=why):
        tracking.init(project="p", home=tmp_path, **about)


def test_a_row_has_as_many_names_as_a_reader_can_show(run, capsys):
    run.log({str(i): i for i in range(10_000)})
    with pytest.raises(UsageError, match="10,001 names in one row, and the limit is 10,000"):
        run.log({str(i): i for i in range(10_001)})
    capsys.readouterr()
    run.log({"a": 1})
    assert capsys.readouterr().out == "step 2  a=1\n"


@given(st.text())
def test_a_name_that_is_fitted_is_taken(name):
    check_name("log", "a metric", fitted(name))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.floats() | st.integers(), max_size=3))
def test_whatever_is_logged_is_taken_or_refused_in_a_sentence(metrics):
    made = tracking.init()
    try:
        made.log(metrics)
    except UsageError as refusal:
        refusal.message.encode()
    finally:
        made.finish()
