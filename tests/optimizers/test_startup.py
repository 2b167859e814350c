"""What the advice on a sweep file says of methods is what they do."""

import pytest

from sharpen import optimizers
from sharpen.spec.advice import N_STARTUP_TRIALS


@pytest.mark.parametrize("method", N_STARTUP_TRIALS)
def test_advice_knows_how_many_runs_are_random(method):
    made = optimizers.make(method)
    n_random = made.population if method == "nsga2" else made.n_startup_trials
    assert n_random == N_STARTUP_TRIALS[method]
