"""What to know before believing a figure, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sharpen.overfit import CONFIDENCE, Judgement, say_probability
from sharpen.report.model import Caution, DataFacts, Entry, Look
from sharpen.space import Constant, Float, Int, Space
from sharpen.store.rows import OpeningRow, RunRow, SweepRow
from sharpen.trial import TrialState
from sharpen.views.lockbox import no_lockbox, of_result

EDGE = 0.02  # of a range: closer than this to its end is "at the end"
SHOWN = 5


def about_sweep(sweep: SweepRow, n_ended: int, n_runs: int) -> list[Caution]:
    """Return what the sweep's own state has to say."""
    if sweep.status == "running":
        cap = f" of {sweep.run_cap}" if sweep.run_cap is not None else ""
        remaining = f", {n_runs - n_ended} wait or run" if n_runs > n_ended else ""
        text = f"{n_ended} runs{cap} have ended so far{remaining}: every figure may change."
        return [Caution("The sweep is not over", text)]
    if sweep.status == "finished":
        return []
    return [Caution(f"The sweep {sweep.status}", sweep.reason or "It did not run to its end.")]


def about_repeats(
    sweep: SweepRow, unfinished: Sequence[Entry], n_reruns: int, differing: Sequence[int]
) -> list[Caution]:
    """Return what a sweep with repeats leaves out of its comparison; nothing for one without."""
    cautions: list[Caution] = []
    short = [entry.number for entry in unfinished if entry.seeds]
    if short and sweep.status != "running":
        text = f"Configurations that lack some of their repeats cannot win: run {_numbers(short)}."
        cautions.append(Caution("Repeats", text))
    if n_reruns:
        text = f"{_runs(n_reruns)} made by 'sharpen rerun' {'is' if n_reruns == 1 else 'are'} not compared."
        cautions.append(Caution("Repeats", text))
    if differing:
        text = "Seeds were validated on different bars, so the first one's returns stand for all: run "
        cautions.append(Caution("Repeats", f"{text}{_numbers(differing)}."))
    return cautions


def about_seeds(partly_kept: Sequence[int]) -> list[Caution]:
    """Return which configurations cannot be judged, for only some of their seeds kept returns."""
    if not partly_kept:
        return []
    text = (
        "Not every seed kept its returns, and the mean of those that did would be a choice among them: run "
    )
    return [Caution("Repeats", f"{text}{_numbers(partly_kept)}.", is_grave=True)]


def about_other_instruments(judgement: Judgement) -> list[Caution]:
    """Return that the program was tried on other instruments, where that may explain the winner."""
    wider = judgement.dsr_elsewhere
    if wider is None or wider >= CONFIDENCE or judgement.kind not in ("beta", "real"):
        return []
    text = (
        f"The same program was tried on other instruments over these years: {judgement.n_elsewhere}"
        f" configurations in this store. If this one was picked as the best of all of them, its"
        f" deflated Sharpe is {say_probability(wider)}, and {CONFIDENCE} is needed."
    )
    return [Caution("Other instruments", text, is_grave=True)]


def about_deleted(n: int) -> list[Caution]:
    """Return how many runs were deleted, and that the verdict counts them none the less."""
    if not n:
        return []
    they = "it counts as a trial" if n == 1 else "they count as trials"
    return [Caution("Deleted runs", f"{_runs(n)} {'was' if n == 1 else 'were'} deleted; {they}.")]


def about_data(data: Sequence[DataFacts], versions: Mapping[str, tuple[str, ...]]) -> list[Caution]:
    """Return warnings of the data, and of runs that did not see the same."""
    notes = dict.fromkeys(note for facts in data for note in facts.bars.notes)
    cautions = [Caution(note.kind.capitalize() or "Data", note.text, note.is_grave) for note in notes]
    if len(data) > 1:
        kinds = "; ".join(f"{d.bars.name} {d.bars.digest[:12]} ({_runs(d.n_runs)})" for d in data)
        text = f"The runs did not all see the same bars: {kinds}."
        cautions.append(Caution("Different data", text, is_grave=True))
    mixed = [
        f"{name} {' and '.join(used_versions)}"
        for name, used_versions in versions.items()
        if len(used_versions) > 1
    ]
    if mixed:
        cautions.append(
            Caution("Different versions", f"The runs did not all use the same {'; '.join(mixed)}.")
        )
    return cautions


def about_code(code: Mapping[int, Mapping[str, str]]) -> list[Caution]:
    """Return which source files of the program changed between runs.

    Args:
        code: Digests of source files by path, by run number.
    """
    runs_by_digest: dict[str, dict[str, list[int]]] = {}
    for number, files in sorted(code.items()):
        for file, digest in files.items():
            runs_by_digest.setdefault(file, {}).setdefault(digest, []).append(number)
    parts = [
        f"{file} ({', '.join(f'{digest}: run {_numbers(runs)}' for digest, runs in kinds.items())})"
        for file, kinds in runs_by_digest.items()
        if len(kinds) > 1
    ]
    if not parts:
        return []
    text = f"The program changed while the sweep ran, so its scores may not compare: {'; '.join(parts)}."
    return [Caution("Different code", text)]


def about_constraints(broke: Mapping[str, int], runs: Iterable[RunRow]) -> list[Caution]:
    """Return how many finished runs broke each constraint, for those that any broke.

    Args:
        broke: How many, by the constraint in words.
        runs: The sweep's.
    """
    n_finished = sum(run.state == TrialState.FINISHED for run in runs)
    parts = [f"{n} of {n_finished} finished runs broke {name}" for name, n in broke.items() if n]
    text = f"{'; '.join(parts)}. These runs cannot be chosen, whatever their score."
    return [Caution("Constraints", text)] if parts else []


