"""What the advice on a sweep file says of methods is what they do."""

import pytest

from sharpen import optimizers
from sharpen.spec.advice import STARTUP


@pytest.mark.parametrize("method", STARTUP)
def test_advice_knows_how_many_runs_are_random(method):
    setting, n_random = STARTUP[method]
    assert getattr(optimizers.make(method), setting) == n_random
