"""Whatever runs kept, logged or came to: the verdict, the tables and the report appear."""

from __future__ import annotations

import io
import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sharpen.cli.live import headline
from sharpen.facts import PERMUTED
from sharpen.permutation import PermutationTest
from sharpen.report import front, leaderboard, verdict, verdict_figures, write_html
from sharpen.store.queries import Reader
from sharpen.views.permuted_search import PermutedWinner, folder_of, keep
from sharpen.views.snapshot import Snapshot

from .stores import FACTS, Lab, bars, returns_frame
from .test_html import Page

ONE = """
program: train.py
method: random
metric: {name: val/sharpe, goal: maximize}
run_cap: 60
parameters: {x: {min: 0.0, max: 1.0}, kind: {values: [a, b]}}
"""
TWO = ONE.replace(
    "metric: {name: val/sharpe, goal: maximize}",
    "metrics: [{name: val/sharpe, goal: maximize}, {name: val/turnover, goal: minimize}]",
)
BOUND = "constraints: {val/n_trades: '>= 10'}\n"
N_BARS = 80


@dataclass(frozen=True)
class Fate:
    """What becomes of a run, and what its program says of it."""

    state: str
    returns: str
    says: str
    logs: str
    is_deleted: bool


fates = st.builds(
    Fate,
    state=st.sampled_from(
        ["finished", "finished", "stopped", "failed", "crashed", "canceled", "pending", "running"]
    ),
    returns=st.sampled_from(
        ["good", "good", "none", "other bars", "one bar", "empty", "flat", "unreadable", "gone"]
    ),
    says=st.sampled_from(["all", "nothing", "half", "odd"]),
    logs=st.sampled_from(["all", "all", "metric", "nan", "broke", "nothing"]),
    is_deleted=st.sampled_from([False, False, False, True]),
)
sweeps = st.builds(
    lambda metrics, bound, repeats: metrics + bound + repeats,
    st.sampled_from([ONE, TWO]),
    st.sampled_from(["", BOUND]),
    st.sampled_from(["", "repeats: 2\n"]),
)
LOOKS = {
    "none": None,
    "unended": "null",
    "shown": json.dumps(
        {
            "chosen": {"sharpe": 0.4, "interval": [-0.2, 1.0], "baseline_sharpe": 0.1, "metrics": {"a": 1}},
            "default": {"metrics": {"a": 2.0, "b": None}},
        }
    ),
    "failed": json.dumps({"chosen": {"error": "no bars"}}),
}


def summary_of(says: str) -> dict:
    test = PermutationTest("val/sharpe", True, 1.0, (0.5, float("nan")), seed=1)
    return {
        "all": FACTS | {"lockbox/hash": "cd" * 32, PERMUTED: test.stored()},
        "nothing": {},
        "half": {"data/hash": "ef" * 32, "infeasible": "too few trades"},
        "odd": {"data/name": 3, "data/notes": "one word", "versions": [1], "infeasible": {"why": None}},
    }[says]


def frame_of(returns: str, rng: np.random.Generator) -> pl.DataFrame | None:
    own, market = rng.normal(0.0, 0.01, (2, N_BARS))
    frame = returns_frame(own, market)
    shifted = frame.with_columns(time=bars(N_BARS + 40)[40:])
    return {
        "none": None,
        "other bars": shifted,
        "one bar": frame.head(1),
        "empty": frame.head(0),
        "flat": frame.with_columns(ret=pl.lit(0.0)),
        "unreadable": frame.drop("fold"),
    }.get(returns, frame)


def metrics_of(logs: str, rng: np.random.Generator) -> dict:
    score, turnover = rng.normal(0.0, 1.0, 2).tolist()
    whole = {"val/sharpe": score, "val/turnover": turnover, "baseline/sharpe": 0.3, "val/n_trades": 12.0}
    whole |= {"train/sharpe": score + 1.0, "fold/val_sharpe": score, "fold/baseline_sharpe": 0.1, "word": "a"}
    return {
        "metric": {"val/sharpe": score, "val/turnover": turnover},
        "nan": {"val/sharpe": float("nan")},
        "broke": whole | {"val/n_trades": 2.0},
        "nothing": {"other": 1.0},
    }.get(logs, whole)


