"""Whether a lockbox is one: bars that any sweep of the store has trained or chosen on are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sharpen.facts import BarsFacts, LockboxFacts
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow
from sharpen.views.family import renamed
from sharpen.views.market_cache import MarketCache
from sharpen.views.plain_runs import all_plain_runs
from sharpen.views.trials import FiguresCache, SweepTrials, trials_of


@dataclass(frozen=True, slots=True)
class SeenLockbox:
    """A sweep that has trained or chosen on bars of a lockbox.

    Attributes:
        sweep: Its id; empty for a run of no sweep.
        first: Time of the lockbox's first bar.
        last: Time of the last bar that the sweep used.
    """

    sweep: str
    first: str
    last: str

    @property
    def sentence(self) -> str:
        """The fact for people.

        >>> SeenLockbox("k3v9x2aq", "2020-01-02T00:00:00", "2021-03-05T00:00:00").sentence
        'sweep k3v9x2aq used bars until 2021-03-05, and this lockbox begins on 2020-01-02'
        """
        until, first = self.last[:10], self.first[:10]
        user = f"sweep {self.sweep}" if self.sweep else "a run of no sweep"
        return f"{user} used bars until {until}, and this lockbox begins on {first}"

    def stored(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def no_lockbox(uses: Iterable[SeenLockbox]) -> str:
    """Return a sentence on a lockbox that sweeps have used; empty when none did."""
    parts = "; ".join(sweep.sentence for sweep in uses)
    return f"These bars are no lockbox: {parts}. Figures of them are not out of sample." if parts else ""


def used_by(reader: Reader, run: RunRow) -> tuple[SeenLockbox, ...]:
    """Return the sweeps of a store that have trained or chosen on bars of a run's lockbox, deleted ones too.

    A program has to say ``lockbox/first``; what it does not say of symbols and times is taken from the names
    and the returns.

    Args:
        reader: The store.
        run: Whose lockbox.
    """
    lockbox, bars = LockboxFacts.of_summary(run.summary), BarsFacts.of_summary(run.summary)
    if not lockbox.first:
        return ()
    cache = FiguresCache(reader.home)
    every = [trials_of(reader, sweep, cache) for sweep in reader.sweeps(deleted=True)]
    alone = all_plain_runs(reader, cache)
    cache.save()
    last = {trials.sweep.id: _last_used(trials, bars) for trials in every}
    own = next((trials for trials in every if trials.sweep.id == run.sweep_id), None)
    unnamed = [trials for trials in every if not last[trials.sweep.id]]
    markets = MarketCache(reader.home)
    for trials in [] if own is None else renamed(own, unnamed, markets):
        last[trials.sweep.id] = max(used.last for used in trials.bars)
    markets.save()
    last[""] = max((run.bars.last for run in alone if _is_same_market(run.bars, bars)), default="")
    return tuple(
        SeenLockbox(name, lockbox.first, until) for name, until in last.items() if until >= lockbox.first
    )


def _last_used(trials: SweepTrials, bars: BarsFacts) -> str:
    """Return the last time of these instruments' bars that a sweep used; empty for none."""
    return max((used.last for used in trials.bars if _is_same_market(used, bars)), default="")


def _is_same_market(one: BarsFacts, other: BarsFacts) -> bool:
    if one.symbols and other.symbols:
        return not set(one.symbols).isdisjoint(other.symbols)
    return one.name == other.name or not (one.name and other.name)


def of_result(result: Mapping[str, Any] | None) -> tuple[SeenLockbox, ...]:
    """Return what the stored result of an opening says of sweeps that had used its bars."""
    return tuple(SeenLockbox(**sweep) for sweep in (result or {}).get("used_by", ()))
