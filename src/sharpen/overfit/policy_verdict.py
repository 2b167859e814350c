"""The verdict on a sweep of policies that are judged beside baselines and not by returns."""

from __future__ import annotations

from collections.abc import Sequence

from sharpen.overfit.comparison import LEVEL, MIN_WINDOWS, OPTIMUM, RANDOM, Comparison
from sharpen.overfit.evidence import RelatedSweep
from sharpen.overfit.judgement import Check, Judgement
from sharpen.overfit.verdict_text import say, say_p_value


def judge_policy(
    comparisons: Sequence[Comparison], n_tried: int, related: Sequence[RelatedSweep] = ()
) -> Judgement:
    """Return the verdict on the chosen of a sweep's policies.

    It is ``real`` where the policy beats every baseline, each by the reality check over all policies that
    were tried; else ``luck``. The optimum, where a market has a known one, is shown and decides nothing.

    Args:
        comparisons: The chosen policy beside each baseline; one at least that is no optimum.
        n_tried: All that was tried, whatever came of it.
        related: Other sweeps on the same bars, which ``n_tried`` counts.

    >>> rows = [("twap", 0.8, 0.2, 0.001, 40, 200), ("random", 0.1, 0.2, 0.4, 40, 200)]
    >>> judge_policy([Comparison(*row) for row in rows], 41).headline
    'The best of 41 policies beats twap. It cannot be told from random participation: it is no policy.'
    """
    baselines = [one for one in comparisons if one.baseline != OPTIMUM]
    kind = "real" if all(one.is_beaten for one in baselines) else "luck"
    n_windows = baselines[0].n_windows
    return Judgement(
        kind=kind,
        headline=_headline(baselines, n_tried),
        n_trials=n_tried,
        n_bars=n_windows,
        details=_details(comparisons, n_tried),
        checks=(_enough(n_windows), *(_check(one) for one in baselines)),
        n_with_returns=baselines[0].n_tried,
        n_effective=baselines[0].n_tried,
        related=tuple(related),
        baselines=tuple(comparisons),
    )


def _headline(baselines: Sequence[Comparison], n_tried: int) -> str:
    subject = f"The best of {n_tried} policies" if n_tried > 1 else "The only policy that was tried"
    named = [one for one in baselines if one.baseline != RANDOM]
    beaten = [one.baseline for one in named if one.is_beaten]
    worse = [one.baseline for one in named if one.costs_more]
    open_ = [one.baseline for one in named if not (one.is_beaten or one.costs_more)]
    findings = [
        f"{verb} {_listed(names)}"
        for verb, names in (("beats", beaten), ("cannot be told from", open_), ("costs more than", worse))
        if names
    ]
    chance = next((one for one in baselines if one.baseline == RANDOM), None)
    last = ""
    if chance is not None and chance.is_beaten:
        last = " It beats random participation."
    elif chance is not None:
        how = "costs more than" if chance.costs_more else "cannot be told from"
        last = f" It {how} random participation: it is no policy."
    return f"{subject} {_sequence(findings)}.{last}"


def _details(comparisons: Sequence[Comparison], n_tried: int) -> str:
    first = comparisons[0]
    sentences = [
        f"Out of sample, on the same orders as each baseline, in {first.n_windows} windows of prices;"
        " p-values allow for all policies that were tried."
    ]
    if first.n_tried < n_tried:
        sentences.append(f"Of {n_tried} tried, {first.n_tried} kept what they saved.")
    sentences += [
        f"The known optimum costs {say(-one.saved)} bps less."
        for one in comparisons
        if one.baseline == OPTIMUM
    ]
    return " ".join(sentences)


def _check(one: Comparison) -> Check:
    figure = f"{say(one.saved)} ± {say(one.error)} bps, p {say_p_value(one.p_value)}"
    outcome = "passed" if one.is_beaten else "failed"
    return Check(f"saved against {one.baseline}", figure, f"needs more than 0 and p {LEVEL} or less", outcome)


def _enough(n_windows: int) -> Check:
    outcome = "passed" if n_windows >= MIN_WINDOWS else "failed"
    return Check("windows of prices", str(n_windows), f"needs {MIN_WINDOWS} or more", outcome)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sequence(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
