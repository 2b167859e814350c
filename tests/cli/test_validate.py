"""validate: the lockbox is opened, scored, and every look is written down."""

import contextlib
import json
import math
import os
import re
import sqlite3
import time
from types import SimpleNamespace

import numpy as np
import pytest

from cli.conftest import PROGRAMS, TILTS
from cli.programs.strategy import FOLD_BARS, mean, returns
from faults.bench import Bench, bench_with_the_store_of
from sharpen.agents.lockbox import gain
from sharpen.bars import bars_per_year
from sharpen.cli import validate
from sharpen.cli.validate import ProgressLines
from sharpen.store.queries import Reader

CRASHES = """
from sharpen import tracking
with tracking.init() as run:
    run.log({"score": 1.0}, step=1)
    if run.stage == "lockbox":
        raise MemoryError("the lockbox is too large")
"""


TILT_SPEC = "program: p.py\nmethod: random\nmetric: {name: loss, goal: minimize}\n" + TILTS


def annual_sharpe(tilt):
    time, ret, _ = returns(tilt, 0)
    return ret.mean() / ret.std(ddof=1) * np.sqrt(bars_per_year(time))


def looks(home):
    reader = Reader(home)
    return reader.lockbox_openings(reader.sweep("last").id)


def test_both_configurations_are_scored_on_the_lockbox(sharpen, store):
    said = sharpen("validate", "last-4", "--json", home=store)
    assert (said.exit_code, said.stderr) == (0, "")
    found = json.loads(said.stdout)
    assert (found["run"], found["looks"]) == (f"{Reader(store).sweep('last').id}-4", 1)
    for name, tilt in {"chosen": 3, "default": 0}.items():
        side = found[name]
        assert side["metrics"] == {"score": mean(tilt, 0), "n": 1}
        assert side["n_bars"] == FOLD_BARS
        assert side["sharpe"] == pytest.approx(annual_sharpe(tilt), rel=1e-6)
        assert side["interval"][0] < side["sharpe"] < side["interval"][1]
    [look] = looks(store)
    assert (look.run_id, look.result["chosen"]["metrics"]) == (found["run"], found["chosen"]["metrics"])


def test_looks_are_counted_and_said(sharpen, store):
    first = sharpen("validate", "last-4", home=store)
    assert first.exit_code == 0, first.stderr
    assert "This is look 1 of this sweep: the" in first.stdout
    head, row = (line.split() for line in first.stdout.splitlines()[:2])
    assert head == ["chosen", "default"]
    assert row == ["Sharpe", "ratio", *(f"{annual_sharpe(tilt):.4g}" for tilt in (3, 0))]
    second = sharpen("validate", "last-3", home=store).stdout
    assert "This is look 2 of this sweep: the" in second
    assert "Only the first look" not in first.stdout
    assert second.startswith("Only the first look saw bars that nobody had seen. ")
    assert len(looks(store)) == 2
    assert json.loads(sharpen("info", "last", "--json", home=store).stdout)["lockbox_looks"] == 2


def test_a_look_says_when_the_search_gained_nothing(sharpen, store):
    better, same = (json.loads(sharpen("validate", f"last-{n}", "--json", home=store).stdout) for n in (4, 1))
    assert (better["gained"], same["gained"]) == (True, False)
    words = "The program's default does as well: the search gained nothing on these bars."
    assert words in sharpen("validate", "last-1", home=store).stdout
    assert words not in sharpen("validate", "last-4", home=store).stdout


def test_without_returns_the_metric_tells_the_gain():
    sweep = SimpleNamespace(spec=TILT_SPEC, source="s.yaml")
    sides = [{"metrics": {"loss": loss}} for loss in (0.2, 0.3)]
    assert gain(sweep, {"chosen": sides[0], "default": sides[1]}) == pytest.approx(0.1)
    assert gain(sweep, {"chosen": sides[1], "default": sides[0]}) == pytest.approx(-0.1)
    assert gain(sweep, {"chosen": sides[1], "default": {"error": "no"}}) is None


def test_a_look_leaves_the_search_as_it_was(sharpen, store):
    before = Reader(store).runs(Reader(store).sweep("last").id)
    artifacts = Reader(store).artifacts(sweep_id=before[0].sweep_id)
    assert sharpen("validate", "last-4", home=store).exit_code == 0
    assert Reader(store).runs(before[0].sweep_id) == before
    assert Reader(store).artifacts(sweep_id=before[0].sweep_id) == artifacts


