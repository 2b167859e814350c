"""Gradient-boosted classifiers of triple-barrier labels, scored walk-forward.

- :mod:`~sharpen.objectives.boosted.settings`: every hyperparameter, checked.
- :mod:`~sharpen.objectives.boosted.booster`: the port that a library fills, and the table of names.
- :mod:`~sharpen.objectives.boosted.bet_sizing`: from a probability to a position.
- :mod:`~sharpen.objectives.boosted.scoring`: train on a fold, score it; the lockbox; the final model.

This package imports nothing on its own, so that reading the settings stays cheap.
"""
