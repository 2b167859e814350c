"""The page: what it says, that it stands alone, and that it survives odd sweeps and odd words."""

from __future__ import annotations

import html
import math
import os
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sharpen.errors import UsageError
from sharpen.facts import PERMUTED
from sharpen.permutation import PermutationTest
from sharpen.report import verdict, write_html

from .stores import FACTS, SPEC, annual, fill, returns_frame

CHROMIUM = Path("/usr/bin/chromium")
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects what a page says, and every address that it names; checks that tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "poster", "action", "data"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)


@pytest.fixture
def page(lab, tmp_path):
    def make() -> Page:
        path = tmp_path / "alone" / "report.html"
        path.parent.mkdir(exist_ok=True)
        write_html(lab.analysis(), path)
        assert [p.name for p in path.parent.iterdir()] == ["report.html"]
        return Page(path.read_text())

    return make


def test_it_says_the_verdict_with_its_figures(lab, page) -> None:
    lab.sweep()
    fill(lab)
    found = lab.analysis()
    made = page()
    assert found.judgement.headline in made.text
    assert found.judgement.details in made.text
    n = found.judgement.n_trials
    assert f"confidence that the Sharpe ratio exceeds what the best of {n} without skill" in made.text
    for check in found.judgement.checks:
        assert check.threshold in made.text
    outcomes = ("passed", "failed", "caution")
    assert sum(made.text.count(outcome) for outcome in outcomes) >= len(found.judgement.checks)
    for word in (
        "sharpen run sweeps/demo.yaml --seed 7",
        "cd /home/quant/desk",
        "ab" * 32,
        "numpy 2.4.0",
        "XYZ",
    ):
        assert word in made.text
    assert "Nobody has looked, as far as this store knows" in made.text
    assert html.unescape(SPEC.strip().splitlines()[0]) in made.text
    assert {"verdict", "equity", "leaderboard", "history", "gap", "slice-0", "lockbox", "reproduce"} <= set(
        made.ids
    )
    assert len(made.ids) == len(set(made.ids))


def test_it_reaches_for_nothing(lab, page, tmp_path) -> None:
    lab.sweep()
    fill(lab, n_runs=3)
    made = page()
    assert [a for a in made.addresses if not a.startswith(("#", "data:"))] == []
    text = (tmp_path / "alone" / "report.html").read_text()
    assert "default-src 'none'" in text
    assert "@import" not in text.partition("</style>")[0]
    assert "url(" not in text.partition("</style>")[0]


def test_words_of_users_are_shown_and_never_run(lab, page) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    lab.sweep(SPEC.replace("name: demo", f'name: "{evil}"').replace("[gbtree, dart]", f'["{evil}", "b"]'))
    lab.run([(1, {"val/sharpe": 0.3, evil: 1.0})], summary={**FACTS, "data/name": evil, "data/notes": [evil]})
    lab.run([(1, {"val/sharpe": 0.4})])
    lab.run([], exit_code=1, last_words=evil)
    lab.call("look", look_id="a", run_id=f"{lab.sweep_id}-1", who=evil)
    made = page()
    assert made.tags.count("script") == 3
    assert "img" not in made.tags
    assert made.text.count(evil) >= 5


