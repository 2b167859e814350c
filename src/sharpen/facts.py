"""What a program and the report share: the keys of a run's summary, the names of metrics and of files.

A program writes these as values, ``run.summary.update(facts.to_summary())``; whoever reads a store gets
them back by ``of_summary``. What older programs wrote is still read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

NAME: Final = "data/name"
HASH: Final = "data/hash"
NOTES: Final = "data/notes"
FIRST: Final = "data/first"
LAST: Final = "data/last"
SYMBOLS: Final = "data/symbols"
SKETCH: Final = "data/sketch"
LOCKBOX_HASH: Final = "lockbox/hash"
LOCKBOX_FIRST: Final = "lockbox/first"
INFEASIBLE: Final = "infeasible"
SMALLER: Final = "smaller"
NO_STAGE: Final = "program/no_stage"
PROPOSED: Final = "config/proposed"
OUT_OF_MEMORY: Final = "out_of_memory"
VERSIONS: Final = "versions"
CODE: Final = "program/files"
PERMUTED: Final = "sharpen/permuted"
"""Keys of a run's summary. What ``smaller`` maps parameters to is what the run counts for from then on;
``config/proposed`` is then what the search had proposed. ``program/no_stage``: the program cannot be told
that the lockbox is meant."""

FOR_THE_REPORT: Final = frozenset((HASH, SKETCH, LOCKBOX_HASH, VERSIONS, CODE, PROPOSED, NO_STAGE))
"""Keys whose values tell a reader nothing."""

SHARPE: Final = "val/sharpe"
SORTINO: Final = "val/sortino"
MAX_DRAWDOWN: Final = "val/max_dd"
N_TRADES: Final = "val/n_trades"
EXPOSURE: Final = "val/exposure"
PROFIT_FACTOR: Final = "val/profit_factor"
TRAIN_SHARPE: Final = "train/sharpe"
BASELINE: Final = "baseline/sharpe"
FOLD_BASELINE: Final = "fold/baseline_sharpe"
LOCKBOX_SHARPE: Final = "lockbox/sharpe"
LOCKBOX_BASELINE: Final = "lockbox/baseline_sharpe"
LOCKBOX_PROFIT_FACTOR: Final = "lockbox/profit_factor"
TURNOVER: Final = "val/turnover"
COST: Final = "cost_bps"
"""Names of metrics, and of the parameter that says what trading costs."""

MEAN_REWARD: Final = "val/mean_reward"
MEAN_REWARD_LOW: Final = "val/mean_reward_low"
MEAN_REWARD_HIGH: Final = "val/mean_reward_high"
SLIPPAGE_BPS: Final = "val/slippage_bps"
SLIPPAGE_ERROR_BPS: Final = "val/slippage_error_bps"
TAIL_BPS: Final = "val/tail_bps"
COMPLETION: Final = "val/completion"
"""Names of the metrics of a policy that executes orders."""

RETURNS: Final = "returns"
RETURNS_COLUMNS: Final = ("time", "fold", "ret", "baseline")
BEST_TRADES: Final = "val/best_5_trades_share"
STRESS_COLUMNS: Final = ("gross", "turnover", "delayed")
TURNOVER_COLUMN: Final = "turnover"
POSITION_COLUMN: Final = "position"
TRADES: Final = "trades"
SAVED: Final = "saved"
MODEL: Final = "model"
READ_OF_RUNS: Final = frozenset((RETURNS, TRADES, SAVED, MODEL))
TRADES_COLUMNS: Final = ("ret",)
"""Types of artifacts and the columns of their tables.

