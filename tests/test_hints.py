"""Words of error messages."""

from __future__ import annotations

import pytest

from sharpen.hints import close_name, count, describe, nearest, nearest_of, printable, refuse


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("methd", ["metric", "method"], "method"),
        ("max", ["minimize", "maximize"], "maximize"),
        ("m", ["metric"], None),
        ("loss", [], None),
        ("", ["a"], None),
    ],
)
def test_a_near_name_is_close_or_begun(word: str, known: list[str], found: str | None) -> None:
    assert close_name(word, known) == found
    assert nearest(word, known) == (f"; did you mean {found!r}?" if found else "")


def test_a_synonym_wins_over_a_likeness_and_may_say_a_sentence_of_its_own() -> None:
    synonyms = {"low": ("min", ""), "step": ("q", "give the step as q")}

    def synonym(word: str, known: list[str]) -> tuple[str, str] | None:
        return synonyms.get(word)

    words = nearest_of(["step", "low", "vales"], ["min", "values", "q"], synonym)
    assert words == "; did you mean 'min' and 'values'?; give the step as q"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "empty text"),
        (None, "empty"),
        (False, "false"),
        (10**400, "the number of 1329 bits"),
        ("x" * 100, f"the text '{'x' * 56}…"),
        ([], "a list"),
        ({}, "a mapping"),
    ],
)
def test_values_are_described_for_people(value: object, words: str) -> None:
    assert describe(value) == words


def test_problems_are_counted_and_each_is_one_printable_line() -> None:
    error = refuse("s.yaml", [("$.a", "is\nwrong"), ("$.a", "is wrong"), ("$.\ud800", "too")])
    assert str(error) == "s.yaml has 2 problems:\n  $.a: is wrong\n  $.\\ud800: too"
    assert error.facts["problems"] == [("$.a", "is wrong"), ("$.\\ud800", "too")]
    assert str(refuse("s.yaml", [("$", "x")])).startswith("s.yaml has 1 problem:")
    assert count(0, "run") == "0 runs"
    assert printable("ok é") == "ok é"
