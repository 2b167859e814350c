"""A verdict in words, and the thresholds that they name."""

from __future__ import annotations

import math

from sharpen.overfit.judgement import Judgement

CONFIDENCE = 0.95  # that the deflated Sharpe ratio must reach
MAX_P_VALUE = 0.05  # of the whole search, and of the reality check
MAX_PBO = 0.5  # what noise gives: from here on the choice may be luck, whatever was chosen
MIN_BARS = 30  # below it the formulas, which hold for many bars, say nothing
PBO_BLOCKS = 16
MIN_PBO_BARS = 4 * PBO_BLOCKS


def headline(kind: str, figures: Judgement) -> str:
    """Return the verdict of a kind for people."""
    holding = f"simply holding made {say(figures.baseline_sharpe)}"
    if not math.isfinite(figures.baseline_sharpe):
        holding = "its returns stand beside no buy-and-hold that moves"
    own = f"a Sharpe ratio of {say(figures.sharpe)}{_when(figures.dates)}"
    if figures.n_trials > 1:
        n = figures.n_trials
        made = (
            f"The best of {n} made {own}. The luckiest of {n} without"
            f" skill would make {say(figures.luck_sharpe)}, and {holding}"
        )
    else:
        made = f"The only trial made {own}, and {holding}"
    claim = {
        "luck": "not distinguishable from luck",
        "beta": "better than luck, but not distinguishable from holding the market",
        "real": "the edge is distinguishable from luck and from holding the market",
    }[kind]
    choice = ""
    if kind != "luck" and figures.pbo is not None and figures.pbo >= MAX_PBO:
        choice = (
            " The choice among these configurations may still be luck: probability of backtest overfitting"
            f" {say_pbo(figures)}."
        )
    return f"{made}: {claim}.{choice}{_counted(figures)}"


def _when(dates: tuple[str, str]) -> str:
    first, last = dates
    return f" from {first} to {last}" if first and last else ""


def _counted(figures: Judgement) -> str:
    # whose trials are counted besides the sweep's own
    sentences: list[str] = []
    for other in figures.related:
        bars = "on these bars under another name" if other.is_renamed else "on these bars"
        where = f"sweep {other.name}" if other.name else "runs of no sweep"
        were = "was" if other.n_tried == 1 else "were"
        sentences.append(
            f" This configuration was the best of {other.n_tried} in {where} {bars}."
            if other.has_winner
            else f" Of these, {other.n_tried} {were} tried in {where} {bars}."
        )
    return "".join(sentences)


def details(figures: Judgement) -> str:
    """Return the figures behind the headline."""
    interval = figures.interval
    few = f" (needs {MIN_BARS} or more)" if figures.n_bars < MIN_BARS else ""
    return (
        f"In figures: deflated Sharpe {say_probability(figures.dsr)} (needs {CONFIDENCE}),"
        f" {say_probability(figures.dsr_excess)} for the excess over buy-and-hold; 95% interval"
        f" {say(interval.low)} to {say(interval.high)} over {figures.n_bars} bars{few};"
        f" {_overfitting(figures)}.{_basis(figures)}"
    )


def _overfitting(figures: Judgement) -> str:
    if figures.pbo is None:
        return f"backtest overfitting not tested (needs 2 finished trials and {MIN_PBO_BARS} bars)"
    return f"probability of backtest overfitting {say_pbo(figures)}"


def _basis(figures: Judgement) -> str:
    # what the luck bar rests on, where it is not simply the spread of so many different trials
    n, n_alike = figures.n_trials, figures.n_trials - figures.n_effective
    sentences: list[str] = []
    if figures.n_with_returns < n:
        sentences.append(f" Of {n} tried, {figures.n_with_returns} kept returns; all count.")
    if n_alike > 0:
        add = "adds" if n_alike == 1 else "add"
        sentences.append(
            f" {n_alike} of {n} made nearly the returns of another and {add} little to the luck bar."
        )
    if figures.luck_basis == "noise floor":
        sentences.append(
            f" The trials' Sharpe ratios spread less than those of noise over {figures.n_bars} bars, so the"
            " luck bar takes the spread of noise."
        )
    if figures.luck_basis == "fitted parameters":
        subject = "The method learns from its trials"
        subject = "A sweep learns from those before it on these bars" if figures.related else subject
        sentences.append(f" {subject}, so the luck bar is what fitting its parameters to noise would show.")
    if figures.autocorrelation_factor > 1.0:
        n_independent = figures.n_bars / figures.autocorrelation_factor
        sentences.append(
            f" Bars depend on each other: {figures.n_bars} say as much as {n_independent:.0f} that do not."
        )
    return "".join(sentences)


def say(figure: float) -> str:
    """Return a figure with two decimals and a true minus sign.

    >>> say(-0.161), say(-0.001), say(math.nan)
    ('\N{MINUS SIGN}0.16', '0.00', 'undefined')
    """
    if not math.isfinite(figure):
        return "undefined"
    text = f"{figure:.2f}".replace("-", "\N{MINUS SIGN}")
    return "0.00" if text == "\N{MINUS SIGN}0.00" else text


def say_p_value(figure: float) -> str:
    """Return a p-value; rounding reaches neither 0 nor a threshold that the figure is above.

    >>> say_p_value(0.001), say_p_value(0.0504), say_p_value(0.05)
    ('below 0.01', 'just above 0.05', '0.05')
    """
    text = say(figure)
    if text == "0.00":
        return "below 0.01"
    return f"just above {text}" if text == f"{MAX_P_VALUE:.2f}" and figure > MAX_P_VALUE else text


def say_pbo(figures: Judgement) -> str:
    """Return the probability of backtest overfitting with its spread over the places of the blocks' edges.

    >>> say_pbo(Judgement("luck", "", 2, 99, pbo=0.25, pbo_range=(0.25, 0.294)))
    '0.25 (0.25 to 0.29 as the block edges move)'
    """
    text = "unknown" if figures.pbo is None else say_probability(figures.pbo)
    if figures.pbo is None or figures.pbo_range is None:
        return text
    low, high = (say_probability(end) for end in figures.pbo_range)
    return text if low == high else f"{text} ({low} to {high} as the block edges move)"


def say_probability(figure: float) -> str:
    """Return a probability; rounding reaches neither certainty nor a threshold that the figure does not.

    >>> say_probability(0.9951), say_probability(0.9499)
    ('above 0.99', 'just below 0.95')
    """
    text = say(figure)
    if text == "1.00":
        return "above 0.99"
    below = any(text == f"{bound:.2f}" and figure < bound for bound in (CONFIDENCE, MAX_PBO))
    return f"just below {text}" if below else text
