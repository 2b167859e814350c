"""What a sceptic asks of a winner."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sharpen import metrics
from sharpen.overfit import Neighbourhood
from sharpen.space import Choice, Float, Space
from sharpen.spec import Metric
from sharpen.store.configurations import Configuration
from sharpen.store.rows import RunRow
from sharpen.views.returns import Series
from sharpen.views.scrutiny import neighbours_of, scrutinise

NEAR = Neighbourhood(0.5, 0.5, 5, 0.1)
TIME = np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]").astype("datetime64[us]")


def series(stress: bool = True) -> Series:
    rng = np.random.default_rng(0)
    net = rng.normal(0.001, 0.01, len(TIME))
    more = {"gross": net + 0.0002, "turnover": np.full(len(TIME), 0.4), "delayed": net[::-1].copy()}
    return Series(TIME, np.ones(len(TIME), dtype=np.int64), net, net / 2, more if stress else {})


def one(number, score, config):
    """Return a configuration that has ended."""
    known = {"id": f"s-{number}", "sweep_id": "s", "number": number, "state": "finished", "reason": ""}
    known |= {"config": config, "origin": "random", "score": score, "exit_code": 0, "token": 1, "lost": 0}
    known |= {"agent_id": "a", "lease_key": "k", "stop": "", "summary": {}}
    row = RunRow(**known, created_at=0.0, started_at=0.0, ended_at=1.0)
    return Configuration(row, (row,))


@pytest.fixture
def winner():
    return one(1, 1.0, {"x": 0.5, "kind": "a"})


def test_its_figures_are_those_of_its_bars(winner):
    found = scrutinise(series(), winner, 0.4, NEAR)
    net = series().returns
    assert (found.first, found.last, found.n_bars) == ("2020-01-01", "2021-12-31", 731)
    assert found.sharpe == pytest.approx(metrics.sharpe(net, 365), rel=1e-3)
    assert found.sharpe_double_costs == pytest.approx(metrics.sharpe(net - 0.0002, 365), rel=1e-3)
    assert found.sharpe_one_bar_late == pytest.approx(found.sharpe)
    assert found.break_even_bps == pytest.approx(1e4 * (net.mean() + 0.0002) / 0.4)
    assert found.turnover == pytest.approx(0.4 * 365, rel=1e-3)
    assert list(found.by_year) == [2020, 2021]
    assert found.best_days_share == pytest.approx(np.sort(net)[-5:].sum() / net.sum())
    assert len(found.rows) == 10
    assert not any("not known" in answer for question, answer in found.rows if "seed" not in question)
    assert found.figures()["neighbours"] == {"median": 0.5, "n": 5}


def test_what_the_program_did_not_keep_is_said_to_be_unknown(winner):
    found = scrutinise(series(stress=False), winner, math.nan, NEAR)
    unknown = [question for question, answer in found.rows if "not known" in answer]
    assert unknown == [
        "at which costs is nothing left?",
        "at twice the costs?",
        "filled one bar later?",
        "without its best 5 trades?",
        "with another seed?",
    ]
    assert found.figures()["break_even_bps"] is None


def test_neighbours_are_the_nearest_in_the_space(winner):
    space = Space({"x": Float(0.0, 1.0), "kind": Choice(("a", "b"))})
    others = [
        one(2, 0.9, {"x": 0.52, "kind": "a"}),
        one(3, 0.8, {"x": 0.45, "kind": "a"}),
        one(4, None, {"x": 0.4, "kind": "a"}),
        one(5, 0.7, {"x": 0.6, "kind": "a"}),
        one(6, 0.6, {"x": 0.35, "kind": "a"}),
        one(7, -9.0, {"x": 0.5, "kind": "b"}),
    ]
    near = neighbours_of(winner, [winner, *others], space, Metric("s", "maximize"))
    assert (near.median, near.n_neighbours) == (0.7, 5)
    assert neighbours_of(winner, [winner], space, Metric("s", "maximize")).n_neighbours == 0
    outside = one(8, 0.9, {"x": 7.0, "kind": "a"})
    assert neighbours_of(winner, [winner, outside], space, Metric("s", "maximize")).n_neighbours == 0
    assert neighbours_of(outside, [winner, outside], space, Metric("s", "maximize")).n_neighbours == 0
    loss = neighbours_of(winner, [winner, *others[:1]], space, Metric("s"))
    assert loss.median == -0.9


def test_one_bar_says_nothing(winner):
    whole = series(stress=False)
    alone = Series(whole.time[:1], whole.fold[:1], whole.returns[:1], whole.baseline[:1])
    assert scrutinise(alone, winner, math.nan, NEAR) is None
