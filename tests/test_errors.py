"""The exception tree: every class survives pickling and the wire, with its facts."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from sharpen import errors
from sharpen.coordinator.core import _error
from sharpen.errors import InternalError, MissingExtra, SharpenError, from_facts
from sharpen.jsonable import dumps


def subclasses(kind: type[SharpenError]) -> list[type[SharpenError]]:
    return [kind, *(found for sub in kind.__subclasses__() for found in subclasses(sub))]


KINDS = sorted((k for k in subclasses(SharpenError) if k.__module__ == "sharpen.errors"), key=str)
PLAIN = [kind for kind in KINDS if kind is not MissingExtra]
FACTS: dict[str, Any] = {
    "problems": [["$.a", "is odd"], ["$.b.c", "is missing"]],
    "rows": [1, 2],
    "why": "ended",
}


def over_the_wire(error: SharpenError) -> SharpenError:
    reply = json.loads(dumps(_error(error)))["error"]
    return from_facts(reply["kind"], reply["message"], reply["facts"])


def test_the_tree_is_the_one_that_the_docstring_draws() -> None:
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in KINDS if kind.__name__ not in errors.__doc__] == []
    assert len(KINDS) == 13


@pytest.mark.parametrize("kind", PLAIN)
def test_an_error_survives_pickling_and_the_wire(kind: type[SharpenError]) -> None:
    error = kind("it is wrong, here: do that", **FACTS)
    for copy in (pickle.loads(pickle.dumps(error)), over_the_wire(error)):
        assert type(copy) is kind
        assert (str(copy), copy.message, copy.facts) == (str(error), error.message, FACTS)


def test_a_missing_extra_survives_both() -> None:
    error = MissingExtra("optuna", "samplers")
    for copy in (pickle.loads(pickle.dumps(error)), over_the_wire(error)):
        assert type(copy) is MissingExtra
        assert str(copy) == "optuna is not installed: pip install 'sharpen[samplers]'"
        assert copy.facts == {"package": "optuna", "extra": "samplers"}


@pytest.mark.parametrize("name", ["Nonsense", "Any", "from_facts", "annotations", ""])
def test_an_unknown_name_becomes_the_root(name: str) -> None:
    assert type(from_facts(name, "words", {})) is SharpenError


def test_an_exception_that_is_not_ours_travels_as_an_internal_error() -> None:
    copy = over_the_wire(ZeroDivisionError("division by zero"))  # type: ignore[arg-type]
    assert type(copy) is InternalError
    assert "ZeroDivisionError: division by zero" in str(copy)
    assert copy.facts["id"] in str(copy)
