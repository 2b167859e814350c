"""The process in which SMAC thinks: a question a line on its input, the answer a line on its output.

It is started with ``PYTHONHASHSEED=0``. SMAC walks through a set of configurations, so that under the same
seed it proposes something else in every process whose hashes differ.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportAttributeAccessIssue=false

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sharpen.optimizers.user_prior import Belief

FACADES = {
    "hpo": "HyperparameterOptimizationFacade",
    "mf": "MultiFidelityFacade",
    "bb": "BlackBoxFacade",
    "ac": "AlgorithmConfigurationFacade",
}
"""The names of SMAC's facades."""


def suggest(question: dict[str, Any]) -> list[list[float]]:
    """Return points of the unit cube, in the order in which they are to be tried, (K, D).

    Args:
        question: ``facade``, a key of :data:`FACADES`; ``levels``, (D,): 0 for a number, else how many
            options a category has; ``points``, (N, D): those that have been tried, where an option is its
            place, and ``costs``, (N,), smaller is better; ``n``: how many are wanted; ``seed``; ``settings``
            of the model and of the maximiser, where they are not to be the facade's; ``belief``, where there
            is one: ``centres``, (C, D), written as ``points`` are, and ``weight``, the power of its density.
    """
    from smac import Scenario  # noqa: PLC0415
    from smac import facade as facades  # noqa: PLC0415 - two seconds
    from smac.runhistory import RunHistory  # noqa: PLC0415

    space = _space(question["levels"], question["seed"])
    names = list(space)
    facade = getattr(facades, FACADES[question["facade"]])
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(space, deterministic=True, seed=question["seed"], output_directory=Path(folder))
    history = RunHistory()
    for values, cost in zip(question["points"], question["costs"], strict=True):
        history.add(_configuration(space, names, question["levels"], values), cost=cost, seed=0)
    encoder = facade.get_runhistory_encoder(scenario)
    encoder.runhistory = history
    x, y = encoder.transform()
    model = facade.get_model(scenario, **question["settings"].get("model", {}))
    model.train(x, y)
    known = history.get_configs()
    predicted = [float(model.predict_marginalized(row[None])[0][0][0]) for row in x]
    best = int(np.argmin(predicted))
    acquisition = facade.get_acquisition_function(scenario)
    acquisition.update(model=model, eta=predicted[best], incumbent_array=x[best], num_data=len(known), X=x)
    if "belief" in question:
        _hold_to(question["belief"], acquisition, question["levels"])
    maximizer = facade.get_acquisition_maximizer(scenario, **question["settings"].get("maximizer", {}))
    maximizer.acquisition_function = acquisition
    challengers = maximizer.maximize(known, random_design=facade.get_random_design(scenario))
    return [[float(one[name]) for name in names] for one in islice(challengers, question["n"])]


def _hold_to(belief: dict[str, Any], acquisition: Any, levels: Sequence[int]) -> None:
    """Let an acquisition, which is never negative, be multiplied by the density of a belief."""
    held = Belief(np.array(belief["centres"]), np.array(levels) > 0, belief["weight"])
    alone = acquisition._compute

    def compute(x: Any) -> Any:
        return alone(x) * np.exp(held.log_power(x))[:, None]

    acquisition._compute = compute


def _space(levels: Sequence[int], seed: int) -> Any:
    from ConfigSpace import Categorical, ConfigurationSpace, Float  # noqa: PLC0415

    width = len(str(len(levels)))  # SMAC sorts parameters by name
    space = ConfigurationSpace(seed=seed)
    for at, n in enumerate(levels):
        name = f"x{at:0{width}}"
        space.add(Categorical(name, range(n)) if n else Float(name, (0.0, 1.0)))
    return space


def _configuration(space: Any, names: Sequence[str], levels: Sequence[int], values: Sequence[float]) -> Any:
    from ConfigSpace import Configuration  # noqa: PLC0415

    typed = {
        name: int(value) if n else float(value) for name, n, value in zip(names, levels, values, strict=True)
    }
    return Configuration(space, values=typed)


def main() -> None:
    """Answer every question until the input ends, which it does when who asks has died."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    answers, sys.stdout = sys.stdout, sys.stderr  # what the library prints is no answer
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"points": suggest(json.loads(line))}
        except Exception as problem:  # whatever the library raises is told to who asked
            answer = {"problem": f"{type(problem).__name__}: {problem}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
