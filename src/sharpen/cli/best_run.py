"""Showing the best run of a sweep: its score, its configuration, what a sceptic asks, how to repeat it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sharpen import spec
from sharpen.cli.live import of_seeds
from sharpen.cli.pareto_front import headline, scores
from sharpen.cli.printing import print_json, shown, stdout, table
from sharpen.cli.same_store import same_store
from sharpen.cli.terminal import echo
from sharpen.facts import BEST_TRADES, RETURNS, SAVED
from sharpen.jsonable import number
from sharpen.permutation_null import PermutationTest
from sharpen.store.configurations import Configuration, configurations, seed_of
from sharpen.store.queries import Reader
from sharpen.store.rows import ArtifactRow, RunRow
from sharpen.sweep.out_of_memory import less
from sharpen.views.permuted_search import PermutedSearch, permuted_search
from sharpen.views.snapshot import Snapshot

if TYPE_CHECKING:
    from sharpen.overfit import Comparison
    from sharpen.views.scrutiny import Scrutiny


@dataclass(frozen=True, slots=True)
class BestRun:
    """A configuration and what there is to say of it.

    Attributes:
        now: Its sweep.
        configuration: The configuration.
        metrics: What it logged last.
        files: Of its first run.
        test: How its score compares with scores on permuted bars; None when nobody asked.
        search: The same of the whole search.
        scrutiny: What a sceptic asks; None without returns.
        beside: A policy beside each baseline, corrected for all that was tried; empty for what is no policy.
    """

    now: Snapshot
    configuration: Configuration
    metrics: Mapping[str, Any]
    files: Sequence[ArtifactRow]
    test: PermutationTest | None
    search: PermutedSearch | None
    scrutiny: Scrutiny | None
    beside: Sequence[Comparison]

    @property
    def seeds(self) -> list[dict[str, Any]]:
        """The runs of a configuration, each with its seed and its score; none where it has one."""
        runs = self.configuration.runs if len(self.configuration.runs) > 1 else ()
        return [{"run": run.id, "seed": seed_of(self.now.sweep, run), "score": run.score} for run in runs]

    @property
    def command(self) -> str:
        """What a user types to repeat it alone."""
        sweep, top = self.now.sweep, self.configuration.row
        return spec.command_line(self.now.spec, top.config, seed_of(sweep, top))

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        top, now = self.configuration.row, self.now
        facts: dict[str, Any] = {"run": top.id, "metric": now.metric.name}
        facts |= {"score": top.score, "config": top.config}
        facts |= {"proposed": top.proposed} if top.proposed else {}
        facts |= {"scores": scores(now, top)} if now.has_several else {}
        artifacts = {file.name: str(file.path) for file in self.files}
        facts |= {"metrics": self.metrics, "artifacts": artifacts, "command": self.command}
        facts |= {"permuted": self.test.figures()} if self.test else {}
        facts |= {"permuted_search": self.search.figures()} if self.search else {}
        facts |= {"scrutiny": self.scrutiny.figures()} if self.scrutiny else {}
        facts |= {"baselines": [asdict(one) for one in self.beside]} if self.beside else {}
        return facts | ({"repeats": self.seeds} if self.seeds else {})

    def print(self) -> None:
        """Print it for people."""
        top, now = self.configuration.row, self.now
        echo(headline(now, top), nl=False)
        echo(f", {of_seeds(self.configuration)}\n" if self.seeds else "\n")
        if self.seeds:
            _print_table({name: shown(value) for name, value in row.items()} for row in self.seeds)
            echo("")
        _print_table({"parameter": name, "value": shown(value)} for name, value in top.config.items())
        if halved := less(top.proposed, top.config):
            echo(f"\nout of memory as proposed, evaluated with less: {halved}")
        echo("")
        _print_table({"metric": name, "value": shown(value)} for name, value in self.metrics.items())
        self._print_evidence()
        for file in self.files:
            echo(f"\n{file.name}: {file.path}", nl=False)
        echo(f"\n\nrepeat it alone: {self.command}")
        for what, compared in (("permuted bars", self.test), ("whole search", self.search)):
            if compared:
                echo(f"{what + ':':<16} {compared.summary}")
        look = same_store(f"sharpen validate {top.id}")
        next_steps = f"is it real?      {same_store(f'sharpen report {now.sweep.id}')}"
        if self.scrutiny:  # a program that keeps no returns knows of no other bars
            next_steps += f", {same_store(f'sharpen permute {now.sweep.id}')}, then, once: {look}"
        elif self.beside:
            next_steps += f", then, once: {look}"
        echo(next_steps, err=True)

    def _print_evidence(self) -> None:
        """Print what a sceptic asks, or a policy beside each baseline."""
        if self.scrutiny:
            echo("")
            _print_table({"a sceptic asks": asks, "answer": answer} for asks, answer in self.scrutiny.rows)
        if self.beside:
            echo("\n" + "\n".join(one.sentence for one in self.beside))


def show_best(reader: Reader, now: Snapshot, configuration: Configuration, as_json: bool) -> None:
    """Print a configuration, for people or as JSON."""
    top = configuration.row
    metrics = _metrics(reader, configuration.runs)
    score = None if now.best is None else now.best.score
    best = BestRun(
        now=now,
        configuration=configuration,
        metrics=metrics,
        files=reader.artifacts(run_id=top.id),
        test=PermutationTest.of(top.summary),
        search=permuted_search(reader.home, now.sweep, now.metric, score),
        scrutiny=_scrutiny(reader, now, configuration, number(metrics.get(BEST_TRADES))),
        beside=_beside(reader, now, configuration),
    )
    if as_json:
        print_json(best.facts())
    else:
        best.print()


def _beside(reader: Reader, now: Snapshot, configuration: Configuration) -> Sequence[Comparison]:
    """Return a policy beside each baseline; nothing where it has not kept what it saved."""
    if not any(file.type == SAVED for run in configuration.runs for file in reader.artifacts(run_id=run.id)):
        return ()
    from sharpen.views.family import family  # noqa: PLC0415 - they import a lot
    from sharpen.views.savings import comparisons_of  # noqa: PLC0415

    ever = reader.runs(now.sweep.id, deleted=True)
    return comparisons_of(reader, configuration.row.number, ever, now.spec, family(reader, now.sweep))


def _scrutiny(
    reader: Reader, now: Snapshot, configuration: Configuration, trades_share: float | None
) -> Scrutiny | None:
    """Return what a sceptic asks of a configuration; None where no returns of it are kept."""
    files = [file for run in configuration.runs for file in reader.artifacts(run_id=run.id)]
    if not any(file.type == RETURNS for file in files):
        return None
    from sharpen.views.returns import ensembles, read_series  # noqa: PLC0415 - they import a lot
    from sharpen.views.scrutiny import neighbours_of, scrutinise  # noqa: PLC0415

    numbers = {run.id: run.number for run in configuration.runs}
    series = ensembles(read_series(files, numbers)[0], [configuration])[0].get(configuration.row.number)
    if series is None:
        return None
    tried = configurations(reader.runs(now.sweep.id, deleted=True), now.repeats)
    near = neighbours_of(configuration, tried, now.spec.space, now.metric)
    return scrutinise(series, configuration, math.nan if trades_share is None else trades_share, near)


def _metrics(reader: Reader, runs: Sequence[RunRow]) -> dict[str, Any]:
    """Return what a run logged last; of several runs the means of the numbers that all of them logged."""
    last = [logged for run in runs if (logged := reader.long_runs.last_metrics(run.id))]
    if len(last) < 2:
        return last[0] if last else {}
    figures = {name: [number(metrics.get(name)) for metrics in last] for name in last[0]}
    finite = {name: [v for v in values if v is not None] for name, values in figures.items()}
    return {name: sum(values) / len(values) for name, values in finite.items() if len(values) == len(last)}


def _print_table(rows: Iterable[Mapping[str, str]]) -> None:
    if shown_rows := [dict(row) for row in rows]:
        stdout().print(table(shown_rows))
