"""The figures of a report, against figures worked out here."""

from __future__ import annotations

import math
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from pyarrow import parquet

from sharpen.overfit import expected_max_sharpe, moments, pbo, probability_above
from sharpen.report import lockbox_figures
from sharpen.report.cautions import about_best
from sharpen.space import Int, Space
from sharpen.store import schema
from sharpen.store.queries import Reader

from .stores import FACTS, SPEC, annual, fill, returns_frame, rows_of

LOSS = """
name: loss
program: train.py
method: random
metric: {name: loss, goal: minimize}
parameters:
  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}
"""


def stop(lab, *numbers: int) -> None:
    table = schema.runs
    with lab.coordinator._store.engine.begin() as connection:
        here = table.c.sweep_id == lab.sweep_id
        connection.execute(table.update().where(here, table.c.number.in_(numbers)), {"state": "stopped"})


def test_the_leaderboard_is_finished_runs_by_score_then_stopped_ones(lab) -> None:
    lab.sweep()
    for score in (0.2, 0.9, 0.5, 2.0, 1.0):
        lab.run([(1, {"val/sharpe": score})])
    stop(lab, 4, 5)
    lab.run([(1, {"val/sharpe": math.nan})], summary={"infeasible": "2 trades"})
    lab.run([], exit_code=1, last_words="ValueError: no")
    lab.run([(1, {"val/sharpe": 9.0})], exit_code=None)
    found = lab.analysis()
    assert [entry.number for entry in found.ranked] == [2, 3, 1, 4, 5]
    assert found.best is not None
    assert found.best.number == 2
    assert [(e.number, e.why) for e in found.infeasible] == [(6, "2 trades")]
    assert [(e.number, e.why) for e in found.failed] == [(7, "ValueError: no")]
    assert [e.number for e in found.unfinished] == [8]
    assert found.n_runs == 8


def test_a_metric_to_be_minimised_ranks_the_smallest_first(lab) -> None:
    lab.sweep(LOSS)
    for score in (0.5, -0.1, 0.3, 0.2):
        lab.run([(1, {"loss": 1.0}), (2, {"loss": score})])
    found = lab.analysis()
    assert [entry.run.score for entry in found.ranked] == [-0.1, 0.2, 0.3, 0.5]
    assert [point.best for point in found.history] == [0.5, -0.1, -0.1, -0.1]
    assert found.fold_metric == "loss"
    assert found.fold_values.tolist() == [[1.0, -0.1], [1.0, 0.2], [1.0, 0.3], [1.0, 0.5]]


def test_the_best_so_far_counts_finished_runs_in_the_order_of_ending(lab) -> None:
    lab.sweep()
    lab.run([(1, {"val/sharpe": math.nan})])
    for score in (0.4, 3.0, 0.1, 0.8):
        lab.run([(1, {"val/sharpe": score})])
    stop(lab, 3)
    points = lab.analysis().history
    assert [(p.order, p.number, p.score, p.best) for p in points] == [
        (2, 2, 0.4, 0.4),
        (3, 3, 3.0, 0.4),
        (4, 4, 0.1, 0.4),
        (5, 5, 0.8, 0.8),
    ]


def test_fold_values_and_the_gap_are_what_was_logged(lab) -> None:
    lab.sweep()
    frames = fill(lab, n_runs=4)
    found = lab.analysis()
    assert found.fold_metric == "fold/val_sharpe"
    assert found.steps == (1, 2, 3, 4, 5)
    for entry, row in zip(found.ranked, found.fold_values, strict=True):
        folds = frames[entry.number - 1].partition_by("fold", maintain_order=True)
        assert row == pytest.approx([annual(part["ret"].to_numpy()) for part in folds])
        assert entry.run.score == pytest.approx(np.mean(row))
    assert found.gap_metrics == ("train/sharpe", "val/sharpe")
    assert {p.number: p.validation for p in found.gap} == {e.number: e.run.score for e in found.ranked}
    assert all(p.train > p.validation for p in found.gap)


def test_each_fold_of_a_hydra_sweep_has_its_own_value_not_the_mean_so_far(lab) -> None:
    lab.sweep()
    lab.run([(0, {"val/sharpe": 0.4, "evaluation": 0.4}), (1, {"val/sharpe": 0.3, "evaluation": 0.2})])
    found = lab.analysis()
    assert found.fold_metric == "evaluation"
    assert np.array(found.fold_values).tolist() == [[0.4, 0.2]]


