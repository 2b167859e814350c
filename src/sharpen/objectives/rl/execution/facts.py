"""Which orders a run saw and which it has left for the end, in the words that all programs share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from sharpen.facts import BarsFacts, LockboxFacts, RunFacts
from sharpen.objectives.rl.execution.book_data import Book, moment
from sharpen.objectives.rl.execution.data_split import LOCKBOX


def book_facts(book: Book, name: str) -> RunFacts:
    """Return which snapshots of a recorded book a search sees and which it does not.

    Args:
        book: The book.
        name: What it is called.
    """
    cut = round(LOCKBOX.start * len(book.time_s))
    first, last, start = (moment(book.time_s[at]) for at in (0, cut - 1, cut))
    development_facts = BarsFacts(name, _hash(book, slice(0, cut)), (), first, last)
    return RunFacts(development_facts, LockboxFacts(_hash(book, slice(cut, None)), start))


def drawn_facts(market: str, rules: Mapping[str, Any], seed: int) -> RunFacts:
    """Return what orders are called that a market draws: by its name, its rules and the seed.

    >>> drawn_facts("signal", {}, 0).bars.name
    'signal'
    """
    text = repr((market, sorted(rules.items()), seed))
    held_out_digest, lockbox_digest = (
        hashlib.sha256(f"{use} {text}".encode()).hexdigest() for use in ("held-out", "lockbox")
    )
    return RunFacts(BarsFacts(market, held_out_digest), LockboxFacts(lockbox_digest))


def _hash(book: Book, rows: slice) -> str:
    arrays = (book.time_s, book.bid_price, book.bid_size, book.ask_price, book.ask_size)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array[rows]).tobytes())
    if (trades := book.trades) is not None:
        time_s = book.time_s[rows]
        inside = (trades.time_s >= time_s[0]) & (trades.time_s <= time_s[-1])
        for array in (trades.time_s, trades.price, trades.size, trades.side):
            digest.update(np.ascontiguousarray(array[inside]).tobytes())
    return digest.hexdigest()
