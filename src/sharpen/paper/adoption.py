"""What shares that came in another way than by a fill are taken over at: pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

SMALLEST_SPLIT = 1.2


@dataclass(frozen=True, slots=True)
class Adopted:
    """How shares were taken over.

    Attributes:
        cash: What is booked for them, in dollars, below 0 where shares came.
        text: The same in words.
    """

    cash: Decimal
    text: str


def adopted(ours: Decimal, theirs: Decimal, before: Decimal | None, now: Decimal | None) -> Adopted:
    """Return how the broker's shares are taken over, so that this alone is neither profit nor loss.

    A split changes shares and price by the same factor: no cash moves. Anything else is booked as if it had
    been traded at the last price: a trade by hand was, at about that.

    Args:
        ours: Shares in the ledger.
        theirs: Shares at the broker.
        before: The price of the last decision; None where there was none.
        now: The last price; None where there is none: then nothing is booked.

    >>> adopted(Decimal(10), Decimal(20), Decimal(300), Decimal(151))
    Adopted(cash=Decimal('0'), text='a split, 2 for 1')
    >>> adopted(Decimal(10), Decimal(13), Decimal(100), Decimal(101))
    Adopted(cash=Decimal('-303'), text='3 shares at 101')
    >>> adopted(Decimal(10), Decimal(0), None, Decimal(101)).cash
    Decimal('1010')
    """
    more = theirs - ours
    if now is None:
        return Adopted(Decimal(0), f"{more} shares at no price")
    if before is not None and _is_split(ours, theirs, float(before / now)):
        return Adopted(Decimal(0), f"a split, {float(theirs / ours):.4g} for 1")
    return Adopted(-more * now, f"{more} shares at {now}")


def _is_split(ours: Decimal, theirs: Decimal, fall: float) -> bool:
    """Return whether a price fell by the factor by which the shares grew, rather than not at all."""
    if not ours or theirs / ours <= 0:
        return False
    grown = math.log(theirs / ours)
    return abs(grown) >= math.log(SMALLEST_SPLIT) and abs(math.log(fall) - grown) < abs(math.log(fall))
