"""Rules by name, their settings, and plugins."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import sharpen.stoppers as table
from sharpen import plugins
from sharpen.errors import UsageError
from sharpen.spec import EarlyTerminate, Metric
from sharpen.stoppers import STOPPERS, build, make
from sharpen.stoppers.asha import Asha
from sharpen.stoppers.hyperband import Hyperband
from sharpen.stoppers.median import Median
from sharpen.stoppers.racing import Racing
from sharpen.trial import GO_ON

SHARPE = Metric("val/sharpe", "maximize")


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (EarlyTerminate(min_iter=3, s=2), Hyperband(min_iter=3, s=2, metric=SHARPE)),
        (
            EarlyTerminate(max_iter=9, s=2, strict=False),
            Hyperband(max_iter=9, s=2, strict=False, metric=SHARPE),
        ),
        (EarlyTerminate(min_iter=2, max_iter=8, eta=2.0, type="asha"), Asha(2, 2.0, 8, metric=SHARPE)),
        (EarlyTerminate(type="asha", s=1), Asha(s=1, metric=SHARPE)),
        (EarlyTerminate(min_iter=4, type="median"), Median(min_iter=4, metric=SHARPE)),
        (EarlyTerminate(type="racing"), Racing(metric=SHARPE)),
        (
            EarlyTerminate(min_iter=3, type="racing", options={"level": 0.1, "min_runs": 9}),
            Racing(level=0.1, min_iter=3, min_runs=9, metric=SHARPE),
        ),
    ],
)
def test_a_sweeps_early_terminate_makes_the_rule(stop, expected) -> None:
    assert make(stop, SHARPE) == expected


def test_every_row_can_be_made_with_its_own_defaults_and_pickled() -> None:
    for name in STOPPERS:
        rule = build(name)
        assert pickle.loads(pickle.dumps(rule)) == rule
        assert repr(rule).lower().startswith(name)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("medain", {}, "no stop rule is called 'medain'; did you mean 'median'? Known: hyperband, asha"),
        ("zzz", {}, "no stop rule is called 'zzz'. Known: hyperband, asha, median, racing"),
        ("racing", {"alpha": 0.1}, "racing has no setting 'alpha'. It has: level, min_iter, min_runs"),
        ("racing", {"metric": SHARPE}, "no setting 'metric'"),
        ("median", {"_memo": 1}, "no setting '_memo'"),
        ("asha", {"eta": "3"}, "asha: eta must be a number, not '3'"),
        ("asha", {"min_iter": 2.5}, "asha: min_iter must be a whole number, not 2.5"),
        ("asha", {"min_iter": True}, "not True"),
        ("asha", {"max_iter": "all"}, "max_iter must be a whole number or nothing"),
        ("hyperband", {"strict": 1}, "strict must be true or false, not 1"),
        ("racing", {"values": "sum"}, "values must be one of running_mean, each, not 'sum'"),
        ("racing", {"level": 2}, "level must be above 0 and at most 0.5"),
    ],
)
def test_what_is_wrong_is_said(name, options, words) -> None:
    with pytest.raises(UsageError) as caught:
        build(name, options)
    assert words in str(caught.value)


@dataclasses.dataclass(frozen=True)
class Mine:
    patience: int | None = 3
    metric: Metric | None = None

    def should_stop(self, trial, history):
        return GO_ON


def test_a_plugin_is_a_rule_like_any_other(monkeypatch) -> None:
    points = [EntryPoint("mine", f"{__name__}:Mine", table.GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == table.GROUP else [])
    assert table.names()[-1] == "mine"
    assert build("mine", {"patience": 5}, SHARPE) == Mine(5, SHARPE)
    assert make(EarlyTerminate(type="mine"), SHARPE) == Mine(3, SHARPE)
    with pytest.raises(UsageError, match=r"mine has no setting 'patient'; did you mean 'patience'"):
        build("mine", {"patient": 5})


def test_the_name_table_imports_no_rule_and_no_test_tool() -> None:
    code = (
        "import sys, sharpen.stoppers as s; s.make(None); "
        "sys.exit(bool({'scipy.special', 'pytest', 'sharpen.stoppers.racing'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
