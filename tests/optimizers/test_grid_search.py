"""Grid search."""

from __future__ import annotations

import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sharpen.errors import UsageError
from sharpen.optimizers import GridSearch
from sharpen.optimizers.grid import points, unfinished
from sharpen.space import Choice, Condition, Constant, Float, Int, Space
from sharpen.trial import Proposal, Trial, TrialState

RNG = np.random.default_rng(0)
SPACE = Space({"a": Int(3, 5), "b": Choice((True, False, None)), "c": Constant(0), "d": Choice(("x", "y"))})


def as_trials(proposals: list[Proposal]) -> list[Trial]:
    return [Trial(n, p.config, TrialState.RUNNING, origin=p.origin) for n, p in enumerate(proposals, 1)]


@pytest.mark.parametrize("n", [1, 4, 18, 50])
def test_all_combinations_come_once_in_the_order_of_nested_loops(n) -> None:
    found: list[Proposal] = []
    while batch := GridSearch().ask(SPACE, as_trials(found), n, RNG):
        found += batch
    expected = itertools.product((3, 4, 5), (True, False, None), (0,), ("x", "y"))
    assert [tuple(p.config.values()) for p in found] == list(expected)
    assert [list(p.config) for p in found] == [["a", "b", "c", "d"]] * 18


def test_trials_of_another_origin_do_not_advance_the_grid() -> None:
    (first,) = GridSearch().ask(SPACE, [], 1, RNG)
    extra = [Trial(n, {"a": 4}, TrialState.FAILED, origin="enqueued") for n in (1, 2, 3)]
    assert GridSearch().ask(SPACE, extra, 1, RNG) == [first]


def test_a_grid_too_large_to_hold_is_no_trouble() -> None:
    space = Space({f"x{i}": Int(0, 99) for i in range(12)})
    last = dict.fromkeys(space.dimensions, 0) | {"x10": 1}
    past = [Trial(1, last, TrialState.FINISHED, origin="grid")]
    (p,) = GridSearch().ask(space, past, 1, RNG)
    assert space.size == 100**12
    assert (p.config["x11"], p.config["x10"], p.config["x9"]) == (1, 1, 0)


def test_real_numbers_are_refused_by_name() -> None:
    space = Space({"n": Int(1, 2), "lr": Float(0.0, 1.0), "l2": Float(0.0, 1.0)})
    with pytest.raises(UsageError, match=r"real numbers of lr, l2: give values") as caught:
        GridSearch().ask(space, [], 1, RNG)
    assert caught.value.facts["parameters"] == ["lr", "l2"]


TREE_OR_NET = Space(
    {
        "depth": Int(1, 3),
        "kind": Choice(("tree", "net")),
        "width": Choice((8, 16)),
        "skip": Choice((True, False)),
    },
    conditions={
        "depth": Condition("kind", ("tree",)),
        "width": Condition("kind", ("net",)),
        "skip": Condition("width", (16,)),
    },
    forbidden=({"kind": "tree", "depth": 2}, {"width": 16, "skip": False}),
)


def test_configurations_that_are_the_same_or_forbidden_are_passed_over() -> None:
    found: list[Proposal] = []
    while batch := GridSearch().ask(TREE_OR_NET, as_trials(found), 2, RNG):
        found += batch
    assert [dict(p.config) for p in found] == [
        {"depth": 1, "kind": "tree"},
        {"kind": "net", "width": 8},
        {"kind": "net", "width": 16, "skip": True},
        {"depth": 3, "kind": "tree"},
    ]


def test_a_huge_forbidden_part_is_stepped_over_and_not_walked_through() -> None:
    free = {f"x{i}": Int(0, 99) for i in range(6)}
    space = Space({"kind": Choice(("a", "b")), **free}, forbidden=({"kind": "a"},))
    assert next(points(space))["kind"] == "b"
    space = Space({"kind": Choice(("a", "b")), **free}, {name: Condition("kind", ("b",)) for name in free})
    assert [len(c) for c, _ in zip(points(space), range(3), strict=False)] == [1, 7, 7]


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 4)), max_size=3),
    st.lists(st.dictionaries(st.integers(0, 3), st.integers(1, 4), min_size=1, max_size=2), max_size=2),
)
def test_it_is_every_configuration_that_the_cube_has_each_once(sizes, needs, bans) -> None:
    names = [f"p{i}" for i in range(len(sizes))]
    conditions = {
        names[child]: Condition(names[parent], (value,))
        for child, parent, value in needs
        if max(child, parent) < len(names) and child != parent
    }
    hypothesis.assume(not _has_cycle(conditions))
    forbidden = tuple({names[i]: v for i, v in ban.items() if i < len(names)} for ban in bans)
    space = Space({n: Int(1, size) for n, size in zip(names, sizes, strict=True)}, conditions, forbidden)
    middles = itertools.product(*([(i + 0.5) / size for i in range(size)] for size in sizes))
    expected = {space.key(c): c for u in middles if space.allows(c := space.from_unit(u))}
    found = list(points(space))
    assert {space.key(c) for c in found} == set(expected)
    assert len(found) == len(expected)
    for i, config in enumerate(found):
        assert list(points(space, after=config)) == found[i + 1 :]


def _has_cycle(conditions: dict[str, Condition]) -> bool:
    for start in conditions:
        name, seen = start, set[str]()
        while name in conditions and name not in seen:
            seen.add(name)
            name = conditions[name].parent
        if name in seen:
            return True
    return False


def test_failed_and_deleted_points_come_back_on_request_and_not_for_ever() -> None:
    space = Space({"a": Int(1, 4)})
    states = {
        1: TrialState.FINISHED,
        2: TrialState.FAILED,
        3: TrialState.CANCELED,  # which is how a deleted one is seen
        4: TrialState.RUNNING,
    }
    past = [Trial(n, {"a": n}, state, origin="grid") for n, state in states.items()]
    assert GridSearch().ask(space, past, 9, RNG) == []
    again = GridSearch(retries=1).ask(space, past, 9, RNG)
    assert [p.config["a"] for p in again] == [2, 3]
    past += [Trial(5 + i, p.config, TrialState.CRASHED, origin="grid") for i, p in enumerate(again)]
    assert GridSearch(retries=1).ask(space, past, 9, RNG) == []
    assert [c["a"] for c in unfinished(space, past, retries=9)] == [2, 3]


def test_a_retry_in_mid_grid_does_not_move_the_grid() -> None:
    space = Space({"a": Int(1, 4)})
    past = [
        Trial(1, {"a": 1}, TrialState.FAILED, origin="grid"),
        Trial(2, {"a": 2}, TrialState.FINISHED, origin="grid"),
        Trial(3, {"a": 1}, TrialState.FINISHED, origin="grid"),
    ]
    assert [p.config["a"] for p in GridSearch(retries=1).ask(space, past, 9, RNG)] == [3, 4]