def test_a_run_that_stopped_early_has_no_value_at_later_steps(lab) -> None:
    lab.sweep()
    lab.run([(1, {"val/sharpe": 0.1}), (2, {"val/sharpe": 0.2}), (3, {"val/sharpe": 0.3})])
    lab.run([(1, {"val/sharpe": 0.5})])
    stop(lab, 2)
    values = lab.analysis().fold_values
    assert np.array_equal(values, [[0.1, 0.2, 0.3], [0.5, math.nan, math.nan]], equal_nan=True)


def test_the_verdict_is_drawn_from_all_that_was_tried(lab) -> None:
    lab.sweep()
    frames = fill(lab, n_runs=12)
    lease, _ = lab.lease()
    lab.call("report", **lease, rows=[rows_of(frames[0])[0]])
    lab.keep(lease, frames[3].head(120))
    lab.call("exit", **lease, exit_code=0, last_words="")
    stop(lab, 13)
    frames.append(frames[3].head(120))
    found = lab.analysis()
    columns = np.column_stack([f["ret"].to_numpy() for f in frames[:12]])
    sharpes = np.array([annual(f["ret"].to_numpy()) for f in frames]) / math.sqrt(252.0)
    sharpes[12] *= math.sqrt(119.0 / 599.0)  # of 120 bars: a short run spreads wider
    by_luck = expected_max_sharpe(13, max(float(np.var(sharpes, ddof=1)), 1.0 / 599.0))
    assert found.best is not None
    best = columns[:, found.best.number - 1]
    assert found.judgement.n_trials == 13
    assert found.judgement.sharpe == pytest.approx(annual(best))
    assert found.judgement.dsr == pytest.approx(probability_above(moments(best), by_luck))
    # order of columns is the leaderboard's, which the probability does not depend on
    assert found.judgement.pbo == pytest.approx(pbo(columns).probability)
    assert found.judgement.kind == "luck"
    assert found.bars_per_year == 252.0
    assert found.series[13].returns.tolist() == frames[3]["ret"].to_list()[:120]


def test_an_edge_that_is_real_passes(lab) -> None:
    lab.sweep()
    fill(lab, n_runs=12, n_bars=1200, edge=0.0015)
    found = lab.analysis()
    assert found.judgement.kind == "real"
    assert {check.outcome for check in found.judgement.checks} == {"passed"}
    assert found.best is not None
    assert found.best.number == 7


def test_every_sharpe_stands_beside_buy_and_hold_on_the_same_bars(lab) -> None:
    lab.sweep()
    frames = fill(lab, n_runs=3)
    short = frames[0].head(200)
    lab.run(rows_of(short), returns=short, summary=FACTS)
    for entry in lab.analysis().ranked:
        frame = short if entry.number == 4 else frames[entry.number - 1]
        assert entry.sharpe is not None
        assert entry.baseline is not None
        assert entry.sharpe.value == pytest.approx(annual(frame["ret"].to_numpy()))
        assert entry.baseline.value == pytest.approx(annual(frame["baseline"].to_numpy()))
        for estimate in (entry.sharpe, entry.baseline):
            assert estimate.interval.low < estimate.value < estimate.interval.high


def test_performance_is_that_of_the_joined_returns(lab) -> None:
    lab.sweep()
    frames = fill(lab, n_runs=2)
    found = lab.analysis()
    assert found.best is not None
    assert found.performance is not None
    frame = frames[found.best.number - 1]
    for figures, name in zip(found.performance, ("ret", "baseline"), strict=True):
        returns = frame[name].to_numpy()
        equity = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
        assert figures.annual_return == pytest.approx(equity[-1] ** (252 / len(returns)) - 1.0)
        assert figures.annual_volatility == pytest.approx(np.std(returns, ddof=1) * math.sqrt(252))
        assert figures.max_drawdown == pytest.approx(max(1 - equity / np.maximum.accumulate(equity)))


def test_the_same_store_gives_the_same_analysis(lab) -> None:
    lab.sweep()
    fill(lab, n_runs=4)
    first, second = lab.analysis(), lab.analysis()
    same = {f.name for f in fields(first)} - {"fold_values", "series", "spec"}
    assert {name: getattr(first, name) for name in same} == {name: getattr(second, name) for name in same}


def test_runs_on_other_bars_are_left_out_of_the_overfitting_test_and_named(lab) -> None:
    lab.sweep()
    frames = fill(lab, n_runs=4)
    short = frames[0].head(300)
    lab.run([(1, {"val/sharpe": -5.0})], returns=short)
    found = lab.analysis()
    assert [c.sentence[-8:] for c in found.cautions if c.topic == "Other bars"] == [": run 5."]
    columns = np.column_stack([f["ret"].to_numpy() for f in frames])
    assert found.judgement.pbo == pytest.approx(pbo(columns).probability)


