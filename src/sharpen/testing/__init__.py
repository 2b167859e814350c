"""Contract suites: what every plugin of a kind must do, for its own tests.

A search method of another package is under the same suite as sharpen's own::

    from sharpen.testing import OptimizerContract

    class TestMyMethod(OptimizerContract):
        def make(self):
            return MyMethod()

Each ``test_`` method is a plain one with plain asserts, so pytest collects it from the subclass, and nothing
here imports pytest. To see the values of a failed assert, put
``pytest.register_assert_rewrite("sharpen.testing")`` into ``conftest.py``.
"""

from __future__ import annotations

from sharpen.testing.histories import HISTORIES, history, trial
from sharpen.testing.optimizers import OptimizerContract
from sharpen.testing.populations import ExploitExplore, Generations, PopulationContract
from sharpen.testing.stoppers import StopperContract

__all__ = [
    "HISTORIES",
    "ExploitExplore",
    "Generations",
    "OptimizerContract",
    "PopulationContract",
    "StopperContract",
    "history",
    "trial",
]
