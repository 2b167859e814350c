"""permute: a run's score beside those on permuted histories, kept with the run once all are there."""

import contextlib
import json
import signal
import sqlite3

import pytest

from cli.conftest import PROGRAMS, TILTS
from faults.bench import Bench, bench_with_the_store_of, until
from sharpen.agents.permuted import history_seeds
from sharpen.facts import PERMUTED
from sharpen.permutation import PermutationTest
from sharpen.store.queries import Reader

N = "19"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A bench on which a strategy that lives on the order of the bars has run, with two tilts."""
    with Bench(tmp_path_factory.mktemp("follows"), program=PROGRAMS / "follows.py") as bench:
        (bench.work / "version.txt").write_text("v1")
        file = bench.write_sweep(2, method="grid", space="parameters:\n  tilt: {values: [0, 1]}\n")
        ran = bench.call("run", file, "--agents", "1", "--seed", "5")
        assert ran.returncode == 0, ran.stderr
        yield bench


@pytest.fixture
def bench(swept, tmp_path):
    """A bench of its own for each test, with what ``swept`` has made."""
    with bench_with_the_store_of(swept, tmp_path / "bench", PROGRAMS / "follows.py") as found:
        (found.work / "version.txt").write_text("v1")
        yield found


def kept(bench, number=1):
    return PermutationTest.of(bench.runs()[number - 1].summary)


def blobs(bench):
    return sorted(path for path in (bench.home / "blobs").rglob("*") if path.is_file())


def test_a_score_that_lives_on_the_order_is_said_to(bench):
    before, files = bench.runs(), blobs(bench)
    said = bench.call("permute", "last-1", "-n", N)
    assert said.returncode == 0, said.stderr
    own, held = (line.split() for line in said.stdout.splitlines()[1:3])
    assert (own[0], own[-2:], held[0]) == ("score", ["0", "0.05"], "buy-and-hold")
    assert "0 of 19 permuted histories scored at least as high: p = 0.05. The score needs" in said.stdout
    assert "not the luck of choosing it" in said.stderr
    assert "cannot be below 0.05" in said.stderr
    test = kept(bench)
    assert (test.score, test.n, test.seed, test.own.p) == (before[0].score, 19, 5, 0.05)
    assert len(set(test.scores)) == 19
    after = bench.runs()
    assert after[0].summary == before[0].summary | {PERMUTED: test.stored() | _as_lists(test)}
    assert after[1] == before[1]
    assert blobs(bench) == files
    assert Reader(bench.home).lockbox_openings(before[0].sweep_id) == []
    bench.assert_nothing_left()


def _as_lists(test):
    return {name: list(getattr(test, name)) for name in ("scores", "baselines")}


def test_what_was_found_is_shown_wherever_the_run_is(bench):
    assert "permuted" not in bench.call("best", "last", "--run", "1").stdout
    said = json.loads(bench.call("permute", "last-1", "-n", N, "--json").stdout)
    figures = {"n": 19, "n_as_good": 0, "p": 0.05, "seed": 5, "n_infeasible": 0, "p_excess": None}
    assert figures.items() <= said.items()
    assert (len(said["scores"]), len(said["baselines"])) == (19, 19)
    best = bench.call("best", "last", "--run", "1")
    assert "permuted bars:   p = 0.05, 0 of 19 permuted histories as good, seed 5" in best.stdout
    assert json.loads(bench.call("best", "last", "--run", "1", "--json").stdout)["permuted"] == figures
    sweep = json.loads(bench.call("info", "last", "--json").stdout)
    assert sweep["permuted"] == {said["run"]: figures}
    assert f"{said['run']}: p = 0.05" in bench.call("info", "last").stdout
    told = bench.call("report", "last", "-o", "page.html")
    assert "Run 1 on permuted bars (seed 5): 0 of 19 permuted histories scored" in told.stdout
    assert "Run 1 on permuted bars" in (bench.work / "page.html").read_text()


def test_a_seed_repeats_and_the_latest_result_replaces(bench):
    assert bench.call("permute", "last-2", "-n", "3", "--slots", "1").returncode == 0
    first = kept(bench, 2)
    assert bench.call("permute", "last-2", "-n", "4", "--slots", "3").returncode == 0
    assert kept(bench, 2).scores[:3] == first.scores
    assert bench.call("permute", "last-2", "-n", "3", "--seed", "6").returncode == 0
    assert kept(bench, 2).seed == 6
    assert not set(kept(bench, 2).scores) & set(first.scores)


def test_ctrl_c_keeps_nothing_and_leaves_nothing(bench):
    (bench.work / "hangs").touch()
    process = bench.start("permute", "last-1", "-n", "4", "--slots", "2")
    until(lambda: len(list(bench.work.glob("history-*"))) == 2, "two histories to begin")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert "interrupted" in bench.said()
    assert "Traceback" not in bench.said()
    assert kept(bench) is None
    bench.assert_nothing_left()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("fails", "the program failed on permuted history 1: MemoryError: no room for history"),
        ("silent", "the program logged no score in the stage 'permuted', but nothing"),
    ],
)
def test_a_program_that_fails_is_an_error_with_its_last_words(bench, file, words):
    (bench.work / file).touch()
    said = bench.call("permute", "last-1", "-n", "3", "--slots", "1")
    assert (said.returncode, said.stdout) == (1, "")
    assert words in said.stderr
    assert "Traceback" not in said.stderr
    assert kept(bench) is None
    assert len(list(bench.work.glob("history-*"))) == 1  # the others never began
    bench.assert_nothing_left()


def test_data_that_changed_are_refused(bench):
    (bench.work / "version.txt").write_text("v2")
    said = bench.call("permute", "last-1", "-n", "2")
    assert (said.returncode, said.stdout) == (1, "")
    assert "data/hash was v1, is v2" in said.stderr
    assert kept(bench) is None


@pytest.mark.parametrize("program", ["plain.py", "strategy.py"])
def test_a_program_that_does_not_permute_is_refused(tmp_path, program):
    """Also one that knows the lockbox only: its figures would be the search's, N times."""
    with Bench(tmp_path, program=PROGRAMS / program) as bench:
        bench.call("sweep", bench.write_sweep(1, space=TILTS))
        assert bench.call("agent", "last").returncode == 0
        said = bench.call("permute", "last-1", "-n", "2")
        assert (said.returncode, said.stdout) == (1, "")
        assert "the program never looks at run.permutation_seed" in said.stderr
        assert kept(bench) is None


