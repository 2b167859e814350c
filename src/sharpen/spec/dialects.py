"""Sweep files in more than one dialect: which one a document is written in, and who reads it.

The text of a sweep is stored to the letter, and each dialect knows its own documents: so a stored sweep is
always read in the dialect that it was written in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sharpen.hints import Problem
from sharpen.spec.document import Document
from sharpen.spec.model import Sweep

ExtraCheck = Callable[[Sweep], Iterable[Problem]]
"""What rooms above find wrong with a sweep, which has stand-ins for what could not be read of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A sweep file as it was found.

    Attributes:
        document: What its YAML holds.
        text: The file, to the letter.
        where: What to call it in messages; its stem is the sweep's name when the file gives none.
        also: What else to look at, once it is read.
    """

    document: Document
    text: str
    where: str
    also: ExtraCheck | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One row of the table.

    Attributes:
        recognises: Whether a document's value is written in it.
        read: Returns the sweep; raises SpecError with all problems.
    """

    recognises: Callable[[Any], bool]
    read: Callable[[Source], Sweep]


def dialect_of(value: Any, dialects: Mapping[str, Dialect]) -> str:
    """Return the name of the first dialect that recognises a document's value; the last takes all.

    >>> every = Dialect(lambda value: True, lambda source: NotImplemented)
    >>> hydra = Dialect(lambda value: "hydra" in value, lambda source: NotImplemented)
    >>> dialect_of({"hydra": {}}, {"hydra": hydra, "wandb": every})
    'hydra'
    """
    return next(name for name, dialect in dialects.items() if dialect.recognises(value))