``turnover`` is optional: the value traded in each bar as a fraction of the money, so that ``ret`` less
``extra_bps / 1e4 * turnover`` is the return at a higher cost. ``position`` is optional, too: the mean
position during each bar. ``ret`` of trades is the return of each on all of the money. ``saved`` has a
column a baseline, of what a policy saved against it in basis points, and a row a window of prices, by time.
``READ_OF_RUNS`` are the types that report, registry and traders look for among a run's files.
"""


def train_name(figure: str) -> str:
    """Return what a figure of the training is called.

    >>> train_name("steps_per_second")
    'train/steps_per_second'
    """
    return f"train/{figure}"


def fold_name(metric: str) -> str:
    """Return what the last fold's own value of a metric is called, whose plain name is the mean so far.

    >>> fold_name("val/sharpe")
    'fold/val_sharpe'
    """
    return f"fold/{metric.replace('/', '_')}"


def lockbox_name(metric: str) -> str:
    """Return what a metric is called on the lockbox.

    >>> lockbox_name("val/sharpe")
    'lockbox/sharpe'
    """
    return f"lockbox/{metric.partition('/')[2]}"


def saved_names(baseline: str) -> tuple[str, str]:
    """Return what is called by how much a policy costs less than a baseline in basis points, and its error.

    >>> saved_names("twap")
    ('val/saved_vs_twap_bps', 'val/saved_vs_twap_error_bps')
    """
    return f"val/saved_vs_{baseline}_bps", f"val/saved_vs_{baseline}_error_bps"


def slippage_names(baseline: str) -> tuple[str, str]:
    """Return what is called by how many percent a policy costs more than a baseline, and its error.

    >>> slippage_names("twap")
    ('val/slippage_vs_twap_pct', 'val/slippage_vs_twap_error_pct')
    """
    return f"val/slippage_vs_{baseline}_pct", f"val/slippage_vs_{baseline}_error_pct"


STALE_OPENS: Final = "stale opens"
PRICE_SPIKES: Final = "price spikes"
UNADJUSTED_SPLITS: Final = "unadjusted splits"
PRICE_JUMPS: Final = "price jumps"
GAPS: Final = "gaps"
FROZEN_PRICES: Final = "frozen prices"
RAGGED: Final = "ragged"
MIXED_SPACING: Final = "mixed spacing"
GRAVE_KINDS: Final = (STALE_OPENS, PRICE_SPIKES, UNADJUSTED_SPLITS)
OTHER_KINDS: Final = (PRICE_JUMPS, GAPS, FROZEN_PRICES, RAGGED, MIXED_SPACING)


@dataclass(frozen=True, slots=True)
class DataNote:
    """A warning of a data set.

    Attributes:
        kind: What is wrong, in a word or two; empty when nobody said.
        text: The warning itself.
        is_grave: Whether a bar or two with this fault can make the whole of a Sharpe ratio.
    """

    kind: str
    text: str
    is_grave: bool = False

    @classmethod
    def of(cls, value: Any) -> DataNote:
        """Return a note as stored, or from words that begin with what is wrong.

        >>> DataNote.of("STALE OPENS: 66 % repeat the close before")
        DataNote(kind='stale opens', text='66 % repeat the close before', is_grave=True)
        >>> DataNote.of("XYZ ends in 2013").kind
        ''
        """
        if isinstance(value, Mapping):
            stored = cast("Mapping[str, Any]", value)
            kind, text = str(stored.get("kind", "")), str(stored.get("text", ""))
            return cls(kind, text, bool(stored.get("is_grave", kind in GRAVE_KINDS)))
        head, colon, rest = str(value).partition(": ")
        kind = head.lower()
        if colon and head.isupper() and kind in (*GRAVE_KINDS, *OTHER_KINDS):
            return cls(kind, rest, kind in GRAVE_KINDS)
        return cls("", str(value))

    @property
    def line(self) -> str:
        """What is wrong, and the warning: words that :meth:`of` takes for the same note.

        >>> DataNote(STALE_OPENS, "66 % repeat the close before").line
        'STALE OPENS: 66 % repeat the close before'
        """
        return f"{self.kind.upper()}: {self.text}" if self.kind else self.text

    def stored(self) -> dict[str, Any]:
        """Return what :meth:`of` reads back, as JSON can hold it."""
        return {"kind": self.kind, "text": self.text, "is_grave": self.is_grave}


@dataclass(frozen=True, slots=True)
class BarsFacts:
    """Which bars a run was trained and chosen on, as far as its program says it.

    Attributes:
        name: Of the data set.
        digest: Hash of the development bars.
        notes: Warnings that come with the data.
        first: Time of the first development bar, ISO 8601.
        last: Time of the last one.
        symbols: Whose bars.
        sketch: By which the same prices are known under another name; see :mod:`sharpen.bar_sketch`.
    """

    name: str = ""
    digest: str = ""
    notes: tuple[DataNote, ...] = ()
    first: str = ""
    last: str = ""
    symbols: tuple[str, ...] = ()
    sketch: str = ""

    @classmethod
    def of_summary(cls, summary: Mapping[str, Any]) -> BarsFacts:
        """Return what a run's summary says; what it does not say is empty.

        >>> BarsFacts.of_summary({"data/hash": "ab", "data/symbols": ["A", "B"]}).symbols
        ('A', 'B')
        """
        return cls(
            name=_text(summary.get(NAME)),
            digest=_text(summary.get(HASH)),
            notes=tuple(DataNote.of(note) for note in _items(summary.get(NOTES))),
            first=_text(summary.get(FIRST)),
            last=_text(summary.get(LAST)),
            symbols=tuple(_text(symbol) for symbol in _items(summary.get(SYMBOLS))),
            sketch=_text(summary.get(SKETCH)),
        )

    def to_summary(self) -> dict[str, Any]:
        """Return what :meth:`of_summary` reads back, as JSON can hold it.

        >>> BarsFacts.of_summary(BarsFacts("stocks", "ab").to_summary())
        BarsFacts(name='stocks', digest='ab', notes=(), first='', last='', symbols=(), sketch='')
        """
        texts = {NAME: self.name, HASH: self.digest, FIRST: self.first, LAST: self.last, SKETCH: self.sketch}
        summary: dict[str, Any] = {key: value for key, value in texts.items() if value}
        summary[NOTES] = [note.stored() for note in self.notes]
        return summary | ({SYMBOLS: list(self.symbols)} if self.symbols else {})


@dataclass(frozen=True, slots=True)
class LockboxFacts:
    """Which bars a run has left for the end: their hash and the time of the first; nothing else of them."""

    digest: str = ""
    first: str = ""

    @classmethod
    def of_summary(cls, summary: Mapping[str, Any]) -> LockboxFacts:
        """Return what a run's summary says; what it does not say is empty."""
        return cls(_text(summary.get(LOCKBOX_HASH)), _text(summary.get(LOCKBOX_FIRST)))

    def to_summary(self) -> dict[str, Any]:
        """Return what :meth:`of_summary` reads back."""
        texts = {LOCKBOX_HASH: self.digest, LOCKBOX_FIRST: self.first}
        return {key: value for key, value in texts.items() if value}


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All that a program says of a run as a whole.

    Attributes:
        bars: What it was trained and chosen on.
        lockbox: What it has left for the end.
        infeasible: Why the configuration must not be chosen; None when it may be.
        versions: Of packages that can change a figure.
        code: Digests of the program's own source files, by path.
    """

    bars: BarsFacts = BarsFacts()
    lockbox: LockboxFacts = LockboxFacts()
    infeasible: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    code: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of_summary(cls, summary: Mapping[str, Any]) -> RunFacts:
        """Return what a run's summary says."""
        why: Any = summary.get(INFEASIBLE)
        return cls(
            bars=BarsFacts.of_summary(summary),
            lockbox=LockboxFacts.of_summary(summary),
            infeasible=str(why) if why else None,
            versions=_texts(summary.get(VERSIONS)),
            code=_texts(summary.get(CODE)),
        )

    def to_summary(self) -> dict[str, Any]:
        """Return what :meth:`of_summary` reads back, as JSON can hold it."""
        own = {INFEASIBLE: self.infeasible, VERSIONS: dict(self.versions)}
        return self.bars.to_summary() | self.lockbox.to_summary() | own


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(key): str(item) for key, item in cast("Mapping[str, Any]", value).items()}


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return cast("Sequence[Any]", value)
    return () if value is None else (value,)