@pytest.mark.parametrize("state", ["running", "pending", "stopped", "failed"])
def test_only_a_finished_run_can_be_validated(sharpen, store, state):
    with contextlib.closing(sqlite3.connect(store / "store.db")) as connection, connection:
        connection.execute("update runs set state = ? where number = 4", [state])
    said = sharpen("validate", "last-4", home=store)
    assert (said.exit_code, said.stdout) == (2, "")
    assert f"is {state}: only a finished run can be validated" in said.stderr
    assert looks(store) == []


def test_a_program_that_never_asks_for_the_stage_is_refused(tmp_path):
    """Else the search's own figures would pass for those of the lockbox."""
    with Bench(tmp_path, program=PROGRAMS / "plain.py") as bench:
        bench.call("sweep", bench.write_sweep(1, space=TILTS))
        assert bench.call("agent", "last").returncode == 0
        said = bench.call("validate", "last-1", "--json")
        assert (said.returncode, said.stdout) == (1, "")
        assert "the program never looks at run.stage" in said.stderr
        assert "Traceback" not in said.stderr
        [look] = looks(bench.home)
        assert "never looks at run.stage" in look.result["chosen"]["error"]
        assert not look.has_shown


def test_a_look_whose_program_crashes_is_listed_and_has_shown_nothing(tmp_path):
    program = tmp_path / "crashes.py"
    program.write_text(CRASHES.replace("run.log", "run.stage\n    run.log"))
    with Bench(tmp_path / "bench", program=program) as bench:
        bench.call("sweep", bench.write_sweep(1, space=TILTS))
        assert bench.call("agent", "last").returncode == 0
        for n in (1, 2):
            said = bench.call("validate", "last-1")
            assert (said.returncode, said.stdout) == (1, "")
            assert "the program failed on the lockbox: MemoryError: the lockbox is too large" in said.stderr
            assert len(looks(bench.home)) == n
            for look in looks(bench.home):
                assert look.result["chosen"] == {"error": said.stderr.strip().partition(": ")[2]}
                assert not look.has_shown
        assert json.loads(bench.call("info", "last", "--json").stdout)["lockbox_looks"] == 2
        assert bench.call("report", "last", "-o", "page.html").returncode == 0
        page = (bench.work / "page.html").read_text()
        assert page.count("chosen: failed, nothing shown. the program failed on the lockbox: Memory") == 2
        assert "Opened <b>0 times</b>" in page
        bench.assert_nothing_left()


def test_what_the_two_programs_print_is_told_once_in_a_while(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    heard, silent = ProgressLines(began=0.0), ProgressLines(is_silent=True, began=0.0)
    for now[0], place, text in ((1.0, 0, "a\n"), (6.0, 0, "b\nc\x1b\n"), (7.0, 1, "d\n"), (8.0, 0, "e\n")):
        heard(place, text)
        silent(place, text)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "chosen, after 6 s: c\\x1b\ndefault, after 7 s: d\n")


