"""What is kept between questions about a history that grows; it saves time and changes no answer.

Search methods and stop rules are functions of the history: a restart, a second process and a test that asks
once get the same answers. Each of these three keeps what it made of one history for the next, and makes it
anew whenever what it was made of is not the same any more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

State = TypeVar("State")
Item = TypeVar("Item")
Source = TypeVar("Source")
Value = TypeVar("Value")
Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Replay(Generic[State, Item]):
    """A state that takes in items one by one, kept while a sequence begins with the very same ones.

    Args:
        start: Makes the state that has taken in nothing.
        take: Takes one item into a state, in place.

    >>> total = Replay(list[str], list[str].append)
    >>> total.after(["a", "b"]), total.after(["a", "b", "c"]), total.after(["c"])
    (['a', 'b', 'c'], ['a', 'b', 'c'], ['c'])
    """

    def __init__(self, start: Callable[[], State], take: Callable[[State, Item], object]) -> None:
        self._start, self._take = start, take
        self._state = start()
        self._taken: list[Item] = []

    def after(self, items: Sequence[Item]) -> State:
        """Return the state after all items; it is kept, so whoever changes it takes a copy."""
        return self.split(items, lambda _: True)[0]

    def split(self, items: Sequence[Item], belongs: Callable[[Item], bool]) -> tuple[State, Sequence[Item]]:
        """Return the state after the first items, and the items from the first that does not belong to it.

        Args:
            items: All of them, in order.
            belongs: Whether the state may take an item in; asked of each item once.
        """
        n = len(self._taken)
        if n > len(items) or not all(map(operator.is_, self._taken, items)):
            self._state, self._taken, n = self._start(), [], 0
        while n < len(items) and belongs(items[n]):
            self._take(self._state, items[n])
            self._taken.append(items[n])
            n += 1
        return self._state, items[n:]


class PerNumber(Generic[Source, Value]):
    """A value for each number, kept while it is made of the very same object.

    >>> lengths = PerNumber[str, int]()
    >>> lengths.all("space", [(1, "abc"), (2, "de")], len)
    [3, 2]
    """

    def __init__(self) -> None:
        self._context: object = None
        self._known: dict[int, tuple[Source, Value]] = {}

    def all(
        self, context: object, sources: Iterable[tuple[int, Source]], make: Callable[[Source], Value]
    ) -> list[Value]:
        """Return the value of each number, in order.

        Args:
            context: What else the values depend on; of another one nothing is kept.
            sources: Numbers, and what their values are made of.
            make: Makes a value.
        """
        if context is not self._context:
            self._context, self._known = context, {}
        known = self._known
        values: list[Value] = []
        for number, source in sources:
            pair = known.get(number)
            if pair is None or pair[0] is not source:
                pair = known[number] = source, make(source)
            values.append(pair[1])
        return values


class LastAnswer(Generic[Question, Answer]):
    """The last answer, kept while the question is equal.

    >>> square = LastAnswer[int, int]()
    >>> square.get(3, lambda question: question**2)
    9
    """

    def __init__(self) -> None:
        self._kept: tuple[Question, Answer] | None = None

    def get(self, question: Question, answer: Callable[[Question], Answer]) -> Answer:
        """Return the answer to a question, by ``answer`` unless it is the last one again."""
        if self._kept is None or self._kept[0] != question:
            self._kept = question, answer(question)
        return self._kept[1]
