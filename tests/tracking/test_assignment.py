"""SHARPEN_RUN: what no agent writes is refused in a sentence, before the program has done anything."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen import tracking
from sharpen.errors import StoreError, UsageError
from sharpen.tracking.assignment import Assignment, read_assignment

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*Assignment.__slots__, "home", ""])
LEASED = {"channel": "unix:/s", "run_id": "a-1", "token": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no mapping"),
        ("null", "no mapping"),
        ("5", "no mapping"),
        ('{"token": 1}', "it lacks 'channel'"),
        ('{"token": 1, "channel": "unix:/s"}', "it lacks 'run_id'"),
        ('{"token": "1", "channel": "unix:/s", "run_id": "a-1"}', "'token' must be a whole number"),
        ('{"token": true, "channel": "unix:/s", "run_id": "a-1"}', "'token' must be a whole number"),
        ('{"results": "r.jsonl", "stage": "lockbox"}', "it lacks 'channel'"),
        ('{"stage": "final"}', "no stage 'final'"),
        ('{"config": [1]}', "'config' must be a mapping"),
        ('{"seed": 1.5}', "'seed' must be a whole number"),
        ('{"checkpoint": {"digest": 5}, "channel": "unix:/s"}', "a digest and a step"),
    ],
)
def test_a_forged_one_is_refused_with_its_fault(monkeypatch, text, why):
    monkeypatch.setenv("SHARPEN_RUN", text)
    with pytest.raises(
        UsageError, match=r"SHARPEN_RUN is not sharpen's: .*; unset it to run alone"
    ) as problem:
        tracking.init()
    assert why in problem.value.message


def test_an_address_of_nowhere_and_a_lost_checkpoint_are_said(monkeypatch, tmp_path):
    monkeypatch.setenv("SHARPEN_RUN", json.dumps({**LEASED, "channel": "nowhere"}))
    with pytest.raises(UsageError, match="no address"):
        tracking.init()
    lost = {**LEASED, "channel": f"unix:{tmp_path}", "checkpoint": {"digest": "ab" * 32, "step": 3}}
    monkeypatch.setenv("SHARPEN_RUN", json.dumps(lost))
    with pytest.raises(StoreError, match="blob abababababab is damaged: it is missing"):
        tracking.init()


@given(st.dictionaries(KEYS, JSON, max_size=6) | JSON)
def test_anything_is_read_or_refused(found):
    with contextlib.suppress(UsageError):
        assigned = read_assignment({"SHARPEN_RUN": json.dumps(found)})
        assert assigned.token is None or (assigned.channel and assigned.run_id)


def test_nothing_is_a_program_that_runs_alone():
    assert read_assignment({}) == Assignment()
