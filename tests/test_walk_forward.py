"""Programs of a few lines: a rule is scored like everything else, and one that looks ahead is refused."""

import numpy as np
import pytest

from sharpen import tracking
from sharpen.data import load
from sharpen.folds import WalkForward, lockbox_start, split
from sharpen.objectives.fold_score import TradedPanel, score_decisions
from sharpen.objectives.progress import progress
from sharpen.walk_forward import Rule, run_program

WARM_UP = 30


def trend(panel, config, model):
    """Hold what is above its close of some bars ago."""
    before = np.vstack(
        [np.full((config["bars"], panel.close.shape[1]), np.nan), panel.close[: -config["bars"]]]
    )
    return np.where(panel.close > before, config["size"], 0.0)


@pytest.fixture
def logged(monkeypatch):
    rows = []
    log = tracking.Run.log
    monkeypatch.setattr(
        tracking.Run, "log", lambda run, row, step=None: (rows.append(row), log(run, row, step=step))[1]
    )
    return rows


def test_a_rule_is_scored_as_by_hand(logged, capsys):
    rule = Rule(trend, options={"bars": 20, "size": 0.5, "min_trades": 2.0}, warmup_bars=WARM_UP)
    assert run_program(rule, ["--n_folds", "3", "--cost_bps", "7", "--bars", "10"]) == 0
    panel = load("stocks").panel
    panel = panel.slice(0, lockbox_start(len(panel), 0.2))
    position = trend(panel, {"bars": 10, "size": 0.5}, None)
    market = TradedPanel(panel, cost_bps=7.0, bars_per_year=panel.bars_per_year)
    scores = []
    for fold in split(len(panel), WalkForward(n_folds=3), first_bar=WARM_UP):
        inside, outside = (fold.train_start, fold.train_stop), (fold.val_start, fold.val_stop)
        scores.append(score_decisions(market, fold, position[slice(*inside)], position[slice(*outside)]))
        assert logged[fold.number - 1] == pytest.approx(progress(scores, 2.0).metrics, nan_ok=True)
    assert "(means of 3 folds" in capsys.readouterr().out


def test_what_is_learnt_sees_the_training_bars_alone():
    seen = []

    def fit(panel, config, rng):
        seen.append((str(panel.time[0]), len(panel), rng.random()))
        return len(seen)

    def decide(panel, config, model):
        return np.full(panel.close.shape, 1.0 / model)

    rule = Rule(decide, fit, options={"min_trades": 0.0})
    assert run_program(rule, ["--n_folds", "3", "--seed", "4"]) == 0
    first = list(seen)
    assert len({n for _, n, _ in first}) <= 2  # a rolling window
    assert len({draw for _, _, draw in first}) == 3
    seen.clear()
    assert run_program(rule, ["--n_folds", "3", "--seed", "4"]) == 0
    assert seen == first


@pytest.mark.parametrize(
    "decide",
    [
        lambda panel, config, model: np.where(np.roll(panel.close, -1, axis=0) > panel.close, 1.0, 0.0),
        lambda panel, config, model: np.where(panel.close > panel.close.mean(axis=0), 1.0, 0.0),
        lambda panel, config, model: np.where(panel.volume > np.median(panel.volume, axis=0), 1.0, -1.0),
        lambda panel, config, model: np.full(panel.close.shape, 1.0 if panel.close[-1, 0] > 20 else 0.0),
    ],
    ids=["the next close", "the mean of all bars", "the median of all volumes", "the last bar"],
)
def test_a_rule_that_looks_ahead_is_refused(decide, capsys):
    assert run_program(Rule(decide), ["--n_folds", "3"]) == 2
    assert "the rule looks ahead: its position at 20" in capsys.readouterr().err


def test_positions_of_another_shape_are_refused(capsys):
    assert run_program(Rule(lambda panel, config, model: panel.close[:, 0] * 0), []) == 2
    assert "3 symbols: return one of shape" in capsys.readouterr().err


def test_a_position_beyond_the_capital_is_refused(capsys):
    assert run_program(Rule(lambda panel, config, model: panel.close * 0 + 2), []) == 2
    assert "[-1, 1]" in capsys.readouterr().err
