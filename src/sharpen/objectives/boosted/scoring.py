"""Train a booster on a fold and score it; the lockbox; the final model.

Axes: ``T`` bars, ``S`` symbols, ``F`` features, ``N`` examples.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.bars import Panel, bars_per_year
from sharpen.errors import DataError
from sharpen.features import Features, atr, compute
from sharpen.folds import Fold, purged
from sharpen.labels import Labels, triple_barrier
from sharpen.objectives.boosted.bets import average_active_bets, bets
from sharpen.objectives.boosted.booster import Model, Rows, make
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.objectives.fold_score import FoldScore, Market, score_decisions
from sharpen.objectives.sharing import KEPT
from sharpen.seeds import seed_for


@dataclass(frozen=True, eq=False)
class Prepared:
    """Bars with their features: the same for every configuration, so computed once in a process.

    Attributes:
        panel: The bars.
        features: (T, S, F)
        bars_per_year: What makes a Sharpe ratio an annual one.
    """

    panel: Panel
    features: Features
    bars_per_year: float


@dataclass(frozen=True, eq=False)
class Examples:
    """Prepared bars with the labels of one configuration."""

    prepared: Prepared
    labels: Labels


def prepare(panel: Panel) -> Prepared:
    """Return a panel with its features.

    Whatever must not be seen has to be cut off before: a search prepares the bars before the lockbox. The
    features are kept in memory, by the panel's content.
    """
    features = KEPT.get(("features", panel.digest), lambda: compute(panel))
    return Prepared(panel, features, bars_per_year(panel.time))


def label(settings: ClassifierSettings, prepared: Prepared) -> Examples:
    """Return prepared bars with their triple-barrier labels."""
    panel = prepared.panel
    scale = atr(panel, settings.atr_window_bars)
    labels = triple_barrier(panel, scale, settings.tp_atr_mult, settings.sl_atr_mult, settings.horizon_bars)
    return Examples(prepared, labels)


def score(settings: ClassifierSettings, examples: Examples, fold: Fold, seed: int) -> FoldScore:
    """Return what a booster trained on a fold's training bars earns on its validation bars.

    A fold whose training examples are all of one class says nothing about when to bet, so nothing is bet.

    Args:
        settings: The configuration.
        examples: Bars, features and labels.
        fold: Which bars to train on and which to score.
        seed: The run's seed; each fold draws its own stream from it.

    Raises:
        FoldError: The purge leaves nothing to train on.
    """
    rows = training_rows(settings, examples, fold)
    model = _fit(settings, examples, rows, fold, seed)
    prepared = examples.prepared
    market = Market(prepared.panel, settings.cost_bps, prepared.bars_per_year)
    return score_decisions(
        market,
        fold,
        decide(settings, model, prepared.features.values[fold.train_start : fold.train_stop]),
        decide(settings, model, prepared.features.values[fold.val_start : fold.val_stop]),
        n_train_rows=len(rows.is_up),
    )


def training_rows(settings: ClassifierSettings, examples: Examples, fold: Fold) -> Rows:
    """Return a fold's training examples, pooled over the symbols, with weights that balance the classes.

    Left out are examples whose label is not known before validation begins (less the embargo), and those
    that reached neither barrier.
    """
    bars = slice(fold.train_start, fold.train_stop)
    outcome = examples.labels.label[bars]
    kept = purged(fold, examples.labels.end_bar, settings.embargo_bars) & (outcome != 0)
    features = examples.prepared.features
    is_up = outcome[kept] == 1
    return Rows(features.values[bars][kept], is_up, _balanced(is_up), features.names)


def decide(settings: ClassifierSettings, model: Model | None, features: Floats) -> Floats:
    """Return the position wanted at the close of each bar, in [-1, 1]; none without a model.

    Args:
        settings: The configuration.
        model: What says how probable "up" is.
        features: Of consecutive bars; those before the first count as no bet. (T, S, F)
    """
    n_bars, n_symbols, n_features = features.shape
    if model is None:
        return np.zeros((n_bars, n_symbols))
    p_up = model.predict(features.reshape(-1, n_features)).reshape(n_bars, n_symbols)
    return average_active_bets(bets(p_up, settings), settings.horizon_bars)


def evaluate_lockbox(settings: ClassifierSettings, panel: Panel, lockbox_start: int, seed: int) -> FoldScore:
    """Return what the final model of a configuration earns on the bars that no search has seen.

    The model is that of :func:`train_final` on the bars before ``lockbox_start``, to the bit: trained on
    every example whose label is known by then.
    """
    examples = label(settings, prepare(panel))
    first = examples.prepared.features.warmup_bars
    return score(settings, examples, Fold(0, first, lockbox_start, lockbox_start, len(panel)), seed)


def train_final(settings: ClassifierSettings, examples: Examples, seed: int) -> Model:
    """Return a model trained on every example there is.

    Raises:
        DataError: All examples are of one class.
    """
    fold = _whole(examples.prepared)
    model = _fit(settings, examples, training_rows(settings, examples, fold), fold, seed)
    if model is None:
        raise DataError("every training example has the same label: move tp_atr_mult or sl_atr_mult")
    return model


def model_facts(settings: ClassifierSettings, examples: Examples) -> dict[str, Any]:
    """Return what has to be known to use the final model again, as JSON can hold it."""
    prepared = examples.prepared
    return {
        "settings": asdict(settings),
        "feature_names": list(prepared.features.names),
        "symbols": list(prepared.panel.symbols),
        "data_hash": prepared.panel.digest,
        "trained_through": str(prepared.panel.time[-1]),
    }


def bin_ahead(settings: ClassifierSettings, prepared: Prepared, folds: Sequence[Fold]) -> None:
    """Keep the binned training rows of all folds, once two configurations have wanted the same.

    Where a search varies the labels, every configuration has bins of its own.
    """
    key = _bins_key(settings, prepared)
    wanted = KEPT.get(("bins wanted",), set[Hashable])
    if key in wanted:
        KEPT.get(key, lambda: _bins_of(settings, prepared, (*folds, _whole(prepared))))
    wanted.add(key)


def _bins_of(
    settings: ClassifierSettings, prepared: Prepared, folds: Sequence[Fold]
) -> Mapping[Fold, object]:
    booster, examples = make(settings.model), label(settings, prepared)
    return {fold: booster.bin(training_rows(settings, examples, fold), settings) for fold in folds}


def _bins_key(settings: ClassifierSettings, prepared: Prepared) -> Hashable:
    """Return all that training rows and their bins depend on, but the fold."""
    of_labels = settings.atr_window_bars, settings.tp_atr_mult, settings.sl_atr_mult, settings.horizon_bars
    of_bins = settings.model, settings.max_bin, settings.embargo_bars
    return "bins", prepared.panel.digest, of_labels, of_bins


def _whole(prepared: Prepared) -> Fold:
    """Return the fold that trains on every bar."""
    n_bars = len(prepared.panel)
    return Fold(0, prepared.features.warmup_bars, n_bars, n_bars, n_bars)


def _fit(settings: ClassifierSettings, examples: Examples, rows: Rows, fold: Fold, seed: int) -> Model | None:
    if rows.is_up.all() or not rows.is_up.any():
        return None
    booster = make(settings.model)
    kept: Mapping[Fold, object] = KEPT.look(_bins_key(settings, examples.prepared), {})
    binned = kept[fold] if fold in kept else booster.bin(rows, settings)
    return booster.fit(binned, settings, seed_for(seed, "fold", fold.number))


def _balanced(is_up: Bools) -> Floats:
    """Return weights under which both classes weigh the same and the mean weight is 1."""
    n_rows, n_up = len(is_up), int(is_up.sum())
    return np.where(is_up, n_rows / max(2 * n_up, 1), n_rows / max(2 * (n_rows - n_up), 1))
