"""Bars that any sweep of the store has used are no lockbox."""

import pytest

from report.stores import Lab
from sharpen.report.cautions import about_lockbox
from sharpen.report.lockbox import read_look
from sharpen.store.queries import Reader
from sharpen.views.lockbox import no_lockbox, used_by

SPEC = """
program: p.py
method: random
metric: {name: score, goal: maximize}
parameters: {x: {min: 0.0, max: 1.0}}
"""
FACTS = {
    "data/name": "a",
    "data/symbols": ["A"],
    "data/first": "2010-01-01",
    "data/last": "2017-12-31",
    "data/sketch": "0000000a",
}
HELD_BACK = {"lockbox/hash": "h", "lockbox/first": "2018-01-01"}


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path / "store")
    yield made
    made.coordinator.close()


def ran(lab, summary, name):
    lab.sweep(SPEC + f"name: {name}\n")
    lab.run([(1, {"score": 1.0})], summary=summary)
    lab.clock.now += 1
    return lab.sweep_id


def used(lab, sweep_id):
    reader = Reader(lab.home)
    return used_by(reader, reader.run(f"{sweep_id}-1"))


@pytest.mark.parametrize(
    ("other", "is_used"),
    [
        ({"data/last": "2019-06-30"}, True),
        ({"data/last": "2019-06-30", "data/symbols": ["B"], "data/sketch": ""}, False),
        ({"data/last": "2019-06-30", "data/symbols": []}, True),
        ({"data/last": "2016-06-30"}, False),
        ({"data/last": "2019-06-30", "data/symbols": ["B"], "data/sketch": "0000000a"}, True),
    ],
)
def test_a_sweep_that_trained_on_later_bars_has_used_the_lockbox(lab, other, is_used):
    first = ran(lab, FACTS | other, "later")
    mine = ran(lab, FACTS | HELD_BACK, "mine")
    found = used(lab, mine)
    assert [each.sweep for each in found] == ([first] if is_used else [])
    assert bool(no_lockbox(found)) == is_used
    if is_used:
        assert (
            f"sweep {first} used bars until 2019-06-30, and this lockbox begins on 2018-01-01"
            in no_lockbox(found)
        )


def test_the_report_says_it_of_an_opening(lab):
    first = ran(lab, FACTS | {"data/last": "2019-06-30"}, "later")
    mine = ran(lab, FACTS | HELD_BACK, "mine")
    (seen,) = used(lab, mine)
    lab.call("look", look_id="l", run_id=f"{mine}-1", who="ann")
    lab.call("looked", look_id="l", result={"chosen": {"metrics": {}}, "used_by": [seen.stored()]})
    (row,) = Reader(lab.home).lockbox_openings(mine)
    said = [caution.sentence for caution in about_lockbox(["h"], [read_look(row)], [])]
    assert any(f"no lockbox: sweep {first}" in sentence for sentence in said)


def test_a_run_of_no_sweep_has_used_the_lockbox_too(lab):
    made = lab.call("create_run", run_id="alone", key="k", project="p", config={})
    given = {"run_id": "alone", "token": made["token"]}
    lab.call("summarize", **given, values=FACTS | {"data/last": "2019-06-30"})
    lab.call("finish_run", **given, exit_code=0, reason="")
    (found,) = used(lab, ran(lab, FACTS | HELD_BACK, "mine"))
    assert found.sentence.startswith("a run of no sweep used bars until 2019-06-30")
