"""Which paper accounts say something of a version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sharpen.paper.orders import bar_name
from sharpen.paper.report import PaperReport, report
from sharpen.promotion import paper_evidence as module
from sharpen.promotion.paper_evidence import paper_evidence, traded_unseen_bars
from sharpen.store.collection_rows import VersionRow

from .worlds import Momentum, World, panel_of

PANEL = panel_of(30)
DAY = 10


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> PaperReport:
    """The report of an account that began on the first bar."""
    account = World(tmp_path_factory.mktemp("account"), PANEL).open()
    account.play()
    made = report(account.ledger, PANEL, Momentum(PANEL.symbols), 2.0, seed=0)
    account.close()
    return made


def version(unseen: str, trained_through: str = "") -> VersionRow:
    record = {"lockbox": {"first": unseen or None}, "decides_by": {"trained_through": trained_through}}
    return VersionRow("xgb", 0, "0" * 64, (), record, {}, "s-1", "ann", 0.0)


def shift(found: PaperReport, first: int) -> PaperReport:
    return replace(found, growth=replace(found.growth, bars=(bar_name(PANEL.time[first]),)))


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Let a store's accounts have these reports."""

    def keep(*reports: PaperReport) -> Path:
        (tmp_path / "paper").mkdir()
        for k in range(len(reports)):
            (tmp_path / "paper" / f"{k}.ledger").touch()
        monkeypatch.setattr(module, "_report", lambda _home, path, _row, _panel: reports[int(path.stem)])
        return tmp_path

    return keep


@pytest.mark.parametrize("time", [str(PANEL.time[DAY]), str(PANEL.time[DAY])[:10]])
def test_bars_are_unseen_from_the_lockbox_on(found: PaperReport, time: str) -> None:
    assert traded_unseen_bars(shift(found, DAY), time)
    assert not traded_unseen_bars(shift(found, DAY - 1), time)
    assert not traded_unseen_bars(shift(found, DAY), ""), "nobody knows what the search saw"


def test_an_account_on_training_bars_says_nothing_however_long_it_is(
    found: PaperReport, accounts: Callable[..., Path]
) -> None:
    short = replace(shift(found, DAY), n_sessions=3)
    home = accounts(replace(found, n_sessions=400), short)
    unseen = str(PANEL.time[DAY])
    assert paper_evidence(home, version(unseen), PANEL)["paper_sessions"] == 3
    assert paper_evidence(home, version("", unseen), PANEL)["paper_sessions"] == 3, (
        "no lockbox: the end of training"
    )
    assert paper_evidence(home, version(str(PANEL.time[DAY + 1])), PANEL) == {}


def test_a_signal_that_differs_in_a_shorter_account_is_not_hidden_by_a_longer_one(
    found: PaperReport, accounts: Callable[..., Path]
) -> None:
    differs = replace(found, n_sessions=1, replay=replace(found.replay, mismatches=("2024-01-02 AAA",)))
    home = accounts(found, differs)
    known = paper_evidence(home, version(str(PANEL.time[0])), PANEL)
    assert (known["paper_sessions"], known["signal_mismatches"]) == (found.n_sessions, 1)