@pytest.mark.parametrize("state", ["running", "pending", "stopped", "failed"])
def test_only_a_finished_run_can_be_permuted(sharpen, store, state):
    with contextlib.closing(sqlite3.connect(store / "store.db")) as connection, connection:
        connection.execute("update runs set state = ? where number = 4", [state])
    said = sharpen("permute", "last-4", home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert f"is {state}: only a finished run that has a score can be permuted" in said.stderr


def test_an_infeasible_run_cannot_be_permuted(sharpen, store):
    with contextlib.closing(sqlite3.connect(store / "store.db")) as connection, connection:
        connection.execute("update runs set score = null where number = 4")
    said = sharpen("permute", "last-4", home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert "is infeasible" in said.stderr


def test_more_histories_go_on_where_fewer_ended():
    seeds = history_seeds(3, 50)
    assert len(set(seeds)) == 50
    assert history_seeds(3, 20) == seeds[:20]
    assert not set(history_seeds(4, 50)) & set(seeds)


def test_a_whole_search_is_repeated_and_goes_on_after_an_interrupt(bench):
    before, listed = bench.runs(), bench.call("ls").stdout
    (bench.work / "hangs").touch()
    cut = bench.start("permute", "last", "-n", "2")
    until(lambda: list(bench.work.glob("history-*")), "a history is searched")
    cut.send_signal(signal.SIGINT)
    assert cut.wait(60) == 130
    (bench.work / "hangs").unlink()
    said = bench.call("permute", "last", "-n", "2", "--json")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert (found["n_as_good"], found["n_histories"], found["p"]) == (0, 2, pytest.approx(1 / 3))
    assert found["winner"] == max(run.score for run in before)
    assert bench.runs() == before, "its runs are nobody's trials"
    assert bench.call("ls").stdout == listed
    assert [path.name for path in (bench.home / "permuted").glob("*/*")] == ["winners.jsonl"]
    again = bench.call("permute", "last", "-n", "2", "--json")
    assert json.loads(again.stdout) == found, "what is kept is not searched again"
    assert "searches of" not in again.stderr
    assert json.loads(bench.call("best", "last", "--json").stdout)["permuted_search"]["p"] == found["p"]
