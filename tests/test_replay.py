"""What is kept between questions changes no answer, and is made anew when its source is another."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.replay import LastAnswer, PerNumber, Replay


@dataclass(frozen=True)
class Item:
    """A thing that may be equal to another and yet not be it."""

    value: int

    @property
    def is_even(self) -> bool:
        """Whether a state may take it in."""
        return self.value % 2 == 0


POOL = [Item(value) for value in (0, 0, 1, 2, 2, 4)]
SEQUENCES = st.lists(st.lists(st.sampled_from(POOL), max_size=8), max_size=8)


@given(sequences=SEQUENCES)
def test_a_replay_answers_as_one_that_was_asked_nothing_before(sequences: list[list[Item]]) -> None:
    replay = Replay[list[Item], Item](list, list[Item].append)
    for items in sequences:
        assert list(map(id, replay.after(items))) == list(map(id, items))


@given(sequences=SEQUENCES)
def test_a_split_is_where_the_first_item_is_that_does_not_belong(sequences: list[list[Item]]) -> None:
    replay = Replay[list[Item], Item](list, list[Item].append)
    for items in sequences:
        n = next((k for k, item in enumerate(items) if not item.is_even), len(items))
        state, rest = replay.split(items, lambda item: item.is_even)
        assert (list(map(id, state)), list(map(id, rest))) == (
            list(map(id, items[:n])),
            list(map(id, items[n:])),
        )


def test_a_replay_takes_each_item_in_once_while_the_sequence_grows() -> None:
    taken: list[int] = []
    replay = Replay[None, int](lambda: None, lambda _, item: taken.append(item))
    for n in range(50):
        replay.after(range(n))
    assert taken == list(range(49))


def test_a_replay_begins_anew_with_another_first_item_that_is_equal() -> None:
    taken: list[int] = []
    replay = Replay[None, Item](lambda: None, lambda _, item: taken.append(item.value))
    replay.after([Item(1), Item(2)])
    replay.after([Item(1), Item(2)])
    assert taken == [1, 2, 1, 2]


@given(sequences=SEQUENCES)
def test_values_are_those_of_the_objects_that_have_the_numbers_now(sequences: list[list[Item]]) -> None:
    values = PerNumber[Item, int]()
    for items in sequences:
        assert values.all("space", enumerate(items), lambda item: item.value) == [
            item.value for item in items
        ]


@pytest.mark.parametrize(("context", "n_made"), [("same", 3), ("other", 6)])
def test_a_value_is_made_once_for_one_object_in_one_context(context: str, n_made: int) -> None:
    made: list[Item] = []
    values, items = PerNumber[Item, None](), list(enumerate(POOL[:3]))
    for name in ("same", context):
        values.all(name, items, made.append)
    assert len(made) == n_made


@given(questions=st.lists(st.integers(0, 2)))
def test_the_last_answer_is_that_of_the_question(questions: list[int]) -> None:
    last, asked = LastAnswer[int, int](), list[int]()

    def answer(question: int) -> int:
        asked.append(question)
        return -question

    assert [last.get(question, answer) for question in questions] == [-question for question in questions]
    assert asked == [q for k, q in enumerate(questions) if k == 0 or q != questions[k - 1]]
