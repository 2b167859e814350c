"""finalists: the best once more with fresh seeds, beside the default and the previous best; the lockbox."""

import json

import numpy as np
import pytest
from scipy import stats

from cli.conftest import PROGRAMS, TILTS
from cli.programs.folded import SWEEP_SEED, value
from faults.bench import Bench
from sharpen.agents.finalists import fresh_seeds


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench with two sweeps of one program; the first has its best at a tilt of 2."""
    with Bench(tmp_path_factory.mktemp("finalists"), program=PROGRAMS / "folded.py") as bench:
        for tilts in ("parameters:\n  tilt: {values: [2]}\n", TILTS):
            file = bench.write_sweep(4, method="grid", space=tilts)
            ran = bench.call("run", file, "--agents", "1", "--seed", str(SWEEP_SEED))
            assert ran.returncode == 0, ran.stderr
        yield bench


@pytest.fixture
def call(bench, sharpen, monkeypatch):
    """Return a function that runs the command on the bench's store, in this process."""
    monkeypatch.chdir(bench.work)
    return lambda *words: sharpen("finalists", "last", *words, home=bench.home)


def calls(bench):
    return (bench.work / "calls.txt").read_text().splitlines()


def folds(tilt):
    return [np.mean([value(tilt, fold, seed) for seed in fresh_seeds(SWEEP_SEED, 2)]) for fold in (1, 2, 3)]


def test_fresh_seeds_take_the_luck_away_and_the_lockbox_opens_once(bench, call):
    previous, own = (sweep.id for sweep in bench.reader().sweeps())
    said = call("--top", "2", "--seeds", "2")
    assert said.exit_code == 0, said.stderr
    result = json.loads((bench.home / "finalists" / own / "finalists.json").read_text())
    lucky, better, default, best = result["candidates"]
    assert [one["config"] for one in (lucky, better)] == [{"tilt": 1}, {"tilt": 3}]
    assert (default["name"], best["name"], best["role"]) == ("default", f"{previous}-1", "previous best")
    for one, tilt in ((lucky, 1), (better, 3), (default, 0), (best, 2)):
        assert one["mean"] == pytest.approx(np.mean(folds(tilt)))
    assert lucky["searched"] > better["searched"] > better["mean"] - 0.2 > lucky["mean"]
    assert (result["chosen"], result["baseline"], result["paired"]) == (better["name"], 2.5, "folds")
    found = {(one["name"], one["against"]): one for one in result["comparisons"]}
    p = {}
    for one, tilt in ((lucky, 1), (better, 3)):
        for against, other in (("default", 0), ("previous best", 2)):
            test = stats.ttest_rel(folds(tilt), folds(other))
            compared = found[one["name"], against]
            ends = test.confidence_interval(0.95)
            assert compared["interval"] == pytest.approx([ends.low, ends.high])
            assert compared["p"] == pytest.approx(test.pvalue)
            p[one["name"], against] = test.pvalue
    least = min(p, key=p.get)
    assert found[least]["p_holm"] == pytest.approx(4 * p[least])
    assert found[better["name"], "default"]["is_better"]
    assert f"{better['name']} is better than the default" in said.stdout
    assert "buy-and-hold" in said.stdout
    assert "only the lockbox does" in said.stderr
    assert result["lockbox"]["chosen"]["metrics"] == {"score": 3.0}
    assert "This is look 1 of this sweep" in said.stdout
    before = calls(bench)
    again = call("--top", "2", "--seeds", "2", "--json")
    assert again.exit_code == 0, again.stderr
    assert calls(bench) == before  # all of it was kept
    assert f"run {better['name']} was scored on it before" in again.stderr
    repeated = json.loads(again.stdout)
    assert repeated["lockbox"] is None
    assert repeated["candidates"] == result["candidates"]


def test_a_crash_costs_what_was_at_work_and_a_default_that_fails_is_told(bench, call):
    own = bench.reader().sweeps()[-1].id
    file = bench.home / "finalists" / own / "evaluations.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-2]) + lines[-2][:20])  # cut off in the middle of a line
    before = len(calls(bench))
    said = call("--top", "2", "--seeds", "2", "--no-lockbox")
    assert said.exit_code == 0, said.stderr
    assert len(calls(bench)) == before + 2
    (bench.work / "fails").touch()
    said = call("--top", "1", "--seeds", "1", "--no-lockbox", "--again", "--json")
    (bench.work / "fails").unlink()
    assert said.exit_code == 0, said.stderr
    result = json.loads(said.stdout)
    (default,) = (one for one in result["candidates"] if one["role"] == "default")
    assert "no room for the defaults" in default["problem"]
    (one,) = (one for one in result["comparisons"] if one["against"] == "default")
    assert one["why"] == f"default: {default['problem']}"
    assert result["chosen"] is not None
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert kept
    assert not any(one["has_failed"] or one["problem"] for one in kept)  # it is tried again next time


def test_other_bars_than_the_sweep_saw_are_not_compared(bench, call):
    (bench.work / "bars").write_text("two")
    said = call("--top", "1", "--seeds", "1", "--no-lockbox", "--again", "--json")
    (bench.work / "bars").unlink()
    assert said.exit_code == 0, said.stderr
    result = json.loads(said.stdout)
    assert result["chosen"] is None
    assert all("data/hash differ" in one["problem"] for one in result["candidates"])


def test_without_folds_seeds_are_paired_and_one_seed_tells_nothing(sharpen, store):
    said = sharpen("finalists", "last", "--top", "9", "--seeds", "1", "--no-lockbox", home=store)
    assert said.exit_code == 0, said.stderr
    assert "There are 4 finalists" in said.stdout
    assert "seeds are paired" in said.stderr
    assert "Nothing could be compared: fewer than two folds or seeds in common." in said.stdout


def test_a_sweep_that_goes_on_has_no_finalists_yet(tmp_path, sharpen):
    with Bench(tmp_path, program=PROGRAMS / "folded.py") as bench:
        bench.create(4, method="grid", space=TILTS)
        said = sharpen("finalists", "last", home=bench.home)
        assert said.exit_code == 2
        assert "it has finalists once it has ended" in said.stderr
