"""Sweeps that another program steers, request by request, as a local controller and a sweep scheduler ask."""

import json

import pytest
import yaml

from sharpen.store.queries import Reader

from .conftest import SWEEP
from .test_requests import JOIN, NEW, beat, gql

STEERED = SWEEP + "controller: {type: local}\nearly_terminate: {type: envelope}\n"
STEER = "mutation($i: ID, $c: JSONString) { upsertSweep(input: {id: $i, controller: $c}) { sweep { name } } }"
ENQUEUE = "mutation($i: ID!, $c: JSONString!) { enqueueSweepRun(input: {id: $i, config: $c}) { id } }"
LAUNCH = 'mutation($c: String) { upsertSweep(input: {config: $c, launchScheduler: "{}"}) { sweep { id } } }'
STOP = "mutation($i: ID!) { stopRun(input: {id: $i}) { success } }"
SHOW = """query($s: String!) { project { sweep(sweepName: $s) {
    state config controller scheduler runs { edges { node { name state config } } } } } }"""


def begin(ask, text):
    sweep = ask(body=gql(NEW, c=text)).json()["data"]["upsertSweep"]["sweep"]["name"]
    agent = ask(body=gql(JOIN, s=sweep)).json()["data"]["createAgent"]["agent"]["id"]
    return sweep, agent


def steer(ask, sweep, **said):
    return ask(body=gql(STEER, i=sweep, c=json.dumps(said)))


def scheduled(name, **values):
    args = {key: {"value": value} for key, value in values.items()}
    return {"id": name, "data": {"args": args or None}}


def shown(ask, sweep):
    return ask(body=gql(SHOW, s=sweep)).json()["data"]["project"]["sweep"]


def states(home, sweep):
    return [run.state for run in Reader(home).runs(sweep)]


def test_a_sweep_of_launch_is_refused(ask, home):
    ask(body=gql("{ viewer { id } }"))
    assert "'wandb sweep'" in ask(body=gql(NEW, c=f"{SWEEP}scheduler: {{job: me/sched:v1}}\n")).text
    assert "W&B Launch" in ask(body=gql(LAUNCH, c=SWEEP)).text
    assert Reader(home).sweeps() == []


def test_what_a_local_controller_schedules_runs_once_and_within_the_cap(ask, home):
    sweep, agent = begin(ask, STEERED)
    assert beat(ask, agent) == [], "the agent waits for the controller"
    for _ in range(2):
        assert "errors" not in steer(ask, sweep, schedule=[scheduled("s1", x=0.75, kind="a")]).json()
    told = shown(ask, sweep)
    assert [each["node"]["state"] for each in told["runs"]["edges"]] == ["pending"]
    assert [one["id"] for one in json.loads(told["controller"])["schedule"]] == ["s1"]
    assert json.loads(told["scheduler"])["scheduled"] == [{"id": "s1", "runid": f"{sweep}-1"}]
    (command,) = beat(ask, agent)
    assert command["args"] == {"x": {"value": 0.75}, "kind": {"value": "a"}}
    assert shown(ask, sweep)["controller"] == "{}", "an agent has taken it"
    steer(ask, sweep, schedule=[scheduled(f"s{n}", x=0.5) for n in (2, 3, 4)])
    assert states(home, sweep) == ["running", "pending"]


def test_its_file_is_given_back_as_it_was_written(ask):
    sweep, _ = begin(ask, STEERED)
    config = yaml.safe_load(shown(ask, sweep)["config"])
    assert config.pop("optimizer") == {"type": "queued"}
    assert config == yaml.safe_load(STEERED)


def test_a_local_controller_stops_a_run_and_ends_a_sweep(ask, home):
    sweep, agent = begin(ask, STEERED)
    steer(ask, sweep, schedule=[scheduled("s1", x=0.75)])
    (command,) = beat(ask, agent)
    run = command["run_id"]
    for _ in range(2):
        said = {"schedule": [scheduled("s2")], "earlystop": [run, "another-1", f"{sweep}-9", 3]}
        assert "errors" not in steer(ask, sweep, **said).json()
    assert beat(ask, agent, **{run: True}) == [{"type": "stop", "run_id": run}]
    assert shown(ask, sweep)["state"] == "RUNNING", "its last run is at work"
    assert beat(ask, agent) == [{"type": "exit"}]
    assert states(home, sweep) == ["stopped"]
    assert shown(ask, sweep)["state"] == "FINISHED"
    steer(ask, sweep, schedule=[scheduled("s3", x=0.5)])
    assert len(states(home, sweep)) == 1


def test_a_sweep_that_is_closed_before_it_has_a_run_is_over(ask):
    sweep, agent = begin(ask, STEERED)
    steer(ask, sweep, schedule=[scheduled("s1")])
    assert beat(ask, agent) == [{"type": "exit"}]
    assert shown(ask, sweep)["state"] == "FINISHED"


@pytest.mark.parametrize(
    "said",
    [
        {"schedule": 3},
        {"schedule": [3]},
        {"schedule": [{"id": "", "data": {"args": {}}}]},
        {"schedule": [{"id": "s1", "data": {"args": 3}}]},
        {"schedule": [scheduled("s1", x=7.0)]},
        {"schedule": [scheduled("s1", nope=1)]},
        {"earlystop": {"x": 1}},
        {"earlystop": ["x"] * 101},
    ],
)
def test_what_no_controller_says_is_refused(ask, home, said):
    sweep, _ = begin(ask, STEERED)
    answer = steer(ask, sweep, **said)
    assert answer.status_code < 500
    assert "errors" in answer.json()
    assert states(home, sweep) == []


def test_a_sweep_that_the_server_searches_takes_no_orders(ask, home):
    sweep, _ = begin(ask, SWEEP)
    assert "--controller" in steer(ask, sweep, schedule=[scheduled("s1", x=0.75)]).text
    assert "--controller" in ask(body=gql(ENQUEUE, i=sweep, c="{}")).text
    assert "JSON" in ask(body=gql(STEER, i=sweep, c="{x}")).text
    assert "nosuch" in ask(body=gql(ENQUEUE, i="nosuch", c="{}")).text
    assert states(home, sweep) == []


def test_a_sweep_scheduler_queues_runs_up_to_the_cap_and_stops_them(ask, home):
    sweep, agent = begin(ask, SWEEP + "scheduler: {engine: optuna}\n")
    made = [ask(body=gql(ENQUEUE, i=sweep, c='{"x": {"value": 0.75}}')).json() for _ in range(3)]
    assert [one["data"]["enqueueSweepRun"]["id"] for one in made[:2]] == [f"{sweep}-1", f"{sweep}-2"]
    assert "run_cap" in made[2]["errors"][0]["message"]
    (command,) = beat(ask, agent)
    for run in (command["run_id"], f"{sweep}-2"):
        assert ask(body=gql(STOP, i=run)).json()["data"]["stopRun"]["success"]
    assert beat(ask, agent, **{command["run_id"]: True})[0]["type"] == "stop"
    beat(ask, agent)
    assert states(home, sweep) == ["stopped", "canceled"]
