"""The server's answers to requests that are wrong, hostile or stale."""

import base64
import json
import subprocess
import sys

import pytest

from sharpen.server.auth import KeyFile
from sharpen.store.queries import Reader

from .conftest import SWEEP, asking


def gql(query, **variables):
    return {"query": query, "variables": variables}


NEW = "mutation M($c: String) { upsertSweep(input: {config: $c}) { sweep { name } } }"
JOIN = 'mutation M($s: String!) { createAgent(input: {sweep: $s, host: "h"}) { agent { id } } }'
BEAT = "mutation M($i: ID!, $r: JSONString) { agentHeartbeat(input: {id: $i, runState: $r}) { commands } }"


def beat(ask, agent, **runs):
    at_work = {name.replace("_", "-"): True for name in runs}
    answer = ask(body=gql(BEAT, i=agent, r=json.dumps(at_work))).json()
    return json.loads(answer["data"]["agentHeartbeat"]["commands"])


def begin(ask):
    sweep = ask(body=gql(NEW, c=SWEEP)).json()["data"]["upsertSweep"]["sweep"]["name"]
    agent = ask(body=gql(JOIN, s=sweep)).json()["data"]["createAgent"]["agent"]["id"]
    return sweep, agent


def stream(ask, run, **body):
    return ask(f"/files/local/p/{run}/file_stream", body)


def test_without_a_key_nothing_is_answered_but_healthz(ask):
    assert ask("/healthz", method="GET", scope=None).text == "ok\n"
    assert ask(body=gql("{ viewer { id } }"), scope=None).status_code == 401
    assert ask("/files/a/b/c/file_stream", {}, scope=None).status_code == 401
    for method in ("GET", "PUT"):
        assert ask("/storage/e30.e30", method=method, scope=None).status_code == 403


def test_a_revoked_key_is_refused(ask, home):
    assert ask(body=gql("{ viewer { entity } }"), scope="read").status_code == 200
    for key in KeyFile(home).all():
        KeyFile(home).remove(key.id)
    assert ask(body=gql("{ viewer { entity } }"), scope="read").status_code == 401


def test_keys_are_long_and_only_their_hashes_are_kept(home):
    key = KeyFile(home).add()
    assert len(key) >= 40
    assert key not in (home / "keys.json").read_text()
    assert (home / "keys.json").stat().st_mode & 0o077 == 0


def test_our_agent_works_on_a_sweep_of_the_client_where_it_is_itself(ask, home, tmp_path):
    sweep, _ = begin(ask)  # the client does not say where it is, and the server may be anywhere
    folder = tmp_path / "agents"
    folder.mkdir()
    program = "from sharpen import tracking\nwith tracking.init() as run:\n    run.log({'loss': 1.0})\n"
    (folder / "train.py").write_text(program)
    words = ["--home", str(home), "agent", sweep, "--count", "2"]
    command = [sys.executable, "-m", "sharpen", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert [run.state for run in Reader(home).runs(sweep)] == ["finished"] * 2


def test_a_sweep_of_a_function_names_no_program(ask):
    bare = SWEEP.replace("program: train.py\n", "")
    assert bare != SWEEP
    sweep = ask(body=gql(NEW, c=bare)).json()["data"]["upsertSweep"]["sweep"]["name"]
    agent = ask(body=gql(JOIN, s=sweep)).json()["data"]["createAgent"]["agent"]["id"]
    (command,) = beat(ask, agent)
    assert 0.5 <= command["args"]["x"]["value"] <= 1.0


def test_an_agent_with_slots_is_given_as_many_runs_and_ends_behind_the_last(home, engine):
    ask = asking(home, engine, n_slots=3)
    sweep = ask(body=gql(NEW, c=SWEEP.replace("run_cap: 2", "run_cap: 4"))).json()
    agent = ask(body=gql(JOIN, s=sweep["data"]["upsertSweep"]["sweep"]["name"])).json()
    agent = agent["data"]["createAgent"]["agent"]["id"]
    runs = [command["run_id"] for command in beat(ask, agent)]
    assert len(set(runs)) == 3
    names = {name.replace("-", "_"): True for name in runs}
    assert beat(ask, agent, **names) == []
    stream(ask, runs[0], complete=True, exitcode=0)
    (next_one,) = beat(ask, agent, **dict.fromkeys(list(names)[1:], True))
    assert (next_one["type"], next_one["run_id"] in runs) == ("run", False)
    left = [*runs[1:], next_one["run_id"]]
    while left:  # its end would kill what is still at work
        assert beat(ask, agent, **{name.replace("-", "_"): True for name in left}) == []
        stream(ask, left.pop(), complete=True, exitcode=0)
    assert [command["type"] for command in beat(ask, agent)] == ["exit"]


def test_an_agent_of_a_function_has_one_slot(home, engine):
    ask = asking(home, engine, n_slots=3)
    sweep = ask(body=gql(NEW, c=SWEEP.replace("program: train.py\n", ""))).json()
    agent = ask(body=gql(JOIN, s=sweep["data"]["upsertSweep"]["sweep"]["name"])).json()
    (command,) = beat(ask, agent["data"]["createAgent"]["agent"]["id"])
    assert command["type"] == "run"


def test_what_a_scope_does_not_allow_is_403(ask):
    sweep, _ = begin(ask)
    assert ask(body=gql(NEW, c=SWEEP), scope="read").status_code == 403
    stop = f'mutation {{ upsertSweep(input: {{id: "{sweep}", state: "FINISHED"}}) {{ sweep {{ state }} }} }}'
    assert ask(body=gql(stop), scope="agent").status_code == 403
    assert ask(body=gql(stop)).json()["data"]["upsertSweep"]["sweep"]["state"] == "FINISHED"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"query": 3},
        {"query": "{"},
        {"query": "{ nothing }"},
        {"query": "{ viewer { id } }", "variables": 3},
        {"query": "{ a " + "{ a " * 40 + "}" * 41},
        {"query": "{ a " + "{ a " * 150 + "}" * 151},
        {"query": "{ a " + "{ a " * 2400 + "}" * 2401},
        {"query": "{ viewer { " + "id " * 6000 + "} }"},
    ],
)
def test_a_request_that_is_none_is_400(ask, body):
    assert ask(body=body).status_code == 400


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b'{"query": "\\ud800"}'])
def test_a_body_that_is_no_json_is_400(ask, content):
    assert ask(content=content).status_code == 400


