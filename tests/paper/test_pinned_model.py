"""The model that an account trades by: checked before it is read, and kept while something is held."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("xgboost")

import xgboost

from sharpen.errors import UsageError
from sharpen.paper.account_files import paths_of
from sharpen.paper.account_settings import AccountSettings
from sharpen.paper.ledger import Decision, Ledger
from sharpen.paper.model import SwitchedStrategy, load_strategy
from sharpen.paper.orders import bar_name
from sharpen.paper.session import ModelFile, pinned, recorded_session, strategy_of, switches

from .worlds import panel_of

FACTS = {"settings": {"model": "xgboost"}, "symbols": ["AAA"], "feature_names": ["a"]}
ROWS = np.linspace(0, 1, 40)[:, None]


def model(folder: Path, name: str, n_trees: int) -> ModelFile:
    trees = xgboost.train({"max_depth": 1, "nthread": 1}, xgboost.DMatrix(ROWS, ROWS[:, 0] > 0.5), n_trees)
    path = folder / f"{name}.ubj"
    trees.save_model(path)
    return ModelFile(name, path, hashlib.sha256(path.read_bytes()).hexdigest(), FACTS)


def test_an_alias_that_moves_changes_nothing_until_nothing_is_held(tmp_path: Path) -> None:
    old, new = model(tmp_path, "m:v0", 1), model(tmp_path, "m:v1", 2)
    said: list[str] = []
    with Ledger(tmp_path / "a.ledger") as ledger:
        assert pinned(tmp_path / "kept", ledger, old, 0.0, said.append).digest == old.digest
        ledger.adjust("AAA", Decimal(5), Decimal(0), "held", 0.0)
        old.path.unlink()  # the store may forget it: the account has a copy
        assert pinned(tmp_path / "kept", ledger, new, 1.0, said.append).digest == old.digest
        assert "the pinned model stays until nothing is held" in said[-1]
        ledger.adjust("AAA", Decimal(-5), Decimal(0), "sold", 2.0)
        assert pinned(tmp_path / "kept", ledger, new, 3.0, said.append).digest == new.digest
        assert [event.kind for event in ledger.events()] == ["model waits", "model switched"]


def test_each_bar_is_compared_with_the_model_that_decided_on_it(tmp_path: Path) -> None:
    def always(target: float) -> Any:
        return SimpleNamespace(
            digest=str(target),
            symbols=("AAA",),
            targets=lambda p, first: np.full((len(p) - first, 1), target),
        )

    panel = panel_of(8, ("AAA",))
    last = bar_name(panel.time[5])
    both = SwitchedStrategy(((last, always(1.0)),), always(-1.0))
    assert both.targets(panel, 4)[:, 0].tolist() == [1.0, 1.0, -1.0, -1.0]
    assert (both.digest, both.symbols) == ("-1.0", ("AAA",))


def test_an_account_knows_by_which_models_it_decided(tmp_path: Path) -> None:
    first, second = model(tmp_path, "m:v0", 1), model(tmp_path, "m:v1", 2)
    path = paths_of(tmp_path, "a")[0]
    with Ledger(path) as ledger:
        pinned(path.parent / "models", ledger, first, 0.0, print)
        ledger.decide([Decision("20240105T0000", "AAA", 0.0, Decimal(1))], [], 1.0)
        pinned(path.parent / "models", ledger, second, 2.0, print)
        assert switches(ledger) == [("20240105T0000", first.digest)]
        found = strategy_of(tmp_path, "a", ledger)
    assert isinstance(found, SwitchedStrategy)
    assert [(bar, strategy.digest) for bar, strategy in found.earlier] == [("20240105T0000", first.digest)]
    assert found.digest == second.digest


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:]]
)
def test_a_torn_or_altered_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage
) -> None:
    kept = model(tmp_path, "m", 2)
    kept.path.write_bytes(damage(kept.path.read_bytes()))

    def read(*_words: object) -> None:
        raise AssertionError("a parser saw it")

    monkeypatch.setattr("sharpen.paper.model.make", read)
    with pytest.raises(UsageError, match="changed or cut off"):
        load_strategy(kept.path, kept.digest, kept.facts)


def test_a_copy_that_was_changed_is_refused(tmp_path: Path) -> None:
    old, new = model(tmp_path, "m:v0", 1), model(tmp_path, "m:v1", 2)
    with Ledger(tmp_path / "a.ledger") as ledger:
        pinned(tmp_path / "kept", ledger, old, 0.0, print)
        ledger.adjust("AAA", Decimal(5), Decimal(0), "held", 0.0)
        (tmp_path / "kept" / f"{old.digest}.ubj").write_bytes(b"{L")
        with pytest.raises(UsageError, match="changed or cut off"):
            pinned(tmp_path / "kept", ledger, new, 1.0, print)


def test_an_account_that_begins_anew_meets_the_same_chance(tmp_path: Path) -> None:
    def order_names(home: str, seed: int) -> str | None:
        folder = tmp_path / home
        folder.mkdir()
        settings = AccountSettings(seed=seed)
        with recorded_session(folder, model(folder, "m", 1), panel_of(3), settings, print) as (_, ledger):
            return ledger.fact("session")

    assert order_names("first", 0) == order_names("second", 0) != order_names("third", 1)