def test_returns_of_as_many_bars_at_other_times_are_other_bars(lab) -> None:
    lab.sweep()
    frames = fill(lab, n_runs=4)
    later = pl.col("time").dt.offset_by("1h")
    moved = frames[1].with_columns(time=pl.when(pl.int_range(pl.len()) == 100).then(later).otherwise("time"))
    lab.run([(1, {"val/sharpe": -5.0})], returns=moved)
    found = lab.analysis()
    assert [c.sentence[-8:] for c in found.cautions if c.topic == "Other bars"] == [": run 5."]
    columns = np.column_stack([f["ret"].to_numpy() for f in frames])
    assert found.judgement.pbo == pytest.approx(pbo(columns).probability)


class Twice:
    """Returns with a column twice, which polars does not make."""

    def write_parquet(self, path) -> None:
        columns = returns_frame(np.ones(50), np.zeros(50)).to_arrow()
        parquet.write_table(columns.append_column("ret", columns["ret"]), path)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (returns_frame(np.full(50, np.nan), np.zeros(50)), "not a number"),
        (returns_frame(np.ones(50), np.zeros(50)).drop("baseline"), "no column baseline"),
        (
            returns_frame(np.ones(50), np.zeros(50)).with_columns(time=None),
            "a row without a value in the column time",
        ),
        (
            returns_frame(np.ones(50), np.zeros(50)).with_columns(fold=pl.lit(math.nan)),
            "Float value nan was truncated",
        ),
        (Twice(), "exists 2 times in schema"),
    ],
    ids=["nan", "column", "time", "fold", "twice"],
)
def test_returns_that_cannot_be_used_are_named_and_left_out(lab, frame, why) -> None:
    lab.sweep()
    fill(lab, n_runs=2)
    lab.run([(1, {"val/sharpe": -9.0})], returns=frame)
    found = lab.analysis()
    assert 3 not in found.series
    assert found.judgement.n_trials == 3, "it was tried, whatever it kept"
    assert found.judgement.n_with_returns == 2
    (sentence,) = [c.sentence for c in found.cautions if c.topic == "Unusable returns"]
    assert "run 3: " in sentence
    assert why in sentence


def test_a_blob_that_is_gone_is_named_and_left_out(lab) -> None:
    lab.sweep()
    fill(lab, n_runs=2)
    for blob in (lab.home / "blobs").glob("??/*"):
        blob.unlink()
    found = lab.analysis()
    assert found.judgement.kind == "none"
    assert any(c.topic == "Unusable returns" for c in found.cautions)


def test_a_sweep_without_returns_has_no_verdict_and_says_why(lab) -> None:
    lab.sweep(LOSS)
    lab.run([(1, {"loss": 0.3})])
    found = lab.analysis()
    assert found.judgement.kind == "none"
    assert "No run kept its out-of-sample returns" in found.judgement.sentence
    assert found.performance is None
    assert math.isnan(found.bars_per_year)


def test_a_sweep_without_runs(lab) -> None:
    lab.sweep()
    found = lab.analysis()
    assert found.n_runs == 0
    assert found.best is None
    assert found.judgement.kind == "none"
    assert found.fold_values.shape == (0, 0)
    assert [c.topic for c in found.cautions] == ["The sweep is not over"]


def test_a_sweep_whose_runs_all_failed(lab) -> None:
    lab.sweep()
    for _ in range(5):
        lab.run([], exit_code=1, last_words="KeyError: 'close'")
    found = lab.analysis()
    assert found.best is None
    assert found.sweep.status == "failed"
    texts = {c.topic: c.sentence for c in found.cautions}
    assert texts["Failed runs"] == "5 of 5 runs failed: KeyError: 'close' (run 1, 2, 3, 4, 5)."
    assert "failed alike" in texts["The sweep failed"]


