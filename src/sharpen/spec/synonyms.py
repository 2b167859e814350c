"""What other libraries call a key or a value of a sweep file, for the hint of the message that refuses it.

The words are those of Optuna, Hyperopt, Ray Tune, ConfigSpace and the Hydra sweepers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sharpen import hints
from sharpen.hints import Hint

_AROUND = re.compile(r"^suggest|(sampler|pruner|distribution|scheduler)$")

_VALUES = (
    "did you mean 'log_uniform_values'? (log_uniform takes exponents of e, as Hyperopt's loguniform does)"
)
_Q_VALUES = "did you mean 'q_log_uniform_values'? (q_log_uniform takes exponents of e)"
_STEPS = "for multiples of a step write distribution: q_uniform, with the step as q"
_LOG = "for a log scale write distribution: log_uniform_values, or q_log_uniform_values for whole numbers"
_AGENTS = "how many run at once is said when a sweep is started: sharpen run FILE --agents N"
_GOAL = "did you mean 'goal', in metric?"
_METHOD = "did you mean 'method'? (its settings stand under optimizer)"
_HOME = "where runs are kept is said when sharpen is called: sharpen --home FOLDER"


def _all(names: str, *hints: Hint) -> dict[str, tuple[Hint, ...]]:
    return dict.fromkeys(names.split(), hints)


HINTS: Mapping[str, tuple[Hint, ...]] = {
    # of a sweep, and of its metric
    **_all("ntrials maxtrials numsamples maxevals ntrial trials budget", ("run_cap", "")),
    **_all("timeout timebudgets walltime maxtime", ("time_cap", "")),
    **_all("studyname experimentname", ("name", "")),
    **_all("direction mode", ("goal", ""), ("metric", _GOAL)),
    **_all("directions", ("metrics", "")),
    **_all("objective", ("metric", "")),
    **_all("sampler searchalg algo algorithm", ("method", _METHOD)),
    **_all("pruner earlystopping earlystop", ("early_terminate", "")),
    **_all("njobs nworkers maxconcurrenttrials maxconcurrent", ("run_cap", _AGENTS)),
    **_all("storage storagepath", ("run_cap", _HOME)),
    **_all("searchspace space params hyperparameters", ("parameters", "")),
    **_all("enqueuetrial initialpoints pointstoevaluate", ("prior", "")),
    **_all("seeds", ("repeats", "")),
    # of a parameter
    **_all("low lower lowerbound minimum", ("min", "")),
    **_all("high upper upperbound maximum", ("max", "")),
    **_all("choices options categories grid", ("values", "")),
    **_all("step", ("q", ""), ("min", _STEPS)),
    **_all("log logscale", ("min", _LOG)),
    **_all("type", ("distribution", "")),
    **_all("weights ps probs", ("probabilities", "")),
    **_all("mean loc", ("mu", "")),
    **_all("std sd scale", ("sigma", "")),
    # distributions
    **_all("loguniform logfloat floatlog", ("log_uniform_values", _VALUES)),
    **_all("reciprocal", ("log_uniform_values", "")),
    **_all("qloguniform", ("q_log_uniform_values", _Q_VALUES)),
    **_all("lograndint qlograndint intlog logint", ("q_log_uniform_values", "")),
    **_all("float real double uniformfloat", ("uniform", "")),
    **_all("int integer randint uniformint uniforminteger", ("int_uniform", "")),
    **_all("discreteuniform qrandint quniformint", ("q_uniform", "")),
    **_all("choice gridsearch ordinal bool", ("categorical", "")),
    **_all("pchoice", ("categorical_w_probabilities", "")),
    **_all("randn gaussian", ("normal", "")),
    **_all("qrandn", ("q_normal", "")),
    # methods, stop rules and their settings
    **_all("cma", ("cmaes", "")),
    **_all("nsgaii nsga nsgaiii", ("nsga2", "")),
    **_all("bayesian bayesopt gaussianprocess", ("bayes", "")),
    **_all("qmc sobol bruteforce", ("random", "")),
    **_all("successivehalving asynchyperband sha", ("asha", "")),
    **_all("medianstopping percentile", ("median", "")),
    **_all("wilcoxon", ("racing", "")),
    **_all("minresource graceperiod nwarmupsteps", ("min_iter", "")),
    **_all("maxresource maxt", ("max_iter", "")),
    **_all("reductionfactor", ("eta", "")),
    **_all("nstartuptrials minsamplesrequired", ("min_runs", "")),
    **_all("intervalsteps", ("interval", "")),
}


def plain(word: str) -> str:
    """Return a word without case, joints, and what Optuna puts around a name.

    >>> plain("CmaEsSampler"), plain("suggest_int"), plain("n_trials"), plain("sampler")
    ('cmaes', 'int', 'ntrials', 'sampler')
    """
    joined = re.sub(r"[\W_]", "", word.lower())
    return _AROUND.sub("", joined) or joined


def hint(word: str, known: list[str]) -> Hint | None:
    """Return the name that a word of another library stands for here, and what to say; None for no such word.

    >>> hint("loguniform", ["log_uniform", "log_uniform_values"])[0]
    'log_uniform_values'
    >>> hint("TPESampler", ["random", "tpe"])
    ('tpe', '')
    """
    simple = plain(word)
    for name, sentence in HINTS.get(simple, ()):
        if name in known:
            return name, sentence
    return next(((name, "") for name in known if plain(name) == simple), None)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for a word that is nearly a known one or another library's, else nothing.

    >>> nearest("max", ["minimize", "maximize"])
    "; did you mean 'maximize'?"
    >>> nearest("seeds", ["seed", "repeats"])
    "; did you mean 'repeats'?"
    """
    return nearest_of([word], known)


def nearest_of(names: Iterable[str], known: Iterable[str]) -> str:
    """Return what :func:`nearest` does, of several words together.

    >>> nearest_of(["low", "high"], ["min", "max"])
    "; did you mean 'min' and 'max'?"
    """
    return hints.nearest_of(names, known, hint)
