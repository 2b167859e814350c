"""Orders in bars: what they pay, where nobody can trade, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from objectives.rl.execution.books import PANEL, quiet_panel
from sharpen.errors import UsageError
from sharpen.objectives.rl.execution.data_split import LOCKBOX, TRAINING, walk_forward
from sharpen.objectives.rl.execution.evaluation import play
from sharpen.objectives.rl.execution.markets import episodes, execution, market_of
from sharpen.objectives.rl.execution.policies import baselines, twap
from sharpen.objectives.rl.execution.settings import ExecutionSettings
from sharpen.objectives.rl.execution.training import ExecutionJob, Training
from sharpen.objectives.rl.streams import Streams

HELD_OUT = walk_forward(1)[0][1]


def test_an_order_in_bars_pays_what_the_rules_say():
    """A flat price, one share of a hundred in each bar: half a spread and the square root of the share."""
    flat = replace(
        PANEL, **{name: np.full_like(PANEL.close, 50.0) for name in ("open", "high", "low", "close")}
    )
    flat = replace(flat, volume=np.full_like(PANEL.volume, 1e6))
    settings = {"order_share": 0.01, "impact": 0.5, "half_spread_bps": 2.0}
    env = execution(market_of("bars", settings, flat, HELD_OUT), 1, 4, 1.0)
    state = {**episodes(env, 0), "risk": torch.full((1, 4), 0.02, dtype=torch.float64)}
    found = play(env, state, twap).shortfall_bps
    assert found == pytest.approx(2.0 + 1e4 * 0.5 * 0.02 * 0.1, abs=1e-6)


def test_no_more_than_a_share_of_a_bar_is_traded_and_the_rest_is_said():
    settings = {"order_share": 1.0, "participation": 0.1}
    env = execution(market_of("bars", settings, quiet_panel()), 1, 200, 1.0)
    state = episodes(env, 0)
    traded = np.diff(play(env, state, baselines(env)["immediate"]).traded, prepend=0.0, axis=1)
    most = (0.1 * state["volume"] / state["order"][..., None])[0].numpy()
    assert (traded[:, :-1] <= most[:, :-1] + 1e-12).all()
    assert (traded[:, :-1][most[:, :-1] == 0] == 0).all()
    assert play(env, state, twap).forced.mean() > 0.5


def test_orders_to_train_on_and_held_out_orders_share_no_bar():
    spans = {}
    (training, held_out), *_ = walk_forward(1)
    for span, part in (("training", training), ("held-out", held_out), ("lockbox", LOCKBOX)):
        market = market_of("bars", None, PANEL, part)
        n = market.n_orders if part.in_order else 2000
        closes = episodes(execution(market, 1, n, 1.0), 0)["mid"].numpy().ravel()
        bars = np.flatnonzero(np.isin(PANEL.close, closes).any(axis=1))
        spans[span] = (bars.min(), bars.max())
    assert spans["training"][1] < 120 <= spans["held-out"][0]
    assert spans["held-out"][1] < 240 <= spans["lockbox"][0]


def gappy_panel():
    """Return bars of which B is listed from bar 150 on, is gone from 280 on, and lacks three in between."""
    absent = np.isin(np.arange(300), [*range(150), 200, 201, 202, *range(280, 300)])
    hidden = absent[:, None] & (np.arange(len(PANEL.symbols)) == 1)
    names = ("open", "high", "low", "close", "volume")
    return replace(PANEL, **{name: np.where(hidden, np.nan, getattr(PANEL, name)) for name in names})


@given(part=st.sampled_from([TRAINING, LOCKBOX, *(p for pair in walk_forward(2) for p in pair)]))
def test_a_bar_that_is_missing_is_a_halt_and_no_order_goes_beyond_the_first_or_last(part):
    panel = gappy_panel()
    market = market_of("bars", None, panel, part)
    env = execution(market, 1, market.n_orders or 500, 1.0)
    state = episodes(env, 3)
    assert all(torch.isfinite(value).all() for value in state.values())
    start, symbol = (x.numpy() for x in market._start_ranges.draw(Streams.of([3]), env.n_envs)[:2])
    of_b = start[symbol == 1]
    assert ((of_b >= 170) & (of_b + 5 <= 279)).all()
    halted = ~(panel.volume[start[0][:, None] + np.arange(1, 6), symbol[0][:, None]] > 0)
    assert np.array_equal(state["halted"][0].numpy() > 0, halted)
    traded = np.diff(play(env, state, twap).traded, prepend=0.0, axis=1)
    assert (traded[:, :-1][halted[:, :-1]] == 0).all()
    assert np.isfinite(play(env, state, twap).shortfall_bps).all()


def test_a_symbol_without_room_for_an_order_is_named():
    first, *_, second = walk_forward(3)
    assert market_of("bars", None, gappy_panel(), first[1]).left_out == ["B"]
    assert market_of("bars", None, gappy_panel(), second[1]).left_out == []
    only_b = replace(
        gappy_panel(),
        **{n: getattr(gappy_panel(), n)[:, 1:2] for n in ("open", "high", "low", "close", "volume")},
        symbols=("B",),
    )
    with pytest.raises(UsageError, match="in a part of them no symbol has as many as an order takes, 6"):
        market_of("bars", None, only_b, first[1])


def test_volumes_of_fractions_and_a_month_without_any_are_taken():
    """A usual bar may be 0.001 of a coin; after 20 bars without volume it is the mean of all bars before."""
    volume = np.full_like(PANEL.volume, 1e-3)
    volume[120:150] = 0.0
    market = market_of("bars", None, replace(PANEL, volume=volume), HELD_OUT)
    state = episodes(execution(market, 1, market.n_orders, 1.0), 0)
    assert state["order"].max() <= 0.02 * 5 * 1e-3 + 1e-12
    after = state["usual"][state["window"] == 145]
    assert after.numpy() == pytest.approx(1e-3 * 120 / 146)


def test_fewer_orders_than_there_are_come_from_the_whole_part():
    market = market_of("bars", None, PANEL, HELD_OUT)
    every = episodes(execution(market, 1, market.n_orders, 1.0), 0)
    some = episodes(execution(market, 1, 10, 1.0), 0)
    assert some["window"].min() == every["window"].min()
    assert some["window"].max() >= 210
    assert some["side"][0].tolist() == [1.0, -1.0] * 5
    assert torch.equal(some["window"][0, ::2], some["window"][0, 1::2])


def test_nothing_is_known_of_bars_before_they_close():
    """Other bars after the start of an order change nothing that is known, and no decision, at its start."""
    later = np.arange(300)[:, None] > 150
    names = ("open", "high", "low", "close", "volume")
    other = replace(PANEL, **{name: np.where(later, 3.0, 1.0) * getattr(PANEL, name) for name in names})
    envs = [execution(market_of("bars", None, p, HELD_OUT), 1, 144, 1.0) for p in (PANEL, other)]
    states = [episodes(env, 0) for env in envs]
    known = states[0]["window"] <= 150
    assert known.any()
    assert torch.equal(*(env.own(state)[known] for env, state in zip(envs, states, strict=True)))
    for name in baselines(envs[0]):
        wanted = [baselines(e)[name](e, s).wanted[known] for e, s in zip(envs, states, strict=True)]
        assert torch.equal(*wanted), name


def test_what_is_odd_about_orders_is_said():
    settings = ExecutionSettings.of({"market": "bars", "order_share": 1.0, "n_folds": 1})
    said = {
        note.kind: note.text for note in Training([ExecutionJob(settings, 0)], data=quiet_panel()).remarks
    }
    assert said["halts"].startswith("Nobody can trade in 33 % of the slices: no volume")
    assert "of what equal slices trade is left for the end" in said["large orders"]
    early = replace(gappy_panel(), volume=PANEL.volume)
    settings = ExecutionSettings.of({"market": "bars"})
    said = {
        note.kind: note.text
        for note in Training([ExecutionJob(settings, 0)], data=early.slice(0, 200)).remarks
    }
    assert said == {"left out": "No order is held out in B: too few bars, or too late ones."}
    assert Training([ExecutionJob(ExecutionSettings.of({"n_episodes": 64}), 0)]).remarks == []


def test_bars_that_cannot_be_traded_are_refused():
    with pytest.raises(UsageError, match="needs more bars: from 22 to 27 there is no room"):
        market_of("bars", None, PANEL.slice(0, 27), LOCKBOX)
    with pytest.raises(UsageError, match="needs volumes, and"):
        market_of("bars", None, replace(PANEL, volume=np.zeros_like(PANEL.volume)))
    with pytest.raises(UsageError, match=r"participation is 0.0, give one in \(0, 1\]"):
        market_of("bars", {"participation": 0.0}, PANEL)
    with pytest.raises(UsageError, match="give --data"):
        market_of("bars")
