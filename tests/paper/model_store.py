"""A store with a run whose model decides often for and often against a symbol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from cli.test_promote import home_with
from sharpen.features import compute

from .worlds import panel_of


def store_with_model(folder: Path, symbols: Sequence[str], summary: Any = None) -> Path:
    """Return the store; its run says what ``summary`` holds."""
    names = compute(panel_of(70)).names
    rows = np.random.default_rng(0).normal(0, 1, (200, len(names)))
    data = xgboost.DMatrix(rows, rows[:, names.index("gap")] > 0, feature_names=list(names))
    trees = xgboost.train({"max_depth": 2, "nthread": 1, "objective": "binary:logistic"}, data, 3)
    trees.save_model(folder / "model.ubj")
    facts = {"settings": {"model": "xgboost"}, "symbols": list(symbols), "feature_names": names}
    facts["trained_through"] = "1990-01-02"
    return home_with(folder, (folder / "model.ubj").read_bytes(), facts=facts, summary=summary)
