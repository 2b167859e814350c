"""Whether paper trading decided as the backtest does: every signal, bar for bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharpen.bars import Panel
from sharpen.paper.ledger import Decision
from sharpen.paper.ports import Strategy
from sharpen.paper.trader import bar_name, first_index


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A bar where paper trading and the backtest differ.

    Attributes:
        bar: Its time.
        symbol: The instrument.
        kind: ``signal`` where the decisions differ, ``bar`` where the prices do.
        paper: What was decided or recorded then.
        backtest: What the bars say now.
    """

    bar: str
    symbol: str
    kind: str
    paper: str
    backtest: str


@dataclass(frozen=True, slots=True)
class Replay:
    """The comparison of a session with its backtest.

    Attributes:
        n_signals: How many decisions were compared.
        mismatches: Where they differ.
    """

    n_signals: int
    mismatches: tuple[Mismatch, ...]

    @property
    def rate_bound(self) -> float:
        """Upper end of the 95 % interval of the share of mismatches when none was seen.

        Source: the exact binomial bound ``1 - 0.05 ** (1 / n)``.

        >>> round(Replay(300, ()).rate_bound, 4)
        0.0099
        """
        return 1.0 if self.n_signals == 0 else 1.0 - 0.05 ** (1.0 / self.n_signals)


def compare(
    panel: Panel,
    strategy: Strategy,
    decisions: Sequence[Decision],
    recorded: Sequence[tuple[str, str, Sequence[float]]],
) -> Replay:
    """Return how a session's decisions compare with the backtest's on the same bars.

    Args:
        panel: The bars as they are now.
        strategy: The same model.
        decisions: Of the session.
        recorded: The bars as the session saw them: time, symbol, prices.
    """
    mismatches = _differing_bars(panel, recorded)
    if decisions:
        first = first_index(panel, min(d.bar for d in decisions))
        targets = strategy.targets(panel, first)
        place = {bar_name(time): t - first for t, time in enumerate(panel.time)}
        column = {symbol: k for k, symbol in enumerate(panel.symbols)}
        for made in decisions:
            if made.bar not in place:
                mismatches.append(Mismatch(made.bar, made.symbol, "bar", "recorded", "missing"))
                continue
            expected = float(targets[place[made.bar], column[made.symbol]])
            if expected != made.target:
                shown = f"{made.target:.6g}", f"{expected:.6g}"
                mismatches.append(Mismatch(made.bar, made.symbol, "signal", *shown))
    return Replay(len(decisions), tuple(sorted(mismatches, key=lambda m: (m.bar, m.symbol, m.kind))))


def _differing_bars(panel: Panel, recorded: Sequence[tuple[str, str, Sequence[float]]]) -> list[Mismatch]:
    place = {bar_name(time): t for t, time in enumerate(panel.time)}
    column = {symbol: k for k, symbol in enumerate(panel.symbols)}
    found: list[Mismatch] = []
    for bar, symbol, then in recorded:
        if bar not in place or symbol not in column:
            continue
        t, k = place[bar], column[symbol]
        now = [float(x[t, k]) for x in (panel.open, panel.high, panel.low, panel.close, panel.volume)]
        if now != list(then):
            found.append(Mismatch(bar, symbol, "bar", f"{then[3]:.6g}", f"{now[3]:.6g}"))
    return found
