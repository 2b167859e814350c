"""Mongo's words over the facts of a run."""

import pytest

from sharpen.views.run_filters import fits, value_at

RUN = {
    "tags": ["1.1.8", "netuid_1"],
    "duration": 12.0,
    "config": {"model.type": "cnn", "model": {"depth": 3, "a.b": {"c": 1}}, "opt.adam": {"lr": 2}, "opt": {}},
}


@pytest.mark.parametrize(
    ("wanted", "is_so"),
    [
        ({"tags": {"$all": ["netuid_1", "1.1.8"]}}, True),
        ({"tags": {"$all": ["netuid_1", "other"]}}, False),
        ({"tags": {"$all": []}}, False),
        ({"tags": {"$size": 2}}, True),
        ({"tags": {"$size": 1}}, False),
        ({"duration": {"$gt": 10}}, True),
        ({"config.model.type": "cnn"}, True),
        ({"config.model.depth": 3}, True),
        ({"config.model.a.b.c": 1}, True),
        ({"config.opt.adam.lr.value": 2}, True),
        ({"config.opt.adam.momentum": {"$exists": False}}, True),
    ],
)
def test_a_filter_fits_or_does_not(wanted, is_so):
    assert fits(RUN, wanted) == is_so


def test_names_with_dots_are_found_wherever_the_dots_are():
    assert value_at(RUN, "config.opt.adam") == {"lr": 2}
    assert value_at({"config": {"a": {"x": 1}, "a.b": 2}}, "config.a.b") == 2