def search_before(lab: Lab, text: str) -> None:
    """Search the same bars once before."""
    lab.sweep(text + "name: before\n")
    for _ in range(2):
        rng = np.random.default_rng(6)
        lab.run([(1, metrics_of("all", rng))], returns=frame_of("good", rng), summary=summary_of("all"))
    lab.clock.now += 1


def permute(lab: Lab, n_runs: int) -> None:
    """Keep the winners of two permuted histories, one of them without any."""
    folder_of(lab.home, lab.sweep_id).mkdir(parents=True)
    for history, score in ((1, None), (2, 0.5)):
        keep(lab.home, lab.sweep_id, PermutedWinner(history, 1, 1, n_runs, score))


def make(lab: Lab, text: str, fates: list[Fate], look: str, status: str) -> None:
    """Fill a store, and write into its tables what became of the runs."""
    lab.sweep(text)
    rng = np.random.default_rng(5)
    for fate in fates:
        rows = [(step, metrics_of(fate.logs, rng)) for step in (1, 2)]
        lab.run(rows, returns=frame_of(fate.returns, rng), summary=summary_of(fate.says))
    lab.coordinator.close()
    with closing(sqlite3.connect(lab.home / "store.db")) as db, db:
        for number, fate in enumerate(fates, start=1):
            run_id = f"{lab.sweep_id}-{number}"
            db.execute("UPDATE runs SET state = ? WHERE id = ?", (fate.state, run_id))
            if fate.state in ("pending", "running"):
                db.execute("UPDATE runs SET ended_at = NULL, score = NULL WHERE id = ?", (run_id,))
            if fate.is_deleted:
                db.execute("UPDATE runs SET deleted_at = 1.0 WHERE id = ?", (run_id,))
            if fate.returns == "gone":
                for (digest,) in db.execute("SELECT digest FROM artifacts WHERE run_id = ?", (run_id,)):
                    (lab.home / "blobs" / digest[:2] / digest[2:]).unlink(missing_ok=True)
        if LOOKS[look] is not None:
            db.execute(
                "INSERT INTO looks VALUES ('l', ?, ?, 'ann', 1.0, ?)",
                (lab.sweep_id, f"{lab.sweep_id}-1", LOOKS[look]),
            )
        db.execute("UPDATE sweeps SET status = ?", (status,))


def n_kept(fates: list[Fate]) -> int:
    return sum(fate.returns not in ("none", "unreadable", "gone") for fate in fates)


@settings(max_examples=40)
@given(
    text=sweeps,
    fates=st.lists(fates, max_size=6),
    look=st.sampled_from(list(LOOKS)),
    status=st.sampled_from(["running", "finished", "stopped", "failed", "canceled"]),
    is_second=st.booleans(),
)
def test_the_verdict_and_the_report_appear(text, fates, look, status, is_second):
    if not fates:
        look = "none"
    with tempfile.TemporaryDirectory() as folder, mock.patch("sharpen.report.html._plotly", str):
        lab = Lab(Path(folder) / "store")
        if is_second:
            search_before(lab, text)
        make(lab, text, fates, look, status)
        permute(lab, len(fates))
        analysis = lab.analysis()
        said = json.loads(json.dumps(verdict_figures(analysis), allow_nan=False))
        assert (said["headline"], len(said["related_sweeps"])) == (
            analysis.judgement.headline,
            len(analysis.judgement.related),
        )
        file = Path(folder) / "report.html"
        write_html(analysis, file)
        page = Page(file.read_text())
        console = Console(width=300, record=True, file=io.StringIO())
        console.print(leaderboard(analysis), front(analysis), *verdict(analysis))
        printed = console.export_text()
        headline(Snapshot.read(Reader(lab.home), lab.sweep_id), 1)
    for words in (page.text, " ".join(printed.split())):
        assert analysis.judgement.headline in words
        if 0 < n_kept(fates) < len(fates):
            assert f"{n_kept(fates)} of the {len(fates)} runs that began kept" in words


@pytest.mark.parametrize("returns", ["none", "one bar", "unreadable", "gone"])
def test_one_ranked_run_without_returns_beside_one_with_them(lab, returns, tmp_path):
    fates = [Fate("finished", kept, "all", "all", False) for kept in ("good", returns)]
    make(lab, ONE, fates, "none", "finished")
    write_html(lab.analysis(), tmp_path / "report.html")
    assert "–" in Page((tmp_path / "report.html").read_text()).text
