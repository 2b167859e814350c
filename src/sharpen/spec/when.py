"""Conditions that are written as expressions: ``when: "booster == 'dart' and depth > 3"``.

They are read by Python's own parser, and nothing in them is ever run: only names, constants, comparisons,
``and``, ``or``, ``in`` and brackets are known.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sharpen.space import Bound, Condition, Dimension, Joined, When
from sharpen.space.conditions import ORDERS, Order
from sharpen.spec.partial_configs import fit
from sharpen.spec.problem_node import Node

MOST_LETTERS = 500
MOST_VALUES = 1000  # of a parameter: with more it is compared as a number
WORDS = {"true": True, "false": False, "null": None, "none": None}
SIGNS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
HINT = "write comparisons such as \"booster == 'dart' and depth > 3\""

Parent = tuple[str, Dimension]
Lookup = Callable[[str, Node], "Parent | None"]
"""Returns the full name and the dimension of a parameter; it notes what is wrong with the name."""


class _Wrong(Exception):
    """What is wrong has been noted."""


def read(node: Node, lookup: Lookup) -> When | None:
    """Return what an expression says; None when something is wrong with it, which is noted at its place.

    Args:
        node: The text.
        lookup: What finds parameters.
    """
    text: str = node.value
    if len(text) > MOST_LETTERS:
        return node.wrong(f"has {len(text):,} letters: {MOST_LETTERS} at most")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        at = f", at letter {problem.offset}" if isinstance(problem, SyntaxError) and problem.offset else ""
        return node.wrong(f"is no expression{at}: {HINT}")
    try:
        return _Reader(node, lookup).condition(tree)
    except _Wrong:
        return None


@dataclass(frozen=True, slots=True)
class _Reader:
    node: Node
    lookup: Lookup

    def condition(self, tree: ast.expr) -> When:
        match tree:
            case ast.BoolOp(op, values):
                parts = tuple(self.condition(value) for value in values)
                return Joined("and" if isinstance(op, ast.And) else "or", parts)
            case ast.Compare():
                return self._comparison(tree)
            case _:
                raise self._wrong(f"knows no {ast.unparse(tree)[:40]!r} by itself: {HINT}")

    def _comparison(self, tree: ast.Compare) -> When:
        terms, comparisons = [tree.left, *tree.comparators], list[When]()
        for left, op, right in zip(terms, tree.ops, terms[1:], strict=False):
            sign = SIGNS.get(type(op))
            if sign is None:
                raise self._wrong(
                    f"knows no {ast.unparse(tree)[:40]!r}: compare by ==, !=, <, <=, >, >= or in"
                )
            comparisons.append(self._pair(left, sign, right))
        return comparisons[0] if len(comparisons) == 1 else Joined("and", tuple(comparisons))

    def _pair(self, left: ast.expr, sign: str, right: ast.expr) -> When:
        if _name_of(left) is None and sign not in ("in", "not in"):
            left, sign, right = right, MIRRORED.get(sign, sign), left
        written = _name_of(left)
        if written is None:
            raise self._wrong(f"compares {ast.unparse(left)[:40]!r} with no parameter: {HINT}")
        parent = self.lookup(written, self.node)
        if parent is None:
            raise _Wrong
        value = self._constant(right)
        if sign in ORDERS:
            return self._order(parent, sign, value)
        values = cast("Sequence[Any]", value if "in" in sign and isinstance(value, tuple) else (value,))
        return self._equality(parent, values, is_not=sign in ("!=", "not in"))

    def _constant(self, tree: ast.expr) -> Any:
        if isinstance(tree, ast.Name) and tree.id.lower() in WORDS:
            return WORDS[tree.id.lower()]
        if isinstance(tree, ast.List | ast.Tuple):
            return tuple(self._constant(item) for item in tree.elts)
        try:
            value = ast.literal_eval(tree)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            shown = ast.unparse(tree)[:40]
            quotes = f"; write '{shown}' in quotes if it is a text" if _name_of(tree) else ""
            raise self._wrong(f"compares with {shown}, which is no value{quotes}") from None
        if isinstance(value, bool | int | float | str | None):
            return value
        raise self._wrong(
            f"compares with {ast.unparse(tree)[:40]}, which is no number, text, true, false or null"
        )

    def _equality(self, parent: Parent, values: Sequence[Any], *, is_not: bool) -> When:
        name, over = parent
        grid = over.grid()
        if grid is None:
            raise self._wrong(f"{name!r} takes any number of a range: compare it by < or >")
        n_problems = len(self.node.problems)
        wanted = tuple(fit(Node(value, self.node.path, self.node.problems), over) for value in values)
        if len(self.node.problems) > n_problems:
            raise _Wrong
        is_one = Condition(name, wanted)
        if not is_not:
            return self._of_values(name, wanted)
        if len(grid) > MOST_VALUES:
            raise self._wrong(f"takes values from {name!r}, which has {len(grid):,}: use < or >")
        return self._of_values(name, tuple(value for value in grid if not is_one.holds(value)))

    def _of_values(self, name: str, values: tuple[Any, ...]) -> When:
        if not values:
            raise self._wrong(f"leaves no value of {name!r}")
        return Condition(name, values)

    def _order(self, parent: Parent, sign: str, number: Any) -> When:
        name, over = parent
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise self._wrong(f"asks whether {name!r} {sign} {number!r}, which is no number")
        grid = over.grid()
        if grid is not None and not all(_is_number(value) for value in grid[:MOST_VALUES]):
            raise self._wrong(f"{name!r} takes values that are no numbers: compare it by == or in")
        order: Order = next(order for order in ORDERS if order == sign)
        bound = Bound(name, order, number)
        ends = (over.from_unit(0.0), over.from_unit(1.0)) if grid is None else (grid[0], grid[-1])
        if grid is not None and len(grid) <= MOST_VALUES:
            passing = tuple(value for value in grid if bound.holds_in({name: value}))
            return self._of_values(name, passing)
        if not any(bound.holds_in({name: end}) for end in ends):
            raise self._wrong(f"never holds: {name!r} goes from {ends[0]:g} to {ends[1]:g}")
        return bound

    def _wrong(self, sentence: str) -> _Wrong:
        self.node.wrong(sentence)
        return _Wrong()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name_of(tree: ast.expr) -> str | None:
    """Return a name, with the dots of groups; None for what is none."""
    match tree:
        case ast.Name(id) if id.lower() not in WORDS:
            return id
        case ast.Attribute(value, attr):
            before = _name_of(value)
            return None if before is None else f"{before}.{attr}"
        case _:
            return None