MINE = "parameters:\n  tilt: {value: 3}\n  data: {value: mine}\n"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A bench on which one configuration of the program that says which bars it saw has run."""
    with Bench(tmp_path_factory.mktemp("bars"), program=PROGRAMS / "bars.py") as bench:
        (bench.work / "version.txt").write_text("v1")
        run_sweep(bench, MINE.replace("value: 3", "values: [3]"))
        yield bench


@pytest.fixture
def bars(swept, tmp_path):
    """A bench of its own for each test, with what ``swept`` has made."""
    with bench_with_the_store_of(swept, tmp_path / "bench", PROGRAMS / "bars.py") as bench:
        (bench.work / "version.txt").write_text("v1")
        yield bench


def run_sweep(bench, space):
    ran = bench.call("run", bench.write_sweep(4, method="grid", space=space), "--agents", "1")
    assert ran.returncode == 0, ran.stderr


def test_the_default_keeps_the_constants_of_the_sweep(bars):
    run_sweep(bars, "parameters:\n  tilt: {values: [3, 2]}\n  data: {value: mine}\n")
    said = bars.call("validate", "last-1", "--json")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert [found[name]["metrics"]["lockbox/tilt"] for name in ("chosen", "default")] == [3, 0]
    assert found["default"]["baseline_sharpe"] == found["chosen"]["baseline_sharpe"]
    assert found["lockbox/hash"] == "end of mine v1"


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="both are at work at once on two cores")
def test_a_file_that_both_sides_write_is_refused(bars):
    (bars.work / "shares").touch()
    said = bars.call("validate", "last-1")
    words = " ".join((said.stdout + said.stderr).split())
    who = "another configuration, which (is at work too|has ended), has written and kept this file"
    assert re.search(who, words), words


def test_a_default_that_saw_other_bars_is_refused(bars):
    run_sweep(bars, "parameters:\n  tilt: {value: 3}\n  data: {values: [mine, ours_too]}\n")
    said = bars.call("validate", "last-2")
    assert (said.returncode, said.stdout) == (1, "")
    assert "other bars or at other costs: its data/hash, lockbox/hash, baseline differ" in said.stderr
    [look] = looks(bars.home)
    assert look.has_shown  # what the run itself made is in the store
    assert "other bars" in look.result["default"]["error"]
    assert bars.call("report", "last", "-o", "page.html").returncode == 0
    page = (bars.work / "page.html").read_text()
    assert "The runs kept 2 different ones" in page
    assert "default: failed, nothing shown. the default configuration was scored on other bars" in page


def test_data_that_changed_are_refused_before_anything_is_shown(bars):
    (bars.work / "version.txt").write_text("v2")
    said = bars.call("validate", "last-1")
    assert (said.returncode, said.stdout) == (1, "")
    assert "data/hash was mine v1, is mine v2; lockbox/hash was end of mine v1, is" in said.stderr
    [look] = looks(bars.home)
    assert not look.has_shown
    assert look.result.keys() == {"lockbox/hash", "chosen"}


def test_looks_at_the_same_bars_are_counted_across_sweeps(bars):
    (bars.work / "version.txt").write_text("v2")
    assert bars.call("validate", "last-1").returncode == 1  # a look that shows nothing
    (bars.work / "version.txt").write_text("v1")
    first = bars.call("validate", "last-1")
    assert "This is look 1 of this sweep, look 1 at these bars: the" in first.stdout
    assert [line.split()[0] for line in first.stdout.splitlines()[:6]] == [
        "chosen",
        "Sharpe",
        "95",
        "buy-and-hold's",
        "bars",
        "lockbox/tilt",  # without the program's own words for what stands above
    ]
    run_sweep(bars, MINE)
    assert bars.call("report", "last", "-o", "page.html").returncode == 0
    page = (bars.work / "page.html").read_text()
    assert "Nobody has looked" not in page
    assert "Opened <b>1 time</b>, as far as this store knows" in page
    assert "opened 1 time, 1 of them by other sweeps on the same bars" in page
    assert page.count("looked at the same bars with run") == 2
    second = bars.call("validate", "last-1")
    assert "This is look 1 of this sweep, look 2 at these bars: the" in second.stdout
    run_sweep(bars, MINE.replace("mine", "others"))
    third = json.loads(bars.call("validate", "last-1", "--json").stdout)
    assert (third["looks"], third["looks_at_bars"]) == (1, 1)


def test_a_default_that_fails_leaves_the_figures_of_the_run(bars):
    (bars.work / "fails").touch()
    said = bars.call("validate", "last-1")
    assert said.returncode == 0, said.stderr
    assert said.stdout.split()[:3] == ["chosen", "Sharpe", "ratio"]
    assert "default: failed, nothing shown. the program failed on the lockbox: MemoryError: no" in said.stdout
    [look] = looks(bars.home)
    assert look.has_shown
    assert look.result["chosen"]["metrics"]["lockbox/tilt"] == 3
    assert "no room for the defaults" in look.result["default"]["error"]


def test_a_strategy_that_did_not_trade_has_no_interval_on_the_lockbox():
    side = {"sharpe": math.nan, "interval": (math.nan, math.nan), "baseline_sharpe": 0.9, "n_bars": 100}
    said = validate._sentence(side, 1, 1)
    assert "there is no Sharpe ratio" in said
    assert "nan" not in said
    assert validate._interval(side) == "-"