def test_the_same_analysis_gives_the_same_bytes(lab, tmp_path) -> None:
    lab.sweep()
    fill(lab, n_runs=3)
    for name in ("a.html", "b.html"):
        write_html(lab.analysis(), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_without_runs(lab, page) -> None:
    lab.sweep()
    made = page()
    assert "No verdict No run has finished with a usable score." in made.text
    assert "0 runs of 60 have ended so far: every figure may change" in made.text
    assert made.tags.count("script") == 0


def test_when_all_runs_failed(lab, page) -> None:
    lab.sweep()
    for _ in range(5):
        lab.run([], exit_code=1, last_words="KeyError: 'close'")
    made = page()
    assert "5 of 5 runs failed" in made.text
    assert "0 infeasible, 5 failed" in made.text


@pytest.mark.parametrize("edge", [0.0, 0.0015])
def test_the_mark_of_luck_is_written_towards_the_wider_side(lab, page, tmp_path, edge) -> None:
    lab.sweep()
    fill(lab, n_runs=12, n_bars=1200, edge=edge)
    page()
    text = (tmp_path / "alone" / "report.html").read_text()
    ((flipped, at),) = re.findall(r'class="by-luck( flip)?" style="left:([\d.]+)%"', text)
    assert bool(flipped) == (float(at) > 50)


def test_a_choice_that_may_be_luck_is_a_caution(lab, page, tmp_path) -> None:
    lab.sweep()
    rng = np.random.default_rng(3)
    common, market = rng.normal(0.002, 0.01, 640), rng.normal(0, 0.01, 640)
    drift = np.repeat(np.where(np.arange(16) % 2, 0.004, -0.004), 40)
    for k in range(2):
        frame = returns_frame(common + (drift if k else -drift), market)
        lab.run([(1, {"val/sharpe": annual(frame["ret"].to_numpy())})], returns=frame, summary=FACTS)
    (row,) = [check for check in lab.analysis().judgement.checks if check.name == "PBO"]
    assert (row.outcome, row.threshold) == ("caution", "a caution from 0.5 on")
    assert "may still be luck: probability of backtest overfitting" in page().text.partition("In figures")[0]
    assert '<span class="mark caution">caution</span>' in (tmp_path / "alone" / "report.html").read_text()


@pytest.mark.parametrize(
    "extra",
    [
        "method: bayes",
        "method: gp",
        "method: tpe",
        "method: nsga2",
        "method: random\nearly_terminate: {type: hyperband, min_iter: 3}",
    ],
)
def test_a_sweep_that_depends_on_who_reports_first_is_repeated_by_one_agent(lab, page, extra) -> None:
    lab.sweep(SPEC.replace("method: random", extra))
    text = page().text
    assert "sharpen run sweeps/demo.yaml --seed 7 --agents 1" in text
    assert "with several agents it depends on which run reports first" in text


def test_the_best_run_is_repeated_with_the_seed_of_the_sweep(lab, page) -> None:
    lab.sweep()
    config = lab.run([(1, {"val/sharpe": 0.3})])
    text = page().text
    assert 'SHARPEN_RUN=\'{"seed": 7, ' in text
    assert f"}}' python scripts/train.py --max_depth={config['max_depth']} " in text


def test_a_verdict_on_data_in_doubt_says_so_first(lab, page) -> None:
    lab.sweep()
    frames = fill(lab, n_runs=12, n_bars=1200, edge=0.0015)
    note = "STALE OPENS: 66% of the opens of XYZ repeat the previous close"
    lab.run([(1, {"val/sharpe": -1.0})], returns=frames[0], summary={**FACTS, "data/notes": [note]})
    assert lab.analysis().judgement.kind == "real"
    verdict = page().text.partition("Before you believe a figure")[0]
    assert "Passes the checks, but is in doubt" in verdict
    assert "Stale opens: 66% of the opens of XYZ" in verdict


def test_while_the_sweep_runs(lab, page) -> None:
    lab.sweep()
    fill(lab, n_runs=2)
    lab.run([(1, {"val/sharpe": 0.3})], exit_code=None)
    made = page()
    assert "2 runs of 60 have ended so far, 1 wait or run" in made.text
    assert "1 not over yet" in made.text


def test_when_every_run_is_infeasible(lab, page) -> None:
    lab.sweep()
    lab.run([(1, {"val/sharpe": math.nan})], summary={"infeasible": "fold 1: 2 trades"})
    made = page()
    assert "fold 1: 2 trades" in made.text
    assert "No verdict" in made.text


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_a_metric_that_is_no_sharpe_ratio(lab, page, goal) -> None:
    lab.sweep(SPEC.replace("val/sharpe", "loss").replace("maximize", goal))
    for k in range(40):
        lab.run([(step, {"loss": 1.0 / step + 0.001 * k}) for step in range(1, 51)])
    made = page()
    assert "thinned" in made.text
    verdict = made.text.partition("The best configuration")[0]
    assert "No verdict No run kept its out-of-sample returns" in verdict
    best = 0.02 if goal == "minimize" else 0.02 + 0.039
    assert f"{best:.3f}" in made.text


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}")
@pytest.mark.parametrize("scheme", ["0", "1"], ids=["dark", "light"])
def test_a_browser_draws_every_chart_without_a_complaint(lab, tmp_path, scheme) -> None:
    lab.sweep()
    fill(lab, n_runs=4)
    path = tmp_path / "report.html"
    write_html(lab.analysis(), path)
    profile = tmp_path / "profile"
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    words += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    words += [f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--window-size=390,1200"]
    words += [f"--blink-settings=preferredColorScheme={scheme}", "--enable-logging=stderr", "--v=0"]
    done = subprocess.run(
        [*words, "--dump-dom", path.as_uri()], check=True, capture_output=True, text=True, timeout=120
    )
    shutil.rmtree(profile, ignore_errors=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    drawn = set(re.findall(r'<div class="plot[^"]*js-plotly-plot"[^>]*id="([a-z0-9-]+)"', done.stdout))
    assert drawn == {"equity", "history", "gap", "slice-0", "slice-1", "slice-2", "slice-3"}


def test_the_lockbox_shows_every_look_with_its_figures(lab, page) -> None:
    lab.sweep()
    fill(lab, n_runs=2)
    side = {
        "metrics": {"lockbox/n_trades": 41.0, "lockbox/sharpe": 0.421},
        "sharpe": 0.421,
        "interval": [-0.5, 1.2],
    }
    side |= {"baseline_sharpe": 0.712, "baseline_interval": [0.1, 1.3], "n_bars": 350}
    lab.call("look", look_id="a", run_id=f"{lab.sweep_id}-1", who="ann")
    lab.call("looked", look_id="a", result={"chosen": side, "default": {"metrics": {}, "returns": ""}})
    lab.clock.now += 1
    lab.call("look", look_id="b", run_id=f"{lab.sweep_id}-2", who="bob")
    made = page()
    for words in ("Opened 1 time,", "ann looked at run 1", "0.42 −0.50 to 1.20", "0.71 0.10 to 1.30", "41"):
        assert words in made.text
    assert "350 bars of the lockbox" in made.text
    assert "lockbox/sharpe" not in made.text
    assert "bob looked at run 2" in made.text
    assert "never came to an end, nothing was shown" in made.text


def test_permuted_histories_stand_beside_the_verdict(lab, page) -> None:
    lab.sweep()
    fill(lab, n_runs=3)
    assert lab.analysis().permutations == ()
    assert "permuted bars" not in page().text.partition("How to read this")[0].partition("Before you")[0]
    scores = (*np.linspace(-1.0, 0.4, 18).tolist(), math.nan)
    test = PermutationTest("val/sharpe", True, 0.5, scores, 9, 0.8, (0.2,) * 19)
    lab.call("permuted", run_id=f"{lab.sweep_id}-2", summary={PERMUTED: test.stored()})
    assert repr(lab.analysis().permutations) == repr(((2, test),))
    made = page()
    assert f"Run 2 on permuted bars 19 histories, seed 9 {test.sentence}" in made.text
    assert "Run 2 0.50" in made.text
    assert "Permuted −1.00 to 0.40" in made.text
    assert test.limits in made.text
    assert test.sentence in "".join(line.plain for line in verdict(lab.analysis()))


def test_permuted_histories_that_all_score_the_same_have_a_scale(lab, page) -> None:
    lab.sweep()
    lab.run([(1, {"val/sharpe": 0.5})])
    test = PermutationTest("val/sharpe", True, 0.5, (0.5, 0.5), 0)
    lab.call("permuted", run_id=f"{lab.sweep_id}-1", summary={PERMUTED: test.stored()})
    assert "2 of 2 permuted histories" in page().text


def test_a_pipe_is_written_to_and_what_a_link_names_is_replaced(lab, tmp_path) -> None:
    lab.sweep()
    pipe, file, link = tmp_path / "pipe", tmp_path / "file.html", tmp_path / "link.html"
    os.mkfifo(pipe)
    link.symlink_to(file)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    for path in (pipe, link):
        write_html(lab.analysis(), path)
    reader.join(30)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert read == [file.read_text()]


def test_a_report_that_cannot_be_written_is_the_caller_s_mistake(lab, tmp_path) -> None:
    lab.sweep()
    with pytest.raises(UsageError, match=r"cannot write .*report.html: No such"):
        write_html(lab.analysis(), tmp_path / "missing" / "report.html")
