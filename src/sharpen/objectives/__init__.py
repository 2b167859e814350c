"""Objectives: what a configuration is worth, fold by fold.

An objective is pure: the same settings, data, fold and seed give the same :class:`FoldScore`, in any
process. :mod:`sharpen.objectives.fold_score` says what a fold's score holds,
:mod:`sharpen.objectives.progress` what a run reports after each fold, and each family of models is a
package of its own:

- :mod:`sharpen.objectives.boosted`: gradient-boosted classifiers of triple-barrier labels.
"""
