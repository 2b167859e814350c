"""The verb that runs the best configurations once more and compares them: finalists."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import track

from sharpen import spec
from sharpen.cli.printing import json_option, print_json, shown, stderr, stdout, table
from sharpen.cli.terminal import echo
from sharpen.errors import SharpenError, UsageError
from sharpen.facts import NO_STAGE
from sharpen.jsonable import null_for_nan
from sharpen.store.queries import Reader
from sharpen.store.rows import RunRow, SweepRow
from sharpen.sweep import SweepStatus

if TYPE_CHECKING:
    from sharpen.views.finalists import Candidate, FinalistComparison, Finalists

LIMITS = (
    "The finalists were chosen on these folds. Fresh seeds take away the luck of the seed, not that of the"
    " bars: only the lockbox does. Folds are paired, each as its mean over the seeds."
)
WITHOUT_STAGE = (
    "the program had no key 'stage' when these runs were made. If it still has none, the lockbox will show"
    " nothing: add 'stage: search' and 'permutation_seed: null' to its configuration, or give --no-lockbox"
)
RESULT = "finalists.json"


@click.command()
@click.argument("sweep")
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many finalists.")
@click.option(
    "--seeds",
    "n_seeds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Fresh seeds for each configuration.",
)
@click.option(
    "--previous",
    metavar="RUN",
    help="The previous best. [default: the winner of the newest earlier sweep of the same program]",
)
@click.option(
    "--lockbox/--no-lockbox", default=True, show_default=True, help="Open the lockbox for the best."
)
@click.option("--again", is_flag=True, help="Forget what an earlier call has carried out.")
@click.option("--slots", "n_slots", type=click.IntRange(min=1), help="Programs at a time. [default: cores]")
@json_option
@click.pass_obj
def finalists(home: Path, sweep: str, as_json: bool, **options: Any) -> None:
    """Run the best configurations of SWEEP once more, compare them, and open the lockbox for the best.

    Each finalist is trained on every fold with seeds that the search has not used. Beside it stand the
    default, which is the first of the sweep's `prior` or else what the program has, and the previous best,
    trained alike. Differences are paired by fold, and the p-values
    allow for how many comparisons there are. Then the lockbox is opened, once, for the finalist of the best
    mean; the look is counted. A sweep whose lockbox has been opened keeps it closed.

    What is carried out is kept as it ends: an interrupted call goes on where it stopped. These runs are no
    trials, and no listing shows them.

    \b
      sharpen finalists last --top 3
      sharpen finalists last --seeds 5 --previous k3v9x2aq-12 --no-lockbox
    """
    reader = Reader(home)
    call = _Call(reader, reader.sweep(sweep), as_json, **options)
    if SweepStatus(call.sweep.status).is_open:
        raise UsageError(
            f"sweep {call.sweep.id} is {call.sweep.status}: it has finalists once it has ended; to end it:"
            " 'sharpen stop'"
        )
    call.carry_out()


@dataclass(frozen=True)
class _Call:
    """What the command line says."""

    reader: Reader
    sweep: SweepRow
    as_json: bool
    top: int
    n_seeds: int
    previous: str | None
    lockbox: bool
    again: bool
    n_slots: int | None

    def carry_out(self) -> None:
        """Compare, print, open the lockbox, print that, and save all of it."""
        from sharpen.agents import finalists as finalist_runs  # noqa: PLC0415 - they import a lot
        from sharpen.views.finalists import figures, folder_of  # noqa: PLC0415

        tops = finalist_runs.top_runs(self.reader, self.sweep, self.top)
        if self.lockbox and any(row.summary.get(NO_STAGE) for row in tops):
            echo(f"warning: {WITHOUT_STAGE}", err=True)
        compared = self._compared(tops)
        facts: dict[str, Any] = {"sweep": self.sweep.id, **figures(compared)}
        if not self.as_json:
            _print(compared, len(tops), self.top)
        facts["lockbox"] = self._lockbox(compared, tops)
        file = folder_of(self.reader.home, self.sweep.id) / RESULT
        file.write_text(json.dumps(null_for_nan(facts), indent=2) + "\n", encoding="utf-8")
        if self.as_json:
            print_json(facts)
        else:
            echo(f"\nsaved: {file}", err=True)

    def _compared(self, tops: Sequence[RunRow]) -> Finalists:
        """Carry out what is missing, and return the candidates with what they came to."""
        from sharpen.agents import finalists as finalist_runs  # noqa: PLC0415
        from sharpen.agents.permuted import free_slots  # noqa: PLC0415
        from sharpen.views.finalists import Finalists, FinalistScore  # noqa: PLC0415

        if self.again:
            finalist_runs.forget(self.reader.home, self.sweep.id)
        best = (
            self.reader.run(self.previous)
            if self.previous
            else finalist_runs.previous_best(self.reader, self.sweep)
        )
        candidates = finalist_runs.candidates(self.sweep, tops, best)
        for name in finalist_runs.continued(self.reader, tops):
            warning = "it went on from a training of other values. It is trained here from the beginning"
            echo(f"warning: run {name}: {warning}, with its own values alone", err=True)
        seeds = finalist_runs.fresh_seeds(self.sweep.seed, self.n_seeds)
        n = len({one.key for one in candidates}) * len(seeds)
        console = stderr()
        by_key: dict[str, list[FinalistScore]] = {}
        scored = finalist_runs.evaluate(
            self.reader, self.sweep, candidates, seeds, self.n_slots or free_slots(self.sweep)
        )
        with closing(scored):
            line = track(
                scored, "finalists", n, console=console, transient=True, disable=not console.is_terminal
            )
            for one in line:
                by_key.setdefault(one.key, []).append(finalist_runs.on_the_bars_of(tops[0], one))
        by_candidate = {
            key: tuple(sorted(evaluations, key=lambda one: seeds.index(one.seed)))
            for key, evaluations in by_key.items()
        }
        return Finalists(
            spec.parse(self.sweep.spec, where=self.sweep.source).metric, candidates, by_candidate
        )

    def _lockbox(self, finalists: Finalists, tops: Sequence[RunRow]) -> dict[str, Any] | None:
        """Open the lockbox for the best finalist, unless it is to stay closed; print what it showed."""
        from sharpen.agents.lockbox import open_lockbox  # noqa: PLC0415
        from sharpen.cli.validate import figures, print_look, warn  # noqa: PLC0415

        chosen = finalists.chosen
        earlier_look = next(
            (look for look in self.reader.lockbox_openings(self.sweep.id) if look.has_shown), None
        )
        why = "" if chosen else "no finalist can be chosen"
        if earlier_look:
            why = f"run {earlier_look.run_id} was scored on it before, and a second look is not out of sample"
        if not self.lockbox or why:
            if why:
                echo(f"\nThe lockbox stays closed: {why}.", err=True)
            return None
        (row,) = (one for one in tops if chosen and one.id == chosen.name)
        echo(f"\nlockbox, opened for {row.id}:\n", err=True)
        try:
            look = open_lockbox(self.reader.home, row.id, warn)
        except SharpenError as problem:
            echo(f"The lockbox shows nothing: {problem.message}", err=True)
            return {"run": row.id, "error": problem.message}
        if not self.as_json:
            print_look(look)
        return figures(look)


def _print(finalists: Finalists, n: int, n_asked: int) -> None:
    from sharpen.views.finalists import sentence  # noqa: PLC0415

    comparisons = finalists.comparisons
    rows = [_row(finalists, one, comparisons) for one in finalists.candidates]
    if finalists.baseline is not None:
        rows.append(
            dict.fromkeys(rows[0], "") | {"": "buy-and-hold", "fresh mean": shown(finalists.baseline)}
        )
    stdout().print(table(rows))
    for one in finalists.candidates:
        if problem := finalists.problem(one):
            echo(f"{one.name}: {problem}")
    echo(f"\n{sentence(comparisons)}")
    if n < n_asked:
        echo(f"There are {n} finalists: no more configurations finished with a score.")
    echo(f"\n{LIMITS if finalists.has_folds else LIMITS.replace(*SEEDS)}", err=True)


SEEDS = (
    "Folds are paired, each as its mean over the seeds.",
    "The program logs no fold's own value: seeds are paired.",
)


def _row(finalists: Finalists, one: Candidate, comparisons: Sequence[FinalistComparison]) -> dict[str, str]:
    scores = [evaluation.score for evaluation in finalists.of(one) if evaluation.score is not None]
    name = one.name if one.role in ("finalist", "default") else f"{one.role} {one.name}"
    row = {"": name, "in the sweep": shown(one.searched), "fresh mean": shown(finalists.mean(one))}
    row["seeds"] = f"{min(scores):.4g} … {max(scores):.4g}" if scores else ""
    others = [other.role for other in finalists.candidates if other.role != "finalist"]
    for role in others:
        row |= _against(role, next((c for c in comparisons if (c.name, c.against) == (one.name, role)), None))
    return row


def _against(role: str, one: FinalistComparison | None) -> dict[str, str]:
    names = (f"better than {role} by", f"95 % ({role})", f"p ({role})")
    if one is None or one.test is None:
        return dict.fromkeys(names, "") | ({names[0]: one.why.partition(":")[0]} if one else {})
    low, high = one.test.interval.low, one.test.interval.high
    ends = f"{low:+.3g} … {high:+.3g}" if math.isfinite(low) else ""
    cells = (f"{one.test.mean:+.4g}", ends, f"{one.p:.2g}" if math.isfinite(one.p) else "")
    return dict(zip(names, cells, strict=True))
