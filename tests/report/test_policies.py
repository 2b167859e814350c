"""A sweep of policies that keep what they saved gets a verdict in its own words, wherever it is asked for."""

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from sharpen.cli.main import main
from sharpen.errors import DataError
from sharpen.report import lockbox_savings, verdict, verdict_figures
from sharpen.report.html import write_html
from sharpen.store.queries import Reader
from sharpen.views.savings import read_file

SPEC = """
name: policies
program: scripts/train.py
method: random
metric: {name: val/mean_reward, goal: maximize}
parameters: {learning_rate: {min: 0.1, max: 0.9}}
"""
N_WINDOWS = 80


def fill(lab, edge, n_runs=8):
    rng = np.random.default_rng(0)
    lab.sweep(SPEC)
    for n in range(n_runs):
        mean = edge if n == 3 else 0.0
        saved = {name: rng.normal(mean, 1.0, N_WINDOWS) for name in ("twap", "random")}
        lease, _ = lab.lease()
        lab.keep(lease, pl.DataFrame(saved), "saved", "saved")
        lab.call("report", **lease, rows=[(1, {"val/mean_reward": float(saved["twap"].mean())})])
        lab.call("exit", **lease, exit_code=0, last_words="")


@pytest.mark.parametrize(("edge", "kind"), [(0.0, "luck"), (1.0, "real")])
def test_the_verdict_is_on_the_baselines_and_counts_every_policy(lab, edge, kind, tmp_path):
    fill(lab, edge)
    lab.run([(1, {"val/mean_reward": -1.0})])  # it kept nothing, and counts
    analysis = lab.analysis()
    judged = analysis.judgement
    assert (judged.kind, judged.n_trials, judged.n_with_returns) == (kind, 9, 8)
    assert [one.baseline for one in judged.baselines] == ["twap", "random"]
    assert "Of 9 tried, 8 kept what they saved." in judged.details
    text = "\n".join(str(line) for line in verdict(analysis))
    assert "saved against twap" in text
    assert ("it is no policy" in text) == (kind == "luck")
    write_html(analysis, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Saved against twap" in page
    assert "<dt>Probability of overfitting</dt>" not in page
    assert verdict_figures(analysis)["baselines"][0]["n_tried"] == 8


def test_deleting_the_losers_changes_nothing(lab):
    fill(lab, 0.5)
    before = lab.analysis().judgement
    for number in (1, 2):
        lab.call("delete", target=f"{lab.sweep_id}-{number}")
    assert lab.analysis().judgement.baselines == before.baselines


def test_best_says_how_it_compares(lab):
    fill(lab, 1.0)
    lab.coordinator.close()
    run = CliRunner().invoke(main, ["--home", str(lab.home), "best", "last"])
    assert run.exit_code == 0, run.output
    assert "beats twap: saves " in run.output
    assert "8 policies tried" in run.output
    told = CliRunner().invoke(main, ["--home", str(lab.home), "best", "last", "--json"])
    found = json.loads(told.stdout)["baselines"]
    assert [(one["baseline"], one["n_tried"]) for one in found] == [("twap", 8), ("random", 8)]


def test_on_the_lockbox_one_policy_is_judged_alone(lab):
    fill(lab, 1.0)
    digest = next(
        a.digest for a in Reader(lab.home).artifacts(sweep_id=lab.sweep_id) if a.run_id.endswith("-4")
    )
    found = lockbox_savings(lab.home, digest, 0)
    assert [one["n_tried"] for one in found] == [1, 1]
    assert found[0]["sentence"].startswith("beats twap: saves ")


def test_files_that_hold_no_savings_are_refused_in_a_sentence(tmp_path):
    for name, frame in (("empty", pl.DataFrame({"twap": [0.0]}).head(0)), ("odd", {"twap": [None, 1.0]})):
        pl.DataFrame(frame).write_parquet(tmp_path / name)
        with pytest.raises(DataError, match="finite numbers"):
            read_file(tmp_path / name)
    (tmp_path / "text").write_text("nothing")
    with pytest.raises(DataError):
        read_file(tmp_path / "text")