def test_half_a_letter_is_400_and_a_whole_one_is_kept(ask, home):
    _, agent = begin(ask)
    run = beat(ask, agent)[0]["run_id"]

    def say(text):
        content = b'{"files": {"output.log": {"offset": 0, "content": ["' + text + b'"]}}}'
        return ask(f"/files/local/p/{run}/file_stream", content=content).status_code

    assert (say(b"a \\ud800"), say(b"a \\ud83d\\ude00")) == (400, 200)
    assert Reader(home).console(run) == "a \U0001f600\n"


def test_an_agent_whose_sweep_is_gone_hears_404(ask):
    assert ask(body=gql(BEAT, i="nothere.a")).status_code == 404


def test_an_agent_has_one_run_at_a_time_and_leaves_at_the_end(ask, home):
    sweep, agent = begin(ask)
    (first,) = beat(ask, agent)
    assert (first["type"], first["program"]) == ("run", "train.py")
    assert first["args"]["kind"] == {"value": "a"}
    assert beat(ask, agent, **{first["run_id"]: 1}) == []
    rows = [json.dumps({"loss": 2.0, "_step": 0, "_runtime": 1})]
    files = {"wandb-history.jsonl": {"offset": 0, "content": rows}}
    for _ in range(2):  # the client sends again what was not answered
        assert stream(ask, first["run_id"], files=files).json() == {}
    assert stream(ask, first["run_id"], complete=True, exitcode=0).json() == {}
    assert beat(ask, agent, **{first["run_id"]: 1}) == []  # its program has more to do, and is let be
    (second,) = beat(ask, agent)
    assert second["run_id"] != first["run_id"]
    (last,) = beat(ask, agent)  # the second has vanished: it is settled here
    assert last["type"] == "exit"
    one, two = Reader(home).runs(sweep)
    assert (one.state, one.score) == ("finished", 2.0)
    assert two.state == "failed"
    assert "without a word" in two.reason


def test_a_canceled_run_is_stopped_and_settled(ask, home):
    _, agent = begin(ask)
    (command,) = beat(ask, agent)
    run = command["run_id"]
    assert ask(body=gql(f'mutation {{ stopRun(input: {{id: "{run}"}}) {{ success }} }}')).status_code == 200
    assert beat(ask, agent, **{run: 1}) == [{"type": "stop", "run_id": run}]
    beat(ask, agent)
    assert Reader(home).run(run).state == "canceled"


@pytest.mark.parametrize(
    "part",
    [
        3,
        {},
        {"offset": "0", "content": []},
        {"offset": 2**64, "content": ["{}"]},
        {"offset": 0, "content": [3]},
        {"offset": 0, "content": ["{"]},
        {"offset": 0, "content": [r'{"loss": 1, "word": "\ud800"}']},
    ],
)
def test_a_file_stream_that_is_none_is_400(ask, part):
    _, agent = begin(ask)
    (command,) = beat(ask, agent)
    assert stream(ask, command["run_id"], files={"wandb-history.jsonl": part}).status_code == 400
    assert stream(ask, "../../etc", files={}).status_code in (400, 404)


