"""Train a booster on a fold and score it; the lockbox; the final model.

Axes: ``T`` bars, ``S`` symbols, ``F`` features, ``N`` examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sharpen.arrays import Bools, Floats
from sharpen.bars import Panel
from sharpen.errors import DataError
from sharpen.features import Features, atr, compute, is_known
from sharpen.folds import Fold, purged
from sharpen.labels import Labels, triple_barrier
from sharpen.objectives.boosted.bet_sizing import average_active_bets, bets
from sharpen.objectives.boosted.booster import Fitted, Model, TrainingRows, make
from sharpen.objectives.boosted.settings import ClassifierSettings
from sharpen.objectives.fold_score import FoldScore, TradedPanel, score_decisions
from sharpen.objectives.process_cache import PROCESS_CACHE
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
    features = PROCESS_CACHE.get(("features", panel.digest), lambda: compute(panel))
    return Prepared(panel, features, panel.bars_per_year)


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
    usable = _usable(settings, examples, fold)
    fitted = _fit(settings, examples, fold, usable, seed)
    features = examples.prepared.features.values
    prepared = examples.prepared
    market = TradedPanel(
        prepared.panel,
        settings.cost_bps,
        prepared.bars_per_year,
        settings.delisting_return,
        settings.risk_free_rate,
        settings.borrow_rate,
    )
    train_features = features[fold.train_start : fold.train_stop]
    train_positions = _position(settings, _inside(fitted, train_features, usable), _has_bar(train_features))
    val_positions = decide(settings, fitted and fitted.model, features[fold.val_start : fold.val_stop])
    fold_score = score_decisions(market, fold, train_positions, val_positions)
    return replace(fold_score, extras={"n_nodes": fitted.n_nodes if fitted else 0})


def _usable(settings: ClassifierSettings, examples: Examples, fold: Fold) -> Bools:
    """Return which of a fold's training bars are training examples, for each symbol. (T, S).

    Not those whose label is not known before validation begins (less the embargo), nor those that reached
    neither barrier, nor those of a symbol whose features still warm up.
    """
    bars = slice(fold.train_start, fold.train_stop)
    outcome, known = examples.labels.label[bars], examples.prepared.features.known[bars]
    return purged(fold, examples.labels.end_bar, settings.embargo_bars) & (outcome != 0) & known


def _rows(examples: Examples, fold: Fold, usable: Bools) -> TrainingRows:
    """Return training examples, pooled over the symbols, with weights that balance the classes."""
    bars = slice(fold.train_start, fold.train_stop)
    is_up = examples.labels.label[bars][usable] == 1
    features = examples.prepared.features
    return TrainingRows(features.values[bars][usable], is_up, _balanced(is_up), features.names)


def decide(settings: ClassifierSettings, model: Model | None, features: Floats) -> Floats:
    """Return the position wanted at the close of each bar, in [-1, 1]; none without a model.

    Args:
        settings: The configuration.
        model: What says how probable "up" is.
        features: Of consecutive bars; those before the first count as no bet, and so do those of a symbol
            whose features still warm up. Without any a symbol has no bar, and its position stays. (T, S, F)
    """
    p_up = np.full(features.shape[:2], 0.5)
    known = is_known(features)
    if model is not None and known.any():
        p_up[known] = model.predict(features[known])
    return _position(settings, p_up, _has_bar(features))


def _inside(fitted: Fitted | None, features: Floats, usable: Bools) -> Floats:
    """Return how probable "up" is on the bars of training; a half without a model. (T, S)."""
    p_up = np.full(usable.shape, 0.5)
    if fitted is not None:
        p_up[usable] = fitted.p_up
        rest = ~usable & is_known(features)
        if rest.any():
            p_up[rest] = fitted.model.predict(features[rest])
    return p_up


def _has_bar(features: Floats) -> Bools:
    """Return where a symbol has a bar: some features need no other one. (T, S, F) -> (T, S)."""
    return np.asarray(~np.isnan(features).all(axis=-1))


def _position(settings: ClassifierSettings, p_up: Floats, has_bar: Bools) -> Floats:
    """Return the position, by a symbol's own bars; where it has none, the one of its bar before. (T, S)."""
    bet = bets(p_up, settings)
    if has_bar.all():
        return average_active_bets(bet, settings.horizon_bars)
    position = np.zeros(bet.shape)
    for s, own in enumerate(has_bar.T):
        if not own.any():
            continue
        decided = average_active_bets(bet[own, s : s + 1], settings.horizon_bars)[:, 0]
        n_seen = np.cumsum(own)
        position[:, s] = np.concatenate([[0.0], decided])[n_seen]
    return position


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
    fitted = _fit(settings, examples, fold, _usable(settings, examples, fold), seed)
    if fitted is None:
        raise DataError("every training example has the same label: move tp_atr_mult or sl_atr_mult")
    return fitted.model


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


def cut_ahead(settings: ClassifierSettings, prepared: Prepared, folds: Sequence[Fold]) -> None:
    """Keep where the bins of all folds end, which takes longer than to put rows into them."""
    for fold in (*folds, _whole(prepared)):
        _cuts(settings, prepared, fold)


def _cuts(settings: ClassifierSettings, prepared: Prepared, fold: Fold) -> Any:
    """Return where the bins of a fold end: by its training bars, whatever their labels, so all share them."""
    key = "cuts", settings.model, settings.max_bin, prepared.panel.digest
    kept = PROCESS_CACHE.get(key, dict[Fold, Any])
    if fold not in kept:
        bars = slice(fold.train_start, fold.train_stop)
        features = prepared.features.values[bars][prepared.features.known[bars]]
        kept[fold] = make(settings.model).cut(features, settings)
    return kept[fold]


def _whole(prepared: Prepared) -> Fold:
    """Return the fold that trains on every bar."""
    n_bars = len(prepared.panel)
    return Fold(0, prepared.features.warmup_bars, n_bars, n_bars, n_bars)


def _fit(
    settings: ClassifierSettings, examples: Examples, fold: Fold, usable: Bools, seed: int
) -> Fitted | None:
    rows = _rows(examples, fold, usable)
    if rows.is_up.all() or not rows.is_up.any():
        return None
    cuts = _cuts(settings, examples.prepared, fold)
    return make(settings.model).fit(rows, cuts, settings, seed_for(seed, "fold", fold.number))


def _balanced(is_up: Bools) -> Floats:
    """Return weights under which both classes weigh the same and the mean weight is 1."""
    n_rows, n_up = len(is_up), int(is_up.sum())
    return np.where(is_up, n_rows / max(2 * n_up, 1), n_rows / max(2 * (n_rows - n_up), 1))
