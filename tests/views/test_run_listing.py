"""Listings of runs by filter and order: the database's part and the part that is looked at agree."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharpen.coordinator import connect
from sharpen.errors import UsageError
from sharpen.store.queries import Reader
from sharpen.store.run_filters import divided
from sharpen.views.run_facts import STATES, RunFieldReader
from sharpen.views.run_filters import fits, in_order
from sharpen.views.run_listing import RunListing, listed_ids
from sharpen.wire import Client

SWEEP = """\
program: train.py
method: grid
project: p
metric: {name: loss}
parameters: {x: {values: [1, 2, 3]}}
"""


def fill(client: Client) -> str:
    """Make runs of a sweep and runs of none, in several states."""
    place = {"source": "s.yaml", "workdir": "/"}
    sweep_id = client.call("create_sweep", key="k", text=SWEEP, place=place)["sweep_id"]
    client.call("join", sweep_id=sweep_id, agent_id="a", host="h", pid=1, born="1")
    for n, exit_code in ((1, 0), (2, 1), (3, None)):
        run = client.call("lease", sweep_id=sweep_id, agent_id="a", key=str(n))["run"]
        lease = {"run_id": run["run_id"], "token": run["token"]}
        client.call("report", **lease, rows=[[1, {"loss": 10.0 - n}]])
        if exit_code is not None:
            client.call("exit", **lease, exit_code=exit_code, last_words="no")
    for n in range(6):
        about: dict[str, Any] = {
            "project": "p" if n else "q",
            "config": {"x": n, "opt": "adam" if n % 2 else "sgd"},
        }
        labels = {
            "display_name": f"name{n % 3}",
            "group_name": "g" if n % 2 else "",
            "job_type": "eval" * (n == 4),
        }
        made = client.call(
            "create_run", run_id=f"r{n}", key=f"r{n}", tags=["odd"] * (n % 2), **about, **labels
        )
        grant = {"run_id": f"r{n}", "token": made["token"]}
        rows = [(0, {"loss": [0.5, "NaN", 2.0, None, -1.0, 7.0][n]})] if n != 3 else []
        client.call("append_history", **grant, first_line=0, rows=rows)
        if n < 4:
            client.call("finish_run", **grant, exit_code=n % 2)
    return sweep_id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, str, Client]]:
    home = tmp_path_factory.mktemp("listing") / "store"
    with connect(home) as client:
        sweep_id = fill(client)
        yield Reader(home), sweep_id, client


TEXTS = st.sampled_from(
    ["r1", "r2", "name1", "name0", "finished", "failed", "running", "killed", "g", "eval", "", "S"]
)
KEYS = ["name", "display_name", "displayName", "state", "sweep", "group", "job_type", "tags", "config.opt"]
NUMBERS = st.sampled_from([-1, 0, 1, 2.0, 3, 1e12, "1990-01-01", "2999-01-01T00:00:00Z"])
LEAVES = (
    st.tuples(st.sampled_from(KEYS), TEXTS).map(lambda p: {p[0]: p[1]})
    | st.tuples(st.sampled_from(KEYS), st.sampled_from(["$eq", "$ne"]), TEXTS).map(
        lambda p: {p[0]: {p[1]: p[2]}}
    )
    | st.tuples(st.sampled_from(KEYS), st.sampled_from(["$in", "$nin"]), st.lists(TEXTS, max_size=3)).map(
        lambda p: {p[0]: {p[1]: p[2]}}
    )
    | st.tuples(
        st.sampled_from(["created_at", "createdAt", "heartbeat_at", "config.x", "summary_metrics.loss"]),
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
        NUMBERS,
    ).map(lambda p: {p[0]: {p[1]: p[2]}})
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3)
    ).map(lambda p: {p[0]: p[1]}),
    max_leaves=6,
)
ORDERS = st.sampled_from(
    [
        None,
        "+created_at",
        "-created_at",
        "-summary_metrics.loss",
        "+config.x",
        "-display_name",
        "+number",
        "-state",
    ]
)


def with_sweep(wanted: Any, sweep_id: str) -> Any:
    """Return a filter in which S is the id of the sweep."""
    if isinstance(wanted, dict):
        return {key: with_sweep(value, sweep_id) for key, value in wanted.items()}
    if isinstance(wanted, list):
        return [with_sweep(each, sweep_id) for each in wanted]
    return sweep_id if wanted == "S" else wanted


@given(wanted=FILTERS, order=ORDERS, project=st.sampled_from([None, "p", "q"]))
def test_the_database_finds_what_looking_at_every_run_finds(store, wanted, order, project) -> None:
    reader, sweep_id, _ = store
    wanted = with_sweep(wanted, sweep_id)
    facts = RunFieldReader(reader)
    rows = reader.tracked.runs(project)
    facts.read_last(rows)
    known = [{**facts.of(row), "number": row.number} for row in rows]
    expected = [each["name"] for each in in_order([each for each in known if fits(each, wanted)], order)]
    assert listed_ids(reader, (project, None), wanted, order) == expected


def test_common_filters_are_all_the_databases() -> None:
    states = lambda state: [ours for ours, theirs in STATES.items() if theirs == state]  # noqa: E731
    for wanted in (
        {"$and": [{"sweep": "s"}, {"state": "finished"}]},
        {"$or": [{"name": "a"}, {"name": "b"}]},
    ):
        assert divided(wanted, states)[1] == []
    assert divided({"$and": [{"sweep": "s"}, {"config.x": 1}]}, states)[1] == [{"config.x": 1}]


def test_pages_fit_together_while_runs_are_made(store) -> None:
    reader, _, client = store
    now = [0.0]
    listing = RunListing(reader, clock=lambda: now[0])
    first = listing.page(("q", None), {}, "-created_at", 0, 1)
    assert ([row.id for row in first.runs], first.total) == (["r0"], 1)
    made = client.call("create_run", run_id="new", key="new", project="q")
    assert listing.page(("q", None), {}, "-created_at", 1, 1).total == 1
    assert [row.id for row in listing.page(("q", None), {}, "-created_at", 0, 1).runs] == ["new"]
    now[0] += 61
    client.call("finish_run", run_id="new", token=made["token"])
    client.call("delete", target="new")
    assert listing.page(("q", None), {}, "-created_at", 1, 1).total == 1


def test_a_pattern_that_explodes_is_refused_in_time(store) -> None:
    reader, _, client = store
    made = client.call("create_run", run_id="long", key="long", project="z", display_name="a" * 60 + "!")
    began = time.monotonic()
    with pytest.raises(UsageError, match="takes too long"):
        listed_ids(reader, ("z", None), {"display_name": {"$regex": "^(a|aa|a?)+$"}}, None)
    assert time.monotonic() - began < 10
    assert listed_ids(reader, ("z", None), {"display_name": {"$regex": "^a+!$"}}, None) == ["long"]
    client.call("finish_run", run_id="long", token=made["token"])
    client.call("delete", target="long")
