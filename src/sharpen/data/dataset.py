"""The values that this package gives out, and the one that its sources give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sharpen.arrays import Bools, Floats, Ints
from sharpen.bars import Bars, Panel, Problem, first_rows


@dataclass(frozen=True, eq=False)
class Dataset:
    """Bars fit to use, with what must be known about them.

    Attributes:
        name: What it was asked for by.
        panel: The bars.
        notes: Warnings, in sentences: stale opens and other doubts, bars left out, times taken as UTC.
        provenance: Where the bars came from and how they were adjusted.
        layout: What was understood of a file's form, in a line; empty for embedded data.
    """

    name: str
    panel: Panel
    notes: tuple[str, ...]
    provenance: str
    layout: str = ""


@dataclass(frozen=True, slots=True)
class SymbolReport:
    """What is in the bars of one symbol; ``first`` and ``last`` are empty without bars."""

    symbol: str
    n_rows: int
    first: str
    last: str
    stale_open_share: float
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is in a data set, whether fit to use or not.

    Attributes:
        name: What it was asked for by.
        symbols: A report for each symbol.
        problems: What is wrong with the symbols together; looked for when each is sound by itself.
        notes: As :class:`Dataset` would carry them.
        provenance: Where the bars came from and how they were adjusted.
        layout: What was understood of a file's form, in a line; empty for embedded data.
    """

    name: str
    symbols: tuple[SymbolReport, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    provenance: str
    layout: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether no symbol has a problem, nor all of them together."""
        return not self.problems and not any(s.problems for s in self.symbols)


@dataclass(frozen=True, eq=False)
class SymbolRows:
    """One symbol's rows as a source gives them, before any judgement.

    Attributes:
        bars: The rows, prices not adjusted.
        adj_close: The close adjusted for splits and dividends; None when the source has none. (T,)
        numbers: Each row's number in its source, from 1, headers not counted. (T,)
        problems: Faults that only reading could see.
        unread: What stands where a time cannot be read, by the row's place among these, from 0.
    """

    bars: Bars
    adj_close: Floats | None
    numbers: Ints
    problems: tuple[Problem, ...] = ()
    unread: Mapping[int, str] = field(default_factory=dict[int, str])

    def first(self, mask: Bools) -> tuple[tuple[int, str, str], ...]:
        """Return the first marked rows as a problem carries them."""
        return first_rows(self.bars, mask, self.numbers, self.unread)

    def adjusted(self) -> Bars:
        """Return the bars with all four prices scaled by ``adj_close / close``, volume as it is.

        A close that is no price, which is a problem by itself, makes its bar's prices NaN.
        """
        b = self.bars
        if self.adj_close is None:
            return b
        # one factor a bar, and rounding is monotone: open and close stay within low..high
        f = np.divide(self.adj_close, b.close, out=np.full(len(b), np.nan), where=b.close > 0)
        f[np.isinf(b.close)] = np.nan
        return Bars(b.symbol, b.time, b.open * f, b.high * f, b.low * f, b.close * f, b.volume)


@dataclass(frozen=True, eq=False)
class SourceData:
    """Everything that a source gives for one name: rows of each symbol, warnings, origin, form."""

    rows: tuple[SymbolRows, ...]
    notes: tuple[str, ...]
    provenance: str
    layout: str = ""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A data set that needs no file of the user's: a row of ``sharpen data ls``."""

    name: str
    what: str
    period: str
    symbols: tuple[str, ...]
    source: str
    licence: str
    notes: str
    read: Callable[[], SourceData]
