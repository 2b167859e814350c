"""Configurations that a person names, checked against the space and made whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sharpen.errors import UsageError
from sharpen.hints import Problem, printable
from sharpen.space import Space
from sharpen.spec import partial_configs
from sharpen.spec.problem_node import Node


def complete(space: Space, point: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the whole configuration of which some parameters are given, and what is wrong with those.

    They are read by the rules of ``prior`` in a sweep file: parameters that are left out get the middle of
    their range, and names may be dotted or nested. Problems are (path, sentence) pairs; the configuration
    means something only when there are none.

    >>> from sharpen.space import Choice, Int
    >>> space = Space({"depth": Int(3, 7), "model.kind": Choice(("a", "b", "c"))})
    >>> complete(space, {"depth": 3.0, "model": {"kind": "c"}})
    ({'depth': 3, 'model.kind': 'c'}, [])
    >>> for problem in complete(space, {"dept": 3, "model.kind": "d"})[1]:
    ...     print(*problem)
    $.dept there is no parameter 'dept'; did you mean 'depth'?
    $.model.kind cannot be 'd': the parameter takes 'a', 'b', 'c'
    """
    problems: list[Problem] = []
    config = partial_configs.whole(Node(dict(point), "$", problems), space)
    return config, [(printable(path), printable(sentence)) for path, sentence in problems]


def complete_all(space: Space, points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the whole configurations of several of which some parameters are given.

    Raises:
        UsageError: Something is wrong with one of them; it says all that is wrong with any.

    >>> from sharpen.space import Int
    >>> complete_all(Space({"depth": Int(3, 7)}), [{}, {"depth": 3}])
    [{'depth': 5}, {'depth': 3}]
    """
    completed = [complete(space, point) for point in points]
    wrong = [
        (f"point {n}: {path}" if len(completed) > 1 else path, sentence)
        for n, (_, problems) in enumerate(completed, 1)
        for path, sentence in problems
    ]
    if wrong:
        raise UsageError("\n  ".join(["nothing was added:", *map(": ".join, wrong)]), problems=wrong)
    return [config for config, _ in completed]
