"""A report on configurations that ran under several seeds."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from rich.console import Console

from sharpen.overfit import expected_max_sharpe, moments, pbo, probability_above
from sharpen.report import leaderboard, verdict, write_html
from sharpen.store.queries import Reader
from sharpen.views.snapshot import Snapshot

from .stores import FACTS, SPEC, annual, returns_frame, rows_of

REPEATED = SPEC.replace("run_cap: 60", "run_cap: 24\nrepeats: 3")


def score(lab, *values: float) -> None:
    for value in values:
        lab.run([(1, {"val/sharpe": value})])


def test_the_winner_is_the_best_mean_not_the_best_run(lab) -> None:
    lab.sweep(REPEATED)
    score(lab, 9.0, -3.0, 0.0, 2.5, 3.0, 2.0, 0.5, 0.5, 0.5)
    found = lab.analysis()
    assert [(e.number, e.run.score) for e in found.ranked] == [(4, 2.5), (1, 2.0), (7, 0.5)]
    assert found.best is not None
    assert found.best.seeds == (2.0, 2.5, 3.0)
    assert [(p.order, p.number, p.best) for p in found.history] == [(1, 1, 2.0), (2, 4, 2.5), (3, 7, 2.5)]
    assert found.n_runs == 3


def test_a_configuration_without_all_of_its_repeats_cannot_win(lab) -> None:
    lab.sweep(REPEATED, run_cap=5)
    score(lab, 1.0, 1.0, 1.0, 9.0, 9.0)
    found = lab.analysis()
    assert [e.number for e in found.ranked] == [1]
    assert [e.number for e in found.unfinished] == [4]
    said = [c.sentence for c in found.cautions if c.topic == "Repeats"]
    assert said == ["Configurations that lack some of their repeats cannot win: run 4."]


def test_a_configuration_of_which_a_run_failed_cannot_win(lab) -> None:
    lab.sweep(REPEATED)
    score(lab, 9.0)
    lab.run([], exit_code=1, last_words="ValueError: no")
    score(lab, 1.0, 1.0, 1.0)
    score(lab, 5.0, 5.0)
    lab.run([(1, {"val/sharpe": math.nan})], summary={"infeasible": "2 trades"})
    found = lab.analysis()
    assert [e.number for e in found.ranked] == [3]
    assert [(e.number, e.why) for e in found.failed] == [(1, "ValueError: no")]
    assert [(e.number, e.why) for e in found.infeasible] == [(6, "2 trades")]


def test_a_rerun_is_not_compared(lab) -> None:
    lab.sweep(REPEATED, run_cap=3)
    score(lab, 1.0, 1.0, 1.0)
    lab.call("rerun", run_id=f"{lab.sweep_id}-1", key="again")
    score(lab, 9.0)
    found = lab.analysis()
    assert [(e.number, e.run.score) for e in found.ranked] == [(1, 1.0)]
    assert "1 run made by 'sharpen rerun' is not compared." in [c.sentence for c in found.cautions]


def fill(lab, n_configurations: int) -> tuple[list[np.ndarray], list[float]]:
    """Fill a sweep, and return the mean returns and the mean score of each configuration."""
    rng = np.random.default_rng(3)
    market = rng.normal(0.0004, 0.011, 600)
    means, scores = [], []
    for _ in range(n_configurations):
        own = [0.4 * market + rng.normal(0.0, 0.007, 600) for _ in range(3)]
        logged = []
        for returns in own:
            frame = returns_frame(returns, market)
            logged.append(rows_of(frame))
            lab.run(logged[-1], returns=frame, summary=FACTS)
        means.append(np.mean(own, axis=0))
        scores.append(float(np.mean([rows[-1][1]["val/sharpe"] for rows in logged])))
    return means, scores


def test_the_verdict_is_on_the_mean_returns_of_configurations(lab, tmp_path) -> None:
    lab.sweep(REPEATED)
    means, scores = fill(lab, 8)
    found = lab.analysis()
    best = int(np.argmax(scores))
    assert found.best is not None
    assert found.best.number == 3 * best + 1
    assert found.best.run.score == pytest.approx(scores[best])
    assert found.judgement.n_trials == 8, "a configuration is a trial, not a run"
    assert found.judgement.sharpe == pytest.approx(annual(means[best]))
    sharpes = np.array([annual(mean) for mean in means]) / math.sqrt(252.0)
    by_luck = expected_max_sharpe(8, max(float(np.var(sharpes, ddof=1)), 1.0 / 599.0))  # no less than noise
    assert found.judgement.dsr == pytest.approx(probability_above(moments(means[best]), by_luck))
    assert found.judgement.pbo == pytest.approx(pbo(np.column_stack(means)).probability)
    assert found.fold_values.shape == (8, 5)
    assert found.fold_values[0].mean() == pytest.approx(scores[best])

    write_html(found, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "8 configurations under 3 seeds each" in page
    assert "mean of 3 seeds, from " in page
    console = Console(width=200, file=io.StringIO())
    console.print(leaderboard(found), *verdict(found))
    text = console.file.getvalue()
    assert "over seeds" in text
    line = text.splitlines()[1]
    assert line.split()[0] == str(3 * best + 1)
    assert f"{found.best.seeds[0]:.2f} to {found.best.seeds[-1]:.2f}".replace("-", "−") in line


def test_seeds_on_different_bars_have_no_mean(lab) -> None:
    lab.sweep(REPEATED, run_cap=3)
    rng = np.random.default_rng(0)
    frames = []
    for n_bars in (300, 300, 299):
        frame = returns_frame(rng.normal(0.0, 0.01, n_bars), rng.normal(0.0, 0.01, n_bars))
        frames.append(frame)
        lab.run(rows_of(frame), returns=frame)
    found = lab.analysis()
    assert found.series[1].returns.tolist() == frames[0]["ret"].to_list()
    said = "Seeds were validated on different bars, so the first one's returns stand for all: run 1."
    assert said in [c.sentence for c in found.cautions]


def test_seeds_that_keep_returns_only_where_they_went_well_make_no_verdict(lab) -> None:
    lab.sweep(SPEC.replace("run_cap: 60", "run_cap: 30\nrepeats: 30"))
    rng = np.random.default_rng(3)
    market, kept = rng.normal(0.0, 0.01, 750), []
    for _ in range(30):
        own = rng.normal(0.0, 0.01, 750)
        score = [(1, {"val/sharpe": annual(own)})]
        if annual(own) > 0.0:
            kept.append(own)
            lab.run(score, returns=returns_frame(own, market))
        else:
            lab.run(score)
    chosen = moments(np.mean(kept, axis=0))
    assert probability_above(chosen, 0.0) > 0.99, "noise, and yet their mean would pass for an only trial"
    found = lab.analysis()
    assert found.judgement.kind == "none"
    said = next(c for c in found.cautions if c.topic == "Repeats")
    assert said.is_grave
    assert said.sentence.startswith("Not every seed kept its returns")


def test_without_repeats_nothing_is_said_of_seeds(lab, tmp_path) -> None:
    lab.sweep()
    score(lab, 0.5, 0.25)
    found = lab.analysis()
    assert [e.seeds for e in found.ranked] == [(), ()]
    write_html(found, tmp_path / "r.html")
    assert "seeds" not in (tmp_path / "r.html").read_text().split("<script")[0]


def test_deleted_runs_of_a_configuration_leave_it_a_trial(lab) -> None:
    lab.sweep(REPEATED)
    means, _ = fill(lab, 8)
    before = lab.analysis()
    whole, part = (entry.number for entry in before.ranked[-2:])
    for number in (whole, whole + 1, whole + 2, part + 1):
        lab.call("delete", target=f"{lab.sweep_id}-{number}")
    after = lab.analysis()
    assert [e.number for e in after.ranked] == [e.number for e in before.ranked[:-2]]
    assert after.judgement == before.judgement
    assert after.judgement.n_trials == len(means) == 8
    assert "4 runs were deleted; they count as trials." in [c.sentence for c in after.cautions]


def test_a_configuration_that_lost_its_first_run_is_canceled(lab) -> None:
    lab.sweep(REPEATED, run_cap=6)
    score(lab, 9.0, 9.0, 9.0, 1.0, 1.0, 1.0)
    lab.call("delete", target=f"{lab.sweep_id}-1")
    found = lab.analysis()
    assert [e.number for e in found.ranked] == [4]
    assert [(e.number, e.run.reason) for e in found.canceled] == [(2, "run 1 was deleted")]
    assert found.unfinished == ()


def test_a_seed_that_broke_a_constraint_is_why_no_configuration_wins(lab) -> None:
    lab.sweep(REPEATED + "constraints: {n_trades: '>= 30'}\n", run_cap=6)
    for n_trades in (40, 10, 12, 40, 40, 20):
        lab.run([(1, {"val/sharpe": 1.0, "n_trades": n_trades})])
    found = lab.analysis()
    said = "2 of 2 finished configurations broke n_trades >= 30 (nearest: run 6 with 20)"
    assert found.judgement.headline == (
        f"No configuration kept the constraints under all of its seeds: {said}."
    )
    reader = Reader(lab.home)
    assert Snapshot.read(reader, lab.sweep_id).why_none == (
        f"no configuration kept the constraints under all of its seeds: {said}"
    )


def test_a_configuration_that_kept_the_constraints_wins_over_those_that_did_not(lab) -> None:
    lab.sweep(REPEATED + "constraints: {n_trades: '>= 30'}\n", run_cap=6)
    for n_trades in (40, 10, 12, 40, 40, 40):
        lab.run([(1, {"val/sharpe": 1.0, "n_trades": n_trades})])
    found = lab.analysis()
    assert found.best is not None
    assert found.best.number == 4
    assert Snapshot.read(Reader(lab.home), lab.sweep_id).why_none == ""