def test_what_tells_runs_without_memory_from_the_others_is_named(lab) -> None:
    lab.sweep()
    depths = []
    for _ in range(10):
        lease, config = lab.lease()
        depths.append(config["max_depth"])
        is_deep = config["max_depth"] > 5
        if not is_deep:
            lab.call("report", **lease, rows=[(0, {"val/sharpe": 1.0})])
        lab.call("exit", **lease, exit_code=int(is_deep), last_words="MemoryError: 2 GB" if is_deep else "")
    n = sum(depth > 5 for depth in depths)
    texts = {c.topic: c.sentence for c in lab.analysis().cautions}
    assert "Failed runs" not in texts
    said = texts["Out of memory"]
    assert said.startswith(f"{n} of 10 runs that ended ran out of memory. What tells them apart: all of them")
    assert "have max_depth of 6 or more, and no other run has. 'on_oom: halve:NAME'" in said
    assert f"{n} of 10 runs ended without a usable score: out of memory with" in texts["Infeasible runs"]


def test_a_reason_that_is_a_sentence_has_no_stop_in_the_middle_of_another(lab) -> None:
    lab.sweep()
    lab.run([], exit_code=1, last_words="x.csv: no rows. Fix: bring some.")
    texts = {c.topic: c.sentence for c in lab.analysis().cautions}
    assert texts["Failed runs"] == "1 of 1 runs failed: x.csv: no rows. Fix: bring some (run 1)."


def test_cautions_of_data_versions_and_ranges(lab) -> None:
    lab.sweep()
    stale = "STALE OPENS: 66% of the opens of XYZ repeat the previous close"
    lab.run([(1, {"val/sharpe": 0.1})], summary={**FACTS, "data/notes": [stale, "XYZ ends in 2013"]})
    other = {"data/hash": "cd" * 32, "versions": {"numpy": "2.5.0"}}
    lab.run([(1, {"val/sharpe": 0.2})], summary={**FACTS, **other})
    found = lab.analysis()
    texts = {c.topic: c.sentence for c in found.cautions}
    assert texts["Stale opens"] == "66% of the opens of XYZ repeat the previous close"
    assert texts["Data"] == "XYZ ends in 2013"
    assert {c.topic for c in found.doubts} == {"Stale opens", "Different data"}
    assert "stocks abababababab (1 run)" in texts["Different data"]
    assert "numpy 2.4.0 and 2.5.0" in texts["Different versions"]
    assert [(d.bars.name, d.bars.digest[:2], d.n_runs) for d in found.data] == [
        ("stocks", "ab", 1),
        ("stocks", "cd", 1),
    ]


def test_each_warning_of_the_data_has_its_topic_and_single_bars_cast_doubt(lab) -> None:
    lab.sweep()
    kinds = ["PRICE SPIKES", "UNADJUSTED SPLITS", "PRICE JUMPS", "GAPS", "FROZEN PRICES"]
    notes = [f"{kind}: of XYZ" for kind in kinds]
    lab.run([(1, {"val/sharpe": 0.1})], summary={**FACTS, "data/notes": notes})
    found = lab.analysis()
    topics = [kind.capitalize() for kind in kinds]
    assert [(c.topic, c.sentence) for c in found.cautions if c.sentence == "of XYZ"] == [
        (topic, "of XYZ") for topic in topics
    ]
    assert [c.topic for c in found.doubts] == topics[:2]


def test_the_best_value_at_the_end_of_its_range_is_named(lab) -> None:
    lab.sweep(
        SPEC.replace("method: random", "method: grid").replace(
            """  learning_rate: {distribution: log_uniform_values, min: 0.01, max: 0.3}
  subsample: {min: 0.5, max: 1.0}
  booster: {values: [gbtree, dart]}
""",
            "",
        )
    )
    for score in (9.0, 1.0, 2.0):
        lab.run([(1, {"val/sharpe": score})])
    texts = {c.topic: c.sentence for c in lab.analysis().cautions}
    assert "max_depth = 3" in texts["At the end of a range"]


def test_of_many_parameters_at_an_end_the_first_are_named() -> None:
    space = Space({f"p{n}": Int(1, 9) for n in range(300)})
    best = SimpleNamespace(run=SimpleNamespace(config=dict.fromkeys(space.dimensions, 9)))
    (caution,) = about_best(best, space)  # pyright: ignore[reportArgumentType]
    assert caution.sentence.startswith(
        "The best run has p0 = 9, p1 = 9, p2 = 9, p3 = 9, p4 = 9, and 295 more: "
    )


