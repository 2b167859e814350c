"""Every search method is under the suite that plugins are under."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from sharpen import spec
from sharpen.optimizers import OPTIMIZERS, Optimizer, make
from sharpen.testing import OptimizerContract

pytestmark = pytest.mark.filterwarnings("error")


class _Row(OptimizerContract):
    method = ""
    options: Mapping[str, Any] = MappingProxyType({})
    seed: int | None = None

    def make(self) -> Optimizer:
        return make(self.method, self.options, seed=self.seed)


class TestRandom(_Row):
    method = "random"


class TestSobol(_Row):
    method = "random"
    seed = 11
    is_random = False  # which point a trial is, the sweep's seed says


class TestGrid(_Row):
    method = "grid"
    is_random = is_endless = takes_real_numbers = False


class TestTpe(_Row):
    method = "tpe"


class TestGp(_Row):
    method = "gp"


class TestCmaes(_Row):
    method = "cmaes"


class TestNsga2(_Row):
    method = "nsga2"


class TestHebo(_Row):
    method = "hebo"
    options = MappingProxyType({"n_startup_trials": 5, "n_candidates": 16})


class TestHyperband(_Row):
    method = "hyperband"
    options = MappingProxyType({"max_fidelity": 27})


class TestAsha(_Row):
    method = "asha"
    options = MappingProxyType({"max_fidelity": 27})


class TestBohb(_Row):
    method = "bohb"
    options = MappingProxyType({"max_fidelity": 27})


class TestDehb(_Row):
    method = "dehb"
    options = MappingProxyType({"max_fidelity": 27})


class TestPbt(_Row):
    method = "pbt"
    options = MappingProxyType({"population": 40})


class TestPb2(_Row):
    method = "pb2"
    options = MappingProxyType({"population": 40})


ELSEWHERE = {
    "smac",  # tests/optimizers/test_smac.py, where a stand-in takes the library's place
    "queued",  # tests/sweep/test_queued_method.py: it proposes nothing
}


def test_every_row_of_the_name_table_is_under_the_suite() -> None:
    covered = {kind.method for kind in _Row.__subclasses__()}
    assert set(OPTIMIZERS) - {"bayes"} == covered | ELSEWHERE
    assert OPTIMIZERS["bayes"] in {OPTIMIZERS[name] for name in covered}


def test_sweep_files_may_use_what_there_is_and_all_of_it() -> None:
    assert set(spec.METHODS) == set(OPTIMIZERS)
