"""Search methods and stop rules that raise: the sweep's failure, and no reason for anybody else to die."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class Broken(Exception):
    """A search method or a stop rule raised; says which, what, and where."""


@contextmanager
def blaming(noun: str, what: object) -> Generator[None]:
    """Turn whatever is raised into :class:`Broken`.

    Args:
        noun: What ``what`` is.
        what: The search method or stop rule.

    >>> with blaming("stop rule", 5):
    ...     1 / 0
    Traceback (most recent call last):
    sharpen.sweep.broken.Broken: the stop rule int failed: ZeroDivisionError: division by zero (..., line 2)
    """
    try:
        yield
    except Exception as problem:
        place = problem.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f" ({place.tb_frame.f_code.co_filename}, line {place.tb_lineno})" if place else ""
        words = f"the {noun} {type(what).__name__} failed: {type(problem).__name__}: {problem}{where}"
        raise Broken(words) from problem
