"""``sharpen paper`` on recorded bars as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("xgboost")

from sharpen.cli import main
from sharpen.paper.account_files import paths_of
from sharpen.paper.ledger import Ledger
from sharpen.paper.live import keep_bars

from .model_store import store_with_model
from .worlds import panel_of

SYMBOLS = ("AAA", "BBB")
FIRST = "2024-07-10"


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of bars of two symbols."""
    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    keep_bars(path, panel_of(240, SYMBOLS))
    return path


def store(folder: Path, bars: Path) -> Path:
    """Return a store with a model of these bars."""
    summary = {"data/name": str(bars), "data/hash": "1", "data/symbols": list(SYMBOLS)}
    summary |= {"lockbox/first": FIRST, "lockbox/hash": "2"}
    return store_with_model(folder, SYMBOLS, summary)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bars: Path) -> Path:
    """A store with a model, for accounts that each have another name."""
    return store(tmp_path_factory.mktemp("store"), bars)


def sharpen(home: Path, *words: object, user: str = "ann") -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *map(str, words)], env={"SHARPEN_USER": user})


def trade(home: Path, account: str, *words: object) -> Result:
    return sharpen(home, "paper", "run", "--model", "last-1", "--account", account, *words)


def status(home: Path, account: str) -> dict[str, object]:
    return json.loads(sharpen(home, "paper", "status", "--account", account, "--json").stdout)


def test_what_an_account_began_with_stays(home: Path) -> None:
    begun = trade(home, "begun", "--bars", 2, "--cash", 50_000, "--slippage-bps", 3, "--seed", 5)
    assert begun.exit_code == 0, begun.output
    for option, value, kept in (("--cash", 60_000, 50_000), ("--slippage-bps", 4, "3.0"), ("--seed", 6, 5)):
        told = trade(home, "begun", "--bars", 1, option, value)
        assert told.exit_code == 2
        assert f"account begun began with {option} {kept}, not {value}" in told.stderr.replace(".0:", ":")
    for same in ((), ("--cash", "50000.00", "--seed", "5")):
        went_on = trade(home, "begun", "--bars", 1, *same)
        assert went_on.exit_code == 0, went_on.output
        assert "the backtest takes 3.0" in went_on.stdout
    assert status(home, "begun")["last bar"] == "20240713T0000"


def test_limits_are_seen_set_and_said(home: Path) -> None:
    assert trade(home, "limited", "--bars", 2).exit_code == 0
    assert status(home, "limited")["limits"] == (
        "order 300000 usd, 100000 shares; position 200000 usd; price 50% from the bar before;"
        " loss 5% a session; clock 2 s"
    )
    told = trade(home, "limited", "--bars", 6, "--max-order-usd", 1000, "--max-price-change", 0.25)
    assert told.exit_code == 0, told.output
    assert "refused by the limits, the last: " in told.stderr
    assert "usd are more than 1000.0 for one order. The options --max-… set them" in told.stderr
    found = status(home, "limited")
    assert str(found["limits"]).startswith("order 1000 usd, 100000 shares; position 200000 usd; price 25%")
    assert "limits changed" in json.dumps(found["events"])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--max-order-usd", "nan"), "nan is no finite number"),
        (("--max-order-usd", 0), "not in the range x>0"),
        (("--max-order-shares", 0.5), "--max-order-shares must be 1 or more"),
        (("--max-daily-loss", 1.5), "not in the range"),
        (("--slippage-bps", "inf"), "inf is no finite number"),
    ],
)
def test_limits_that_are_none_are_refused(home: Path, words: tuple[object, ...], why: str) -> None:
    told = trade(home, "odd", "--bars", 1, *words)
    assert told.exit_code == 2
    assert why in told.stderr


def test_a_session_that_a_small_loss_ended_says_so_at_its_end(home: Path) -> None:
    told = trade(home, "careful", "--bars", 10, "--max-daily-loss", 0)
    assert told.exit_code == 1
    *_, reason, advice = told.stderr.splitlines()
    assert reason.startswith("nothing is traded: the kill switch is pulled: the account fell by 0.")
    assert reason.endswith("% in a session, more than 0% (the trader)")
    assert " 0.0% in" not in reason
    assert advice == "'sharpen paper resume --reason …' lifts it"


def test_a_switch_is_pulled_in_any_case_and_lifted_with_a_reason(home: Path) -> None:
    assert trade(home, "switched", "--bars", 1).exit_code == 0
    assert sharpen(home, "paper", "kill", "--account", "switched", "--reason", " ").exit_code == 0
    assert status(home, "switched")["kill switch"] == "no reason given (ann)"
    assert sharpen(home, "paper", "resume", "--account", "switched", "--reason", " ").exit_code == 2
    assert sharpen(home, "paper", "resume", "--account", "switched", "--reason", "seen").exit_code == 0
    assert status(home, "switched")["kill switch"] is None


