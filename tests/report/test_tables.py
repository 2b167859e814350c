"""The terminal's tables say what the page says."""

from __future__ import annotations

import io
import math
from dataclasses import replace

from rich.console import Console

from sharpen.report import configuration, leaderboard, verdict
from sharpen.report.formatting import decimals_for, fixed, span
from sharpen.trial import TrialState

from .stores import SPEC, fill


def printed(*parts) -> str:
    console = Console(width=1000, file=io.StringIO())
    for part in parts:
        console.print(part, markup=False)
    return console.file.getvalue()


def test_the_leaderboard_shows_the_best_runs_beside_buy_and_hold(lab) -> None:
    lab.sweep()
    fill(lab, n_runs=5)
    lab.run([(1, {"val/sharpe": math.nan})])
    lab.run([], exit_code=1, last_words="no")
    found = lab.analysis()
    lines = printed(leaderboard(found, 3)).splitlines()
    decimals = decimals_for(entry.run.score for entry in found.ranked[:3])
    assert lines[0].split()[:2] == ["run", "val/sharpe"]
    for line, entry in zip(lines[1:4], found.ranked, strict=False):
        assert entry.sharpe is not None
        assert entry.baseline is not None
        assert line.split()[:2] == [str(entry.number), fixed(entry.run.score, decimals)]
        assert span(entry.sharpe.interval) in line
        assert fixed(entry.baseline.value) in line
    assert lines[4].strip() == "and 2 more, 1 infeasible, 1 failed"
    narrow = Console(width=50, file=io.StringIO())
    narrow.print(leaderboard(found, 3))
    assert narrow.file.getvalue().splitlines()[-1] == lines[4]


def test_the_leaderboard_has_the_words_of_the_list_of_runs(lab) -> None:
    """A run is stopped, failed or crashed there, too."""
    lab.sweep()
    lab.run([(1, {"val/sharpe": 1.0})])
    ended = [TrialState.STOPPED, TrialState.FAILED, TrialState.CRASHED, TrialState.CRASHED]
    found = lab.analysis()
    others = [replace(found.ranked[0], state=state) for state in ended]
    found = replace(found, ranked=(*found.ranked, others[0]), failed=tuple(others[1:]))
    lines = [line.strip() for line in printed(leaderboard(found)).splitlines()]
    assert [line.split()[-1] for line in lines[1:3]] == ["finished", "stopped"]
    assert "stopped early" not in printed(leaderboard(found))
    assert lines[3] == "and 1 failed, 2 crashed"


def test_small_losses_can_be_told_apart(lab) -> None:
    lab.sweep(SPEC.replace("val/sharpe, goal: maximize", "val/loss, goal: minimize"))
    for loss in (0.05202, 0.06165, 0.05631, 0.31, math.nan):
        lab.run([(1, {"val/loss": loss})])
    lines = printed(leaderboard(lab.analysis())).splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["1", "0.052"],
        ["3", "0.056"],
        ["2", "0.062"],
        ["4", "0.310"],
    ]
    assert [line.split()[1] for line in printed(leaderboard(lab.analysis(), 3)).splitlines()[1:4]] == [
        "0.0520",
        "0.0563",
        "0.0617",
    ]


def test_the_verdict_is_its_sentence_checks_and_cautions(lab) -> None:
    lab.sweep()
    fill(lab)
    found = lab.analysis()
    text = printed(*verdict(found))
    assert found.judgement.sentence in text
    assert all(f"{c.name} {c.figure}, {c.threshold}" in text for c in found.judgement.checks)
    assert all(c.sentence in text for c in found.cautions)


def test_the_best_configuration(lab) -> None:
    lab.sweep()
    config = lab.run([(1, {"val/sharpe": 1.0})])
    text = printed(configuration(lab.analysis()))
    assert next(line.split() for line in text.splitlines()[1:]) == ["max_depth", str(config["max_depth"])]
    assert config["booster"] in text


def test_words_of_users_are_no_markup(lab) -> None:
    lab.sweep(SPEC.replace("[gbtree, dart]", '["[bold]x[/]"]'))
    lab.run([(1, {"val/sharpe": 1.0})])
    found = lab.analysis()
    assert "[bold]x[/]" in printed(configuration(found))


def test_a_sweep_without_runs(lab) -> None:
    lab.sweep()
    found = lab.analysis()
    assert "no runs" in printed(leaderboard(found))
    said = printed(*verdict(found))
    assert said.strip().startswith("No verdict.\nNo run has finished with a usable score.")
    assert said.lower().count("no verdict") == 1
    assert configuration(found).row_count == 0
