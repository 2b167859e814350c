"""The persistent sequence of trials: a tuple's answers at a chunk's cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.sweep.trials import CHUNK, Trials
from sharpen.trial import Trial, TrialState


def row(n: int) -> list[Trial]:
    return [Trial(i, {"x": i}) for i in range(1, n + 1)]


@pytest.mark.parametrize("n", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_it_is_the_list_of_its_trials(n: int) -> None:
    trials = Trials()
    for trial in row(n):
        trials = trials.put(trial)
    assert trials == Trials.of(row(n)), "however it came about"
    assert list(trials) == row(n)
    assert len(trials) == n
    assert [trials[i] for i in range(-n, n)] == row(n) + row(n)
    for place in (n, -n - 1):
        with pytest.raises(IndexError):
            trials[place]


@given(st.lists(st.integers(1, 600)), st.slices(600))
def test_changes_are_seen_in_the_new_value_only(numbers: list[int], part: slice) -> None:
    before = Trials.of(row(600))
    now, plain = before, row(600)
    for number in numbers:
        changed = Trial(number, {"x": number}, TrialState.FINISHED, score=1.0)
        now, plain[number - 1] = now.put(changed), changed
    assert list(now) == plain
    assert now[part] == plain[part]
    assert list(before) == row(600)


@pytest.mark.parametrize("n", [0, 1, CHUNK, CHUNK + 1])
@pytest.mark.parametrize("n_more", [0, 1, CHUNK - 1, 2 * CHUNK])
def test_it_is_made_longer_by_many_at_once(n: int, n_more: int) -> None:
    all_of_them = row(n + n_more)
    before = Trials.of(all_of_them[:n])
    assert before.longer(all_of_them[n:]) == Trials.of(all_of_them)
    assert list(before) == all_of_them[:n]


def test_a_change_copies_one_chunk() -> None:
    before = Trials.of(row(10 * CHUNK))
    after = before.put(Trial(5, {}))
    assert [a is b for a, b in zip(before.chunks, after.chunks, strict=True)] == [False] + [True] * 9