def test_an_account_that_could_buy_nothing_says_so(home: Path) -> None:
    told = trade(home, "poor", "--bars", 5, "--cash", 1)
    assert told.exit_code == 0, told.output
    assert "correlation  not known: no order was filled" in told.stdout


def test_a_bar_that_one_symbol_lacks_is_no_difference(home: Path, tmp_path: Path) -> None:
    panel = panel_of(240, SYMBOLS)
    panel.close[195, 1] = panel.open[195, 1] = np.nan
    keep_bars(tmp_path / "gap.csv", panel)
    told = trade(home, "gap", "--bars", 8, "--data", tmp_path / "gap.csv")
    assert told.exit_code == 0, told.output
    assert "BBB: not traded" in told.stderr
    assert "nan" not in told.stdout
    assert "15 compared, 0 differ" in told.stdout


def test_the_ledger_of_a_real_broker_is_not_traded_on_by_the_simulated_one(home: Path) -> None:
    with Ledger(paths_of(home, "real")[0]) as ledger:
        ledger.keep_fact("broker_account", "PA1")
    told = trade(home, "real", "--bars", 1)
    assert told.exit_code == 1
    assert "account real is the ledger of PA1, not of the simulated broker" in told.stderr


GATES = """
candidate: {verdict: null, deflated_sharpe: null, search_p: null, pbo: null, folds_positive: null}
paper: {verdict: null, deflated_sharpe: null, search_p: null, pbo: null, folds_positive: null,
  lockbox_openings: null, lockbox_sharpe_low: null, capacity_adv_share: null}
prod: {verdict: null, deflated_sharpe: null, search_p: null, pbo: null, folds_positive: null,
  lockbox_openings: null, lockbox_sharpe_low: null, capacity_adv_share: null, shortfall_share_of_edge: null,
  paper_sessions: {at_least: 10}, paper_fills: {at_least: 10}, paper_return_percentile: {at_least: 0},
  paper_drawdown_percentile: {at_most: 1}}
"""


def test_from_a_run_to_prod_and_back(tmp_path: Path, bars: Path) -> None:
    """Each command that the way takes, by two people, with the paper account's own evidence."""
    home = store(tmp_path, bars)
    (home / "gates.yaml").write_text(GATES)
    assert sharpen(home, "register", "last-1", "--as", "xgb").stdout == "xgb:v0\n"
    assert "xgb:v0 is candidate now" in sharpen(home, "promote", "xgb:v0", "candidate").output
    assert "xgb:v0 is paper now" in sharpen(home, "promote", "xgb:v0", "paper").stdout
    early = sharpen(home, "promote", "xgb:v0", "prod")
    assert early.exit_code == 1
    assert "missing: paper_sessions has no evidence" in early.stdout
    assert "sharpen paper run --model xgb:v0" in early.stdout
    seen = sharpen(home, "paper", "run", "--model", "xgb:paper", "--account", "seen", "--from", "2024-06-25")
    assert seen.exit_code == 0, seen.output
    assert "missing: paper_sessions" in sharpen(home, "promote", "xgb:v0", "prod").stdout, (
        "the search saw these"
    )
    ran = sharpen(home, "paper", "run", "--model", "xgb:paper", "--bars", 15)
    assert ran.exit_code == 0, ran.output
    asked = sharpen(home, "promote", "xgb:v0", "prod")
    assert asked.exit_code == 1
    assert "xgb:v0 waits for a second person until" in asked.stdout, asked.stdout
    assert "ann asked for it" in sharpen(home, "promote", "xgb:v0", "prod", "--approve").stderr
    moved = sharpen(home, "promote", "xgb:v0", "prod", "--approve", user="bob")
    assert moved.exit_code == 0, moved.output
    assert "signal_mismatches" in moved.stdout
    assert "xgb:v0 is prod now" in moved.stdout
    back = sharpen(home, "rollback", "xgb", "prod", "--reason", "slippage doubled", user="bob")
    assert back.stdout == "xgb:prod points nowhere now, no longer at v0\n"
    log = json.loads(sharpen(home, "models", "audit", "--json").stdout)
    assert log["problems"] == []
    did = [(entry["who"], entry["action"]) for entry in log["entries"]]
    assert did == [
        ("ann", "registered"),
        ("ann", "promoted"),
        ("ann", "promoted"),
        ("ann", "refused"),
        ("ann", "refused"),
        ("ann", "requested"),
        ("bob", "promoted"),
        ("bob", "rolled back"),
    ]