@pytest.mark.parametrize("name", ["output.log", "wandb-events.jsonl", "wandb-history.jsonl"])
@pytest.mark.parametrize("offset", [2**63, 10**30])
def test_a_line_that_no_store_can_number_is_400(ask, name, offset):
    ask(body=gql('mutation { upsertBucket(input: {name: "alone", modelName: "p"}) { inserted } }'))
    part = {"offset": offset, "content": ["{}"]}
    assert stream(ask, "alone", files={name: part}).status_code == 400


def test_an_exit_code_that_no_process_has_ends_a_run(ask, home):
    ask(body=gql('mutation { upsertBucket(input: {name: "alone", modelName: "p"}) { inserted } }'))
    assert stream(ask, "alone", complete=True, exitcode=10**30).status_code == 200
    assert Reader(home).tracked.run("alone").state == "failed"


NAMES = ["..escape", "etc/passwd", "a/...b", "ünï/çode.txt", "output.log"]


def upload(ask, run, name):
    query = (
        "mutation M($r: String!, $f: [String!]!) "
        "{ createRunFiles(input: {runName: $r, files: $f}) { files { uploadUrl } } }"
    )
    return ask(body=gql(query, r=run, f=name)).json()  # one name stands for a list of one


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_ever_a_name(ask, home, tmp_path, name):
    _, agent = begin(ask)
    (command,) = beat(ask, agent)
    run = command["run_id"]
    before = {path for path in tmp_path.rglob("*") if "blobs" not in path.parts}
    url = upload(ask, run, name)["data"]["createRunFiles"]["files"][0]["uploadUrl"]
    path = url.removeprefix("http://server")
    put = ask(path, method="PUT", content=b"some bytes", scope=None)
    assert put.status_code == 200
    assert put.headers["etag"]
    assert {path for path in tmp_path.rglob("*") if "blobs" not in path.parts} == before
    (kept,) = Reader(home).artifacts(run_id=run)
    assert kept.name == name
    query = f'{{ project {{ run(name: "{run}") {{ files {{ edges {{ node {{ directUrl }} }} }} }} }} }}'
    found = ask(body=gql(query)).json()["data"]["project"]["run"]["files"]["edges"][0]["node"]["directUrl"]
    got = ask(found.removeprefix("http://server"), method="GET", scope=None)
    assert got.content == b"some bytes"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert ask(path, method="GET", scope=None).status_code == 403  # an address is for one purpose


@pytest.mark.parametrize(
    "name", ["", "a\x00b", "a\nb", "x" * 2000, "../../escape", "/etc/passwd", "a/../../b"]
)
def test_a_name_that_no_file_may_have_is_refused(ask, name):
    _, agent = begin(ask)
    (command,) = beat(ask, agent)
    assert "errors" in upload(ask, command["run_id"], name)


def test_an_address_that_was_changed_is_refused(ask):
    _, agent = begin(ask)
    (command,) = beat(ask, agent)
    url = upload(ask, command["run_id"], "a")["data"]["createRunFiles"]["files"][0]["uploadUrl"]
    body, _, mac = url.rpartition("/")[2].partition(".")
    forged = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged["name"] = "b"
    changed = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    assert ask(f"/storage/{changed}.{mac}", method="PUT", content=b"", scope=None).status_code == 403


PRIOR = (
    "mutation M($c: String, $p: JSONString) { upsertSweep(input: {config: $c, priorRunsFilters: $p}) "
    "{ sweep { name } configValidationWarnings } }"
)


def prior(*names):
    return json.dumps({"$or": [{"name": name} for name in names]})


def test_a_sweep_begins_with_the_configurations_of_prior_runs(ask, home):
    _, agent = begin(ask)
    (command,) = beat(ask, agent)
    x = command["args"]["x"]["value"]
    answer = ask(body=gql(PRIOR, c=SWEEP, p=prior(command["run_id"]))).json()["data"]["upsertSweep"]
    assert "run again first" in answer["configValidationWarnings"][0]
    (run,) = Reader(home).runs(answer["sweep"]["name"])
    assert (run.state, run.config) == ("pending", {"x": x, "kind": "a"})


def test_without_its_prior_runs_no_sweep_is_made(ask, home):
    assert "no run 'nope'" in ask(body=gql(PRIOR, c=SWEEP, p=prior("nope"))).text
    _, agent = begin(ask)
    (command,) = beat(ask, agent)
    elsewhere = SWEEP.replace("min: 0.5, max: 1.0", "min: 5.0, max: 6.0")
    assert "errors" in ask(body=gql(PRIOR, c=elsewhere, p=prior(command["run_id"]))).json()
    for filters in ("[", '{"$or": 3}', '{"$or": [3]}', '"x"'):
        assert "errors" in ask(body=gql(PRIOR, c=SWEEP, p=filters)).json(), filters
    assert len(Reader(home).sweeps()) == 1