def test_looks_at_the_lockbox_are_counted_with_what_they_found(lab) -> None:
    lab.sweep()
    (frame, _) = fill(lab, n_runs=2)
    lab.call("look", look_id="a", run_id=f"{lab.sweep_id}-1", who="ann")
    lab.clock.now += 1
    lab.call("look", look_id="b", run_id=f"{lab.sweep_id}-2", who="bob")
    digest = next(
        a.digest for a in Reader(lab.home).artifacts(sweep_id=lab.sweep_id) if a.run_id.endswith("-1")
    )
    figures = lockbox_figures(lab.home, digest, seed=7)
    assert figures["sharpe"] == pytest.approx(annual(frame["ret"].to_numpy()))
    assert figures["baseline_sharpe"] == pytest.approx(annual(frame["baseline"].to_numpy()))
    assert figures["interval"][0] < figures["sharpe"] < figures["interval"][1]
    assert figures["n_bars"] == 600
    side = {"metrics": {"lockbox/n_trades": 12.0}, "returns": digest, **figures}
    lab.call(
        "looked", look_id="a", result={"chosen": side, "default": {"metrics": {"x": 1.0}, "returns": ""}}
    )
    first, second = lab.analysis().looks
    assert (first.row.who, second.row.who) == ("ann", "bob")
    chosen, default = first.sides
    assert chosen.sharpe is not None
    assert chosen.sharpe.value == pytest.approx(figures["sharpe"])
    assert chosen.n_bars == 600
    assert default.sharpe is None
    assert default.metrics == {"x": 1.0}
    assert second.sides == ()
    assert "The lockbox" not in {c.topic for c in lab.analysis().cautions}  # the second has shown nothing
    lab.call("looked", look_id="b", result={"chosen": side, "default": {"error": "it failed"}})
    second = lab.analysis().looks[1]
    assert [s.name for s in second.sides] == ["chosen"]
    assert second.failures == {"default": "it failed"}
    assert any(c.topic == "The lockbox" and "2 times" in c.sentence for c in lab.analysis().cautions)


def test_looks_of_other_sweeps_at_the_same_bars_are_known(lab) -> None:
    for n, lockbox in enumerate(("aa", "bb", "aa"), 1):
        first = lab.sweep(SPEC.replace("demo", f"demo{n}"))
        lab.run([(1, {"val/sharpe": 1.0})], summary={"lockbox/hash": lockbox})
        lab.call("look", look_id=first, run_id=f"{first}-1", who="ann")
        lab.call("looked", look_id=first, result={"chosen": {"metrics": {"x": 1.0}}})
        lab.clock.now += 1
    found = lab.analysis()
    assert len(found.looks) == len(found.looks_elsewhere) == 1
    assert found.looks_elsewhere[0].lockbox == "aa"
    (caution,) = (c for c in found.cautions if c.topic == "The lockbox")
    assert "opened 2 times, 1 of them by other sweeps" in caution.sentence


def test_runs_that_kept_different_lockboxes_are_a_grave_matter(lab) -> None:
    lab.sweep()
    for lockbox in ("aa", "bb", "aa"):
        lab.run([(1, {"val/sharpe": 1.0})], summary={"lockbox/hash": lockbox})
    (caution,) = (c for c in lab.analysis().cautions if c.topic == "The lockbox")
    assert caution.is_grave
    assert "kept 2 different ones" in caution.sentence


def test_to_delete_the_losers_does_not_change_the_verdict(lab) -> None:
    lab.sweep()
    fill(lab, n_runs=30, seed=4)
    before = lab.analysis()
    assert before.judgement.kind == "luck"
    losers = [entry.number for entry in before.ranked[4:]]
    for number in losers:
        lab.call("delete", target=f"{lab.sweep_id}-{number}")
    after = lab.analysis()
    assert after.judgement == before.judgement
    assert after.judgement.n_trials == 30
    assert [entry.number for entry in after.ranked] == [entry.number for entry in before.ranked[:4]]
    assert set(after.series) == {entry.number for entry in after.ranked}
    assert "26 runs were deleted; they count as trials." in [c.sentence for c in after.cautions]
    assert "deleted" not in " ".join(c.sentence for c in before.cautions)


def test_a_deleted_run_never_wins(lab) -> None:
    lab.sweep()
    fill(lab, n_runs=8)
    lab.run([(1, {"val/sharpe": -9.0})])
    before = lab.analysis()
    for number in (before.ranked[0].number, 9):
        lab.call("delete", target=f"{lab.sweep_id}-{number}")
    after = lab.analysis()
    assert [e.number for e in after.ranked] == [e.number for e in before.ranked[1:-1]]
    assert after.best is not None
    assert after.best.number == before.ranked[1].number
    assert after.judgement.n_trials == before.judgement.n_trials == 9
    said = [c.sentence for c in after.cautions if c.topic == "Deleted runs"]
    assert said == ["2 runs were deleted; they count as trials."]
