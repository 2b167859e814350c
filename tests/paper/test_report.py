"""What the report of a paper account says beside its backtest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sharpen.paper.account_files import paths_of
from sharpen.paper.account_report import sentences
from sharpen.paper.ledger import is_held
from sharpen.paper.orders import bar_name
from sharpen.paper.report import report, resampled
from sharpen.paper.simulated import Frictions

from .worlds import FIRST_BAR, Momentum, World, panel_of


def test_slippage_is_what_the_broker_took_and_the_overnight_move_is_apart(tmp_path):
    panel = panel_of(60)
    world = World(tmp_path, panel, frictions=Frictions(slippage_bps=25.0, partial_share=0.0))
    account = world.open()
    account.play()
    assert is_held(paths_of(tmp_path, "test")[0])
    found = report(account.ledger, panel, Momentum(panel.symbols), 25.0, seed=0)
    account.close()
    assert not is_held(paths_of(tmp_path, "test")[0])
    assert found.slippage.n_fills == found.n_fills > 50
    assert found.slippage.mean_bps == pytest.approx(25.0, abs=0.5)  # prices are in whole cents
    assert found.slippage.half_width_bps < 0.5 < found.shortfall.half_width_bps
    said = sentences(found)
    assert said["slippage"].endswith("from the open that the backtest fills at; the backtest takes 25.0")
    assert "0 differ" in said["signals"]


@pytest.mark.parametrize("n", [2, 4, 11, 60])
def test_few_bars_are_resampled_too(n):
    returns = np.random.default_rng(0).normal(0, 0.01, n)
    totals = np.prod(1 + resampled(returns, seed=0), axis=1)
    assert np.ptp(totals) > 0.005, "every resample held the same bars"


def test_growth_ends_at_the_returns_and_the_band_at_its_quantiles(tmp_path):
    panel = panel_of(30)
    account = World(tmp_path, panel).open()
    account.play()
    found = report(account.ledger, panel, Momentum(panel.symbols), 2.0, seed=0)
    account.close()
    grown = found.growth
    assert len(grown.bars) == len(grown.paper) == len(grown.low)
    assert (grown.paper[0], grown.backtest[0], grown.low[0], grown.high[0]) == (0, 0, 0, 0)
    assert grown.paper[-1] == pytest.approx(found.paper_return)
    assert grown.backtest[-1] == pytest.approx(found.backtest_return)
    assert (grown.low[-1], grown.high[-1]) == pytest.approx(found.band)
    assert all(low <= high for low, high in zip(grown.low, grown.high, strict=True))


def divided(panel, until, factor):
    """Return a panel whose bars before one were divided, as a vendor does after a split; the first symbol."""
    columns = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name, column in columns.items():
        column[:until, 0] *= factor if name == "volume" else 1 / factor
    return replace(panel, **columns)


def test_bars_that_a_split_divided_since_are_no_difference_and_an_altered_one_is(tmp_path):
    panel = panel_of(30)
    account = World(tmp_path, panel).open()
    account.play()
    account.close()
    account = World(tmp_path, panel).open()
    strategy = Momentum(panel.symbols)
    since = divided(panel, 20, 4.0)
    found = report(account.ledger, since, strategy, 2.0, seed=0)
    whole = report(account.ledger, panel, strategy, 2.0, seed=0)
    assert [m for m in found.replay.mismatches if m.kind == "bar"] == []
    assert found.replay.n_adjusted == 20 - FIRST_BAR
    assert sentences(found)["signals"].endswith(f"; {20 - FIRST_BAR} bars were divided for a split since")
    assert found.paper_return == pytest.approx(whole.paper_return), "worth is of the prices of then"
    assert found.slippage == whole.slippage
    since.close[12, 0] *= 1.01
    altered = report(account.ledger, since, strategy, 2.0, seed=0)
    account.close()
    assert {m.bar for m in altered.replay.mismatches if m.kind == "bar"} == {bar_name(panel.time[12])}
