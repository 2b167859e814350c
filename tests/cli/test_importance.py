"""importance: which parameters mattered, from a sweep that the real command made."""

from __future__ import annotations

import json
import re

import pytest

from faults.bench import Bench

PROGRAM = """
from sharpen import tracking

with tracking.init(config={"rate": 0.5, "inert": 0.5}) as run:
    score = 4 * run.config["rate"] + 0.001 * run.config["inert"]
    run.log({"score": score, "waste": run.config["inert"]})
"""
SPACE = "parameters:\n  rate: {min: 0.0, max: 1.0}\n  inert: {min: 0.0, max: 1.0}\n"
PRIOR = "prior:\n  - {rate: 0.25, inert: 0.75}\n"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("importance")
    (folder / "rises.py").write_text(PROGRAM)
    with Bench(folder / "bench", program=folder / "rises.py") as bench:
        ran = bench.call("run", bench.write_sweep(30, space=SPACE, more=PRIOR), "--agents", "1")
        assert ran.returncode == 0, ran.stderr
        yield bench


def test_the_table_puts_what_mattered_first_and_says_that_the_sweep_can_tell(swept, sharpen):
    found = sharpen("importance", "last", home=swept.home)
    assert found.exit_code == 0, found.output
    rows = [line.split() for line in found.stdout.splitlines()]
    assert rows[1][0] == "rate"
    assert float(rows[1][1]) > 0.8
    assert "foretells trials that it has not seen" in found.stderr


def test_json_has_every_method_with_its_intervals(swept, sharpen):
    found = json.loads(sharpen("importance", "last", "--json", home=swept.home).stdout)
    assert found["evidence"]["can_tell"]
    for method in ("fanova", "local", "ped_anova"):
        best = max(found[method], key=lambda share: share["value"])
        assert best["names"] == ["rate"]
        assert best["low"] <= best["value"] <= best["high"]
    assert found["ablation"][0]["name"] == "rate"


def test_any_logged_number_can_be_asked_for_and_ablation_begins_at_the_default(swept, sharpen):
    found = sharpen("importance", "last", "--metric", "waste", home=swept.home)
    assert found.stdout.splitlines()[1].split()[0] == "inert"
    assert "waste, from the default to the best trial" in found.stdout
    rows = {run.number: run.config for run in swept.runs()}
    best = {}
    for metric in ("waste", "-waste"):
        said = sharpen("importance", "last", f"--metric={metric}", home=swept.home).stdout
        best[metric] = rows[int(re.search(r"best trial, (\d+)", said)[1])]["inert"]
    assert best["-waste"] == min(row["inert"] for row in rows.values())
    assert best["waste"] == max(row["inert"] for row in rows.values())
    wrong = sharpen("importance", "last", "--metric", "wast", home=swept.home)
    assert wrong.exit_code == 2
    assert "no finished run has logged 'wast'; did you mean 'waste'?" in wrong.stderr


def test_the_report_says_it_with_intervals(swept, sharpen, tmp_path):
    said = sharpen("report", "last", "-o", tmp_path / "report.html", home=swept.home)
    assert said.exit_code == 0, said.stderr
    page = (tmp_path / "report.html").read_text()
    text = page[page.index("Which parameters mattered") :]
    assert "A model of the score foretells trials that it has not seen" in text[:1000]
    assert re.search(r"<code>rate</code></th><td class=.n.><b>0\.[89]\d</b> <span[^>]*>0\.\d+ to ", text)
    assert '"importance": {"data": ' in page


def test_a_sweep_of_few_runs_is_refused_with_what_it_needs(sharpen, store):
    found = sharpen("importance", "last", home=store)
    assert found.exit_code == 2
    assert "4 trials finished with a score; importance needs 10 or more" in found.stderr
