"""Words of error messages: what somebody may have meant, lists, and what a value is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

from sharpen.errors import SpecError
from sharpen.jsonable import LARGEST_INTEGER

Problem = tuple[str, str]
"""Where something is wrong, and what is wrong there with its fix."""

Hint = tuple[str, str]
"""A known name, and the sentence to say of it; an empty sentence means: did you mean it?"""

LONGEST_SHOWN = 60
MOST_PROBLEMS = 100
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TYPE_NAMES = {"dict": "mapping"}


def close_name(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that a word is nearly, or that it begins; None when none is near.

    Args:
        word: What somebody wrote.
        known: What could be meant.
        cutoff: How near it must be, from 0 to 1, as :func:`difflib.get_close_matches` counts.

    >>> close_name("methd", ["metric", "method"]), close_name("max", ["maximize"]), close_name("x", ["lr"])
    ('method', 'maximize', None)
    """
    names = list(known)
    begun = [name for name in names if len(word) > 1 and name.startswith(word)]
    close = begun or difflib.get_close_matches(word, names, n=1, cutoff=cutoff)
    return close[0] if close else None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for a word that is nearly a known one, else nothing.

    >>> nearest("methd", ["metric", "method"])
    "; did you mean 'method'?"
    """
    return nearest_of([word], known)


def nearest_of(
    written: Iterable[str],
    known: Iterable[str],
    synonym: Callable[[str, list[str]], Hint | None] = lambda word, known: None,
) -> str:
    """Return what :func:`nearest` does, of several words together.

    Args:
        written: What somebody wrote.
        known: What could be meant.
        synonym: Returns what a word stands for that is not like any known one; None for no such word.

    >>> nearest_of(["mn", "mx"], ["min", "max"])
    "; did you mean 'min' and 'max'?"
    """
    names = list(known)
    meant = dict.fromkeys(hint for word in written if (hint := _meant(word, names, synonym)) is not None)
    guesses = sorted((name for name, sentence in meant if not sentence), key=names.index)
    question = [f"did you mean {' and '.join(map(repr, guesses))}?"] if guesses else []
    sentences = (*question, *(sentence for _, sentence in meant if sentence))
    return "".join(f"; {sentence}" for sentence in sentences)


def _meant(word: str, names: list[str], synonym: Callable[[str, list[str]], Hint | None]) -> Hint | None:
    hint = synonym(word, names)
    if hint is not None:
        return hint
    close = close_name(word, names)
    return None if close is None else (close, "")


def join(names: Iterable[str]) -> str:
    """Return words as a list for people.

    >>> join(["a", "b"])
    'a, b'
    """
    return ", ".join(names)


def describe(value: Any) -> str:
    """Return what a value is, for people.

    >>> describe({}), describe("x"), describe(None), describe(True), describe("")
    ('a mapping', "the text 'x'", 'empty', 'true', 'empty text')
    """
    if value is None or isinstance(value, bool):
        return "empty" if value is None else str(value).lower()
    if value == "":
        return "empty text"
    if isinstance(value, str | int | float):
        return f"the {'text' if isinstance(value, str) else 'number'} {_shortened(value)}"
    name = type(value).__name__
    return f"a {_TYPE_NAMES.get(name, name)}"


def _shortened(value: Any) -> str:
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return f"of {value.bit_length()} bits"
    shown = repr(value)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}…"


def count(n: int, noun: str) -> str:
    """Return a number and what it counts, in the plural where there is not just one.

    >>> count(1, "parameter"), count(3, "parameter")
    ('1 parameter', '3 parameters')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def duration(seconds: float) -> str:
    """Return a length of time in words.

    >>> duration(59.6), duration(61), duration(7322)
    ('60s', '1m01s', '2h02m')
    """
    whole = round(seconds)
    if whole <= 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    hours, left = divmod(minutes, 60)
    return f"{hours}h{left:02d}m" if hours else f"{minutes}m{rest:02d}s"


def printable(text: str) -> str:
    r"""Return a text with what is no character to be seen written out; line ends and tabs stay.

    That is halves of characters, and the control characters that steer a terminal or turn the direction of
    writing.

    >>> print(printable("p\ud800 \x1b[31m"))
    p\ud800 \x1b[31m
    """
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return STEERING.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def refuse(where: str, problems: Iterable[Problem]) -> SpecError:
    """Return the error that shows every problem of a file, one a line."""
    distinct = list(dict.fromkeys((_line(path), _line(sentence)) for path, sentence in problems))
    lines = [f"{where} has {count(len(distinct), 'problem')}:"]
    lines += [f"  {path}: {sentence}" for path, sentence in distinct[:MOST_PROBLEMS]]
    if len(distinct) > MOST_PROBLEMS:
        lines.append(f"  … and {len(distinct) - MOST_PROBLEMS} more")
    return SpecError("\n".join(lines), problems=distinct, where=where)


def _line(text: str) -> str:
    return " ".join(printable(text).split())
