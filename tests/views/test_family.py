"""What counts as tried: everything, whatever it kept, in whatever sweep, on the same bars."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.stores import Lab, returns_frame
from sharpen.facts import BarsFacts
from sharpen.report import verdict
from sharpen.store.queries import Reader
from sharpen.views.family import family, overlap
from sharpen.views.trials import CACHE

NOISE = """
name: noise
program: noise.py
method: random
metric: {name: val/sharpe, goal: maximize}
run_cap: 60
max_failures: 1000
parameters: {x: {min: 0.0, max: 1.0}}
"""
ALONE = NOISE.replace("name: noise", "name: alone").replace("{min: 0.0, max: 1.0}", "{value: 0.25}")
N_BARS = 750
DAYS = {"data/name": "a", "data/hash": "1", "data/symbols": ["A"]}


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path / "store")
    yield made
    made.coordinator.close()


def noise(n: int, seed: int = 2):
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0002, 0.01, N_BARS)
    return [returns_frame(rng.normal(0.0, 0.01, N_BARS), market) for _ in range(n)]


def whole(frame) -> float:
    own = frame["ret"].to_numpy()
    return float(own.mean() / own.std(ddof=1) * math.sqrt(252.0))


def search(lab, frames, keeps, exit_code=0, summary=None):
    """Run a program a frame; those that ``keeps`` refuses keep nothing, and leave with the exit code."""
    for frame in frames:
        score = [(1, {"val/sharpe": whole(frame)})]
        if keeps(frame):
            lab.run(score, returns=frame, summary=summary)
        else:
            lab.run(score if exit_code == 0 else (), exit_code=exit_code, summary=summary)


@pytest.mark.parametrize("exit_code", [0, 1], ids=["shy losers", "losers that fail"])
def test_losers_that_keep_nothing_count(lab, exit_code):
    lab.sweep(NOISE)
    search(lab, noise(60), lambda frame: whole(frame) > 0.8, exit_code)
    found = lab.analysis()
    assert found.judgement.n_trials == 60
    assert found.judgement.kind == "luck"
    assert any("of the 60 runs that began kept" in str(line) for line in verdict(found))


def test_a_run_that_waits_or_never_reported_is_no_trial(lab):
    lab.sweep(NOISE)
    search(lab, noise(3), lambda frame: True)
    lab.lease()  # started, and silent so far
    lab.call("add", sweep_id=lab.sweep_id, key="more", points=[{"x": 0.5}])
    assert lab.analysis().judgement.n_trials == 3


@pytest.mark.parametrize("is_deleted", [False, True])
def test_the_winner_alone_in_a_second_sweep_is_still_the_best_of_all(lab, is_deleted):
    frames = noise(60)
    first = lab.sweep(NOISE)
    search(lab, frames, lambda frame: True)
    if is_deleted:
        lab.call("delete", target=first)
    best = max(frames, key=whole)
    lab.clock.now += 1
    lab.sweep(ALONE)
    search(lab, [best], lambda frame: True)
    judgement = lab.analysis().judgement
    assert judgement.n_trials == 61
    assert judgement.n_effective <= 60, "the same returns are one trial"
    assert judgement.kind == "luck"
    assert f"This configuration was the best of 60 in sweep {first}" in judgement.headline


def test_other_symbols_or_other_years_are_another_search(lab):
    lab.sweep(NOISE)
    search(lab, noise(9), lambda frame: True, summary=DAYS)
    lab.clock.now += 1
    lab.sweep(ALONE)
    other = DAYS | {"data/hash": "2", "data/symbols": ["B"]}
    search(lab, noise(1, seed=5), lambda frame: True, summary=other)
    assert lab.analysis().judgement.n_trials == 1


def test_bars_under_another_name_are_the_same_search(lab):
    frames = noise(60)
    first = lab.sweep(NOISE)
    search(lab, frames, lambda frame: True, summary=DAYS)
    lab.clock.now += 1
    lab.sweep(ALONE)
    copy = {"data/name": "b", "data/hash": "2", "data/symbols": ["B"]}
    search(lab, [max(frames, key=whole)], lambda frame: True, summary=copy)
    judgement = lab.analysis().judgement
    assert (judgement.n_trials, judgement.kind) == (61, "luck")
    words = f"This configuration was the best of 60 in sweep {first} on these bars under another name."
    assert words in judgement.headline


def test_a_sketch_of_the_prices_tells_bars_under_another_name(lab):
    lab.sweep(NOISE)
    search(lab, noise(9), lambda frame: True, summary=DAYS | {"data/sketch": "0000000a0000000b"})
    lab.clock.now += 1
    lab.sweep(ALONE)
    copy = {"data/name": "b", "data/hash": "2", "data/symbols": ["B"], "data/sketch": "0000000b0000000c"}
    search(lab, noise(1, seed=5), lambda frame: True, summary=copy)
    assert lab.analysis().judgement.n_trials == 10


def test_the_reality_check_is_over_the_returns_of_all_sweeps_on_these_bars(lab):
    frames = noise(60)
    lab.sweep(NOISE)
    search(lab, frames, lambda frame: True)
    alone = lab.analysis().judgement.reality_check
    lab.clock.now += 1
    lab.sweep(ALONE)
    search(lab, [max(frames, key=whole)], lambda frame: True)
    assert alone > 0.05
    assert lab.analysis().judgement.reality_check == pytest.approx(alone, abs=0.05)


@pytest.mark.parametrize(("edge", "is_doubtful"), [(0.001, True), (0.003, False)])
def test_the_best_of_many_instruments_is_in_doubt_unless_it_would_win_among_all(lab, edge, is_doubtful):
    rng = np.random.default_rng(3)
    for k, drift in enumerate([*[0.0] * 12, edge]):
        market, own = rng.normal(0.0002, 0.01, N_BARS), rng.normal(0.0, 0.01, (2, N_BARS))
        own += drift - own[0].mean() if drift else 0.0
        lab.clock.now += 1
        lab.sweep(NOISE + f"description: market {k}\n")
        facts = {"data/name": f"file {k}", "data/hash": str(k), "data/symbols": [f"S{k}"]}
        days = [returns_frame(each, market) for each in own]
        search(lab, days, lambda frame: True, summary=facts)
    found = lab.analysis()
    assert (found.judgement.kind, found.judgement.n_trials, found.judgement.n_elsewhere) == ("real", 2, 24)
    assert ["Other instruments"] * is_doubtful == [caution.topic for caution in found.doubts]


def test_an_older_store_goes_by_the_hash_and_the_name(lab):
    lab.sweep(NOISE)
    old = {"data/name": "a", "data/hash": "1"}
    search(lab, noise(9), lambda frame: True, summary=old)
    for seed, other, n in ((5, {"data/hash": "1"}, 10), (6, {"data/hash": "2", "data/name": "b"}, 1)):
        lab.clock.now += 1
        lab.sweep(ALONE + f"description: {json.dumps(other)!r}\n")
        search(lab, noise(1, seed=seed), lambda frame: True, summary=other)
        assert lab.analysis().judgement.n_trials == n


def test_a_returns_file_is_read_once_in_its_life(lab, monkeypatch):
    lab.sweep(NOISE)
    search(lab, noise(4), lambda frame: True)
    reader = Reader(lab.home)
    before = family(reader, reader.sweep(lab.sweep_id)).own.figures
    monkeypatch.setattr("sharpen.views.trials.read_file", None)
    assert family(reader, reader.sweep(lab.sweep_id)).own.figures == before
    (lab.home / CACHE).write_text("[1]")
    monkeypatch.undo()
    assert family(reader, reader.sweep(lab.sweep_id)).own.figures == before, "it is only a shortcut"


def test_two_markets_are_compared_once_in_their_life(lab, monkeypatch):
    """Another market of the same days, and a copy with a little noise: neither is read again."""
    lab.sweep(NOISE)
    mine = noise(2)
    search(lab, mine, lambda frame: True, summary=DAYS)
    own = lab.sweep_id
    jitter = np.random.default_rng(1).normal(0.0, 1e-5, N_BARS)
    near = [frame.with_columns(baseline=frame["baseline"] + jitter) for frame in mine]
    for place, (symbol, frames) in enumerate({"B": near, "C": noise(2, seed=7)}.items()):
        lab.clock.now += 1
        lab.sweep(ALONE.replace("program: ", f"program: other{place}/"))
        search(
            lab, frames, lambda frame: True, summary=DAYS | {"data/hash": symbol, "data/symbols": [symbol]}
        )
    reader = Reader(lab.home)
    first = family(reader, reader.sweep(own))
    assert len(first.renamed) == 1
    monkeypatch.setattr("sharpen.views.market_cache.read_file", None)
    again = family(reader, reader.sweep(own))
    assert (again.renamed, again.n_tried()) == (first.renamed, first.n_tried())
    (lab.home / "cache" / "markets.json").write_text('{"a b": "yes"}')
    monkeypatch.undo()
    assert family(reader, reader.sweep(own)).renamed == first.renamed


texts = st.sampled_from(["", "a", "b"])
days = st.sampled_from(["", "2010-01-01", "2012-01-01", "2014-01-01"])
facts = st.builds(
    lambda name, digest, ends, symbols: BarsFacts(name, digest, (), min(ends), max(ends), symbols),
    texts,
    texts,
    st.tuples(days, days),
    st.lists(st.sampled_from("AB"), max_size=2).map(tuple),
)


@given(facts, facts)
def test_to_overlap_is_mutual(one, other):
    assert overlap(one, other) == overlap(other, one)


@pytest.mark.parametrize("keeps", [True, False], ids=["with returns", "silent"])
@pytest.mark.parametrize("is_deleted", [False, True])
def test_runs_of_no_sweep_on_the_same_bars_count(lab, keeps, is_deleted):
    frames = noise(12)
    for number, frame in enumerate(frames):
        alone = f"alone{number}"
        made = lab.call("create_run", run_id=alone, key=alone, project="p", config={"x": number})
        given = {"run_id": alone, "token": made["token"]}
        if keeps:
            lab.keep(given, frame)
        lab.call("append_history", **given, first_line=0, rows=[(1, {"val/sharpe": whole(frame)})])
        lab.call("finish_run", **given, exit_code=0, reason="")
        if is_deleted:
            lab.call("delete", target=alone)
    lab.sweep(ALONE)
    search(lab, [max(frames, key=whole)], lambda frame: True, summary=DAYS if not keeps else None)
    judgement = lab.analysis().judgement
    assert judgement.n_trials == 13
    assert judgement.kind == "luck"
    assert "Of these, 12 were tried in runs of no sweep on these bars." in judgement.headline


@pytest.mark.parametrize("is_sly", [True, False])
def test_the_best_returns_so_far_kept_with_every_run_are_not_one_trial(lab, is_sly):
    frames = noise(30)
    lab.sweep(NOISE)
    best = frames[0]
    for frame in frames:
        best = max(best, frame, key=whole)
        score = whole(frame if is_sly else best)
        lab.run([(1, {"val/sharpe": score})], returns=best)
    n_effective = lab.analysis().judgement.n_effective
    assert n_effective == 30 if is_sly else n_effective < 10


@pytest.mark.parametrize(("when", "n_fitted"), [("before", 0), ("after", 3)])
def test_a_configuration_that_is_queued_after_results_belongs_to_a_search_that_learns(lab, when, n_fitted):
    three = "{x: {min: 0.0, max: 1.0}, y: {min: 0.0, max: 1.0}, z: {min: 0.0, max: 1.0}}"
    lab.sweep(NOISE.replace("{x: {min: 0.0, max: 1.0}}", three))
    point = [{"x": 0.5, "y": 0.5, "z": 0.5}]
    if when == "before":
        lab.call("add", sweep_id=lab.sweep_id, key="mine", points=point)
    search(lab, noise(2), lambda frame: True)
    if when == "after":
        lab.call("add", sweep_id=lab.sweep_id, key="mine", points=point)
    search(lab, noise(2), lambda frame: True)
    reader = Reader(lab.home)
    assert family(reader, reader.sweep(lab.sweep_id)).n_fitted() == n_fitted


@pytest.mark.parametrize(("name", "n"), [("val/sharpe", 13), ("val/other", 1)])
def test_a_silent_program_of_the_same_folder_counts_by_its_metric(lab, name, n):
    frames = noise(12)
    lab.sweep(NOISE.replace("noise.py", "explore.py").replace("val/sharpe", name).replace("{x:", "{y:"))
    for frame in frames:
        lab.run([(1, {name: whole(frame)})])
    lab.clock.now += 1
    lab.sweep(ALONE)
    search(lab, [max(frames, key=whole)], lambda frame: True, summary=DAYS)
    assert lab.analysis().judgement.n_trials == n