def about_runs(infeasible: Sequence[Entry], failed: Sequence[Entry], runs: Iterable[Entry]) -> list[Caution]:
    """Return how many runs cannot be chosen, and why."""
    everything = list(runs)
    cautions: list[Caution] = []
    if infeasible:
        text = (
            f"{len(infeasible)} of {len(everything)} runs ended without a usable score: {_causes(infeasible)}"
        )
        cautions.append(Caution("Infeasible runs", text))
    if failed:
        text = f"{len(failed)} of {len(everything)} runs failed: {_causes(failed)}"
        cautions.append(Caution("Failed runs", text))
    restarted = [entry for entry in everything if entry.run.lost and entry.state is not TrialState.CRASHED]
    if restarted:
        numbers = _numbers([entry.number for entry in restarted])
        count = _runs(len(restarted))
        text = f"The agent or the program of {count} died; what was cut off was taken up again: {numbers}."
        cautions.append(Caution("Runs cut off", text))
    return cautions


def _causes(entries: Sequence[Entry]) -> str:
    """Return the reasons, the most frequent first, with the runs that they ended."""
    counted = Counter(entry.why for entry in entries)
    parts = [
        f"{why.removesuffix('.')} (run {_numbers([e.number for e in entries if e.why == why])})"
        for why, _ in counted.most_common(SHOWN)
    ]
    more = f"; and {len(counted) - SHOWN} other reasons" if len(counted) > SHOWN else ""
    return "; ".join(parts) + more + "."


def _numbers(numbers: Sequence[int]) -> str:
    listed = ", ".join(str(n) for n in numbers[:SHOWN])
    return listed + (f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else "")


def _runs(count: int) -> str:
    return f"{count} run{'s' if count != 1 else ''}"


def about_kept(n_kept: int, n_tried: int) -> list[Caution]:
    """Return how many runs kept returns, when some did and some did not.

    Args:
        n_kept: Runs whose returns can be used, deleted ones among them.
        n_tried: Runs that began, deleted ones among them.
    """
    if not 0 < n_kept < n_tried:
        return []
    text = f"{n_kept} of the {n_tried} runs that began kept their out-of-sample returns; a dash stands for"
    return [Caution("Returns", f"{text} what the others did not keep.")]


def about_returns(unusable: Mapping[int, str], left_out: Sequence[int], n_ranked: int) -> list[Caution]:
    """Return which returns the verdict could not use."""
    cautions: list[Caution] = []
    if unusable:
        parts = "; ".join(f"run {number}: {why}" for number, why in list(unusable.items())[:SHOWN])
        cautions.append(Caution("Unusable returns", f"Left out of the verdict: {parts}."))
    if left_out and n_ranked > len(left_out):
        text = "Not in the overfitting test, for they lack some of the best run's bars: run "
        cautions.append(Caution("Other bars", f"{text}{_numbers(left_out)}."))
    return cautions


def about_best(best: Entry | None, space: Space) -> list[Caution]:
    """Return the parameters whose best value lies at the end of its range."""
    if best is None:
        return []
    ends = [
        f"{name} = {best.run.config[name]:g}"
        for name, dimension in space.dimensions.items()
        if isinstance(dimension, Float | Int) and _at_end(dimension, best.run.config.get(name))
    ]
    if not ends:
        return []
    more = f", and {len(ends) - SHOWN} more" if len(ends) > SHOWN else ""
    shown = f"{', '.join(ends[:SHOWN])}{more}"
    text = f"The best run has {shown}: better values may lie outside what was searched."
    return [Caution("At the end of a range", text)]


def _at_end(dimension: Float | Int, value: Any) -> bool:
    if not dimension.contains(value):
        return False
    if isinstance(dimension, Int):
        return dimension.high - dimension.low > 1 and value in (dimension.low, dimension.high)
    return not EDGE <= dimension.to_unit(value) <= 1.0 - EDGE


def about_lockbox(
    lockboxes: Collection[str], looks: Sequence[Look], elsewhere: Sequence[OpeningRow]
) -> list[Caution]:
    """Return a word on runs that kept different lockboxes, and on bars that were shown more than once."""
    cautions: list[Caution] = []
    if len(lockboxes) > 1:
        text = (
            f"The runs kept {len(lockboxes)} different ones: what one held back, another may have trained on."
        )
        cautions.append(Caution("The lockbox", text, is_grave=True))
    used = [digest for look in looks for digest in of_result(look.row.result)]
    if used:
        cautions.append(Caution("The lockbox", no_lockbox(dict.fromkeys(used))))
    n_others = sum(row.has_shown for row in elsewhere)
    n_shown = n_others + sum(look.row.has_shown for look in looks)
    if n_shown > 1 or n_others:
        times = f"{n_shown} time{'s' if n_shown != 1 else ''}"
        whose = f", {n_others} of them by other sweeps on the same bars" if n_others else ""
        text = f"It has been opened {times}{whose}; only the first look saw bars that nobody had seen."
        cautions.append(Caution("The lockbox", text))
    return cautions


def varying(space: Space) -> list[str]:
    """Return the names of the parameters that can vary."""
    return [name for name, dimension in space.dimensions.items() if not isinstance(dimension, Constant)]
