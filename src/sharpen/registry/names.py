"""The version that a word means, such as ``xgb_classifier:v5`` or ``xgb_classifier:candidate``."""

from __future__ import annotations

import re

from sharpen.errors import UsageError
from sharpen.store.collection_rows import VersionRow, collections, resolve
from sharpen.store.queries import Reader

JOINED = re.compile(r"(.+)_(v\d+)")


def split(word: str) -> tuple[str, str]:
    """Return the collection and the version or alias in a word; the newest version when none is named.

    >>> split("xgb_classifier:candidate"), split("xgb_classifier_v5"), split("xgb_classifier")
    (('xgb_classifier', 'candidate'), ('xgb_classifier', 'v5'), ('xgb_classifier', 'latest'))
    """
    name, colon, version = word.strip().rpartition(":")
    if colon:
        return name, version
    joined = JOINED.fullmatch(word.strip())
    return (joined[1], joined[2]) if joined else (word.strip(), "latest")


def find(reader: Reader, word: str) -> VersionRow:
    """Return the version of a model that a word means.

    Raises:
        NotFound: There is none.
        UsageError: The word is empty.
    """
    if not word.strip():
        raise UsageError("which model? write NAME:vN or NAME:ALIAS")
    if ":" not in word and word in collections(reader):  # one may be called my_v2
        return resolve(reader, word, "latest")
    return resolve(reader, *split(word))


def is_model(reader: Reader, word: str) -> bool:
    """Return whether a word names a model of the registry rather than a run."""
    return ":" in word or split(word)[0] in collections(reader)
