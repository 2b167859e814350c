"""What comes by wire about a run is checked like what a program says, whatever its client is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.harness import SWEEP, CoordinatorHarness
from sharpen.coordinator import run_checks
from sharpen.errors import UsageError


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CoordinatorHarness]:
    house = CoordinatorHarness(tmp_path)
    yield house
    house.close()


def create(house: CoordinatorHarness, **more: Any) -> dict[str, Any]:
    made = house.ask("create_run", **{"run_id": "mine", "key": "k", "project": "p"} | more)
    return {"run_id": made["run_id"], "token": made["token"]}


def nested(n: int) -> Any:
    found: Any = 1
    for _ in range(n):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"project": "a/../b"}, "leads out"),
        ({"project": "p" * 100_000}, "the limit is 1,000"),
        ({"project": None}, "a name is text"),
        ({"tags": ["\x1b[2J"]}, "no name of a tag"),
        ({"tags": "abc"}, "a list of texts"),
        ({"group_name": "a\nb"}, "no name of a group"),
        ({"config": {"a": nested(200)}}, "nests deeper"),
    ],
)
def test_a_run_is_not_made_by_a_name_that_cannot_be_shown(
    house: CoordinatorHarness, about: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        create(house, **about)
    assert create(house) == {"run_id": "mine", "token": 1}


MANY = dict.fromkeys(map(str, range(10_001)))
FILE: dict[str, Any] = {"type": "file", "digest": "d" * 64, "n_bytes": 1, "metadata": {}}


@pytest.mark.parametrize(
    ("op", "args", "why"),
    [
        ("artifact", {**FILE, "name": "../../x"}, "leads out"),
        ("artifact", {**FILE, "name": "/abs"}, "absolute"),
        ("artifact", {**FILE, "name": "a", "type": ""}, "it is empty"),
        ("artifact", {**FILE, "name": "a", "metadata": {"x": nested(200)}}, "nests deeper"),
        ("append_history", {"first_line": 0, "rows": [[1.5, {}]]}, "a step is a whole number"),
        ("append_history", {"first_line": 0, "rows": [[True, {}]]}, "a step is a whole number"),
        ("append_history", {"first_line": 0, "rows": [[1]]}, "a row is a step and metrics"),
        ("append_history", {"first_line": 0, "rows": [[1, {"a": nested(200)}]]}, "nests deeper"),
        (
            "append_history",
            {"first_line": 0, "rows": [[1, MANY]]},
            "10,000",
        ),
        ("machine_metrics", {"first_line": 0, "rows": [[1.0, 5]]}, "mapping of names"),
        ("summarize", {"values": {"a": nested(200)}}, "nests deeper"),
        ("configure", {"values": {"a": nested(200)}}, "nests deeper"),
        ("describe_run", {"job_type": "\x07"}, "no name of a job_type"),
    ],
)
def test_a_run_is_not_told_what_cannot_be_shown(
    house: CoordinatorHarness, op: str, args: dict[str, Any], why: str
) -> None:
    grant = create(house)
    with pytest.raises(UsageError, match=why):
        house.ask(op, **grant, **args)


def test_a_run_of_a_sweep_is_held_to_the_same(house: CoordinatorHarness) -> None:
    place = {"source": "s.yaml", "workdir": "/"}
    sweep_id = house.ask("create_sweep", key="s", text=SWEEP, place=place)["sweep_id"]
    run = house.ask("lease", sweep_id=sweep_id, agent_id="a", key="1")["run"]
    grant = {"run_id": run["run_id"], "token": run["token"]}
    for rows in ([[1.5, {}]], [[1, MANY]], [[1, []]], [7]):
        with pytest.raises(UsageError):
            house.ask("report", **grant, rows=rows)
    with pytest.raises(UsageError, match="leads out"):
        house.ask("describe_run", **grant, project="..")
    with pytest.raises(UsageError, match="no name of a sweep"):
        house.ask("edit", sweep_id=sweep_id, changes={"name": "a\x1b[31m"})
    with pytest.raises(UsageError, match="no name of a tag"):
        house.ask("tag", target=sweep_id, add=["\x1b[2J"], remove=[])
    with pytest.raises(UsageError, match="a note is text"):
        house.ask("note", target=sweep_id, text={"a": 1})


def test_a_run_has_as_many_names_as_its_readers_can_show(
    house: CoordinatorHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_checks, "MOST_NAMES_A_RUN", 5)
    grant = create(house)
    house.ask("append_history", **grant, first_line=0, rows=[[1, dict.fromkeys("abcde", 1.0)]])
    house.ask("append_history", **grant, first_line=1, rows=[[2, dict.fromkeys("cde", 1.0)]])
    with pytest.raises(UsageError, match="6 names of metrics, and the limit is 5"):
        house.ask("append_history", **grant, first_line=2, rows=[[3, {"f": 1.0}]])
