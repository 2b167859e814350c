"""What a run's machine did: kept as a history, told to the client, drawn on the run's page."""

import json
import sys

import pytest

from sharpen.coordinator import connect
from sharpen.server.pages.run import machine
from sharpen.server.wandb.run_history import events_of, events_tail
from sharpen.store.queries import Reader

EVENTS = "wandb-events.jsonl"

LOGS = """\
import json, time, wandb

about = {"x_disable_stats": False, "x_stats_sampling_interval": 0.1}
for resume in (None, "must"):
    with wandb.init(project="p", id="one", resume=resume, settings=wandb.Settings(**about)) as run:
        run.log({"loss": 1.0})
        time.sleep(2.0)
run = wandb.Api().run("p/one")
lines = run.history(stream="system", pandas=False)
few = run.history(stream="system", samples=3, pandas=False)
print("FOUND" + json.dumps([lines, len(few), run.lastHistoryStep, run.system_metrics]))
"""


@pytest.fixture
def store(tmp_path):
    with connect(tmp_path) as client:
        yield client, Reader(tmp_path)


def keep(client, token, first_line, n, at=0.0):
    rows = [(at + k, {"system.cpu": float(first_line + k), "disk": "full"}) for k in range(n)]
    client.call("machine_metrics", run_id="one", token=token, first_line=first_line, rows=rows)


def test_lines_go_on_from_grant_to_grant_and_are_thinned(store):
    client, reader = store
    client.call("create_run", run_id="one", project="p", key="a")
    assert (reader.machine.n_lines("one"), reader.machine.last("one")) == (0, None)
    assert events_tail(reader, reader.tracked.run("one")) == "[]"
    keep(client, 1, 0, 60)
    keep(client, 1, 50, 10, at=50.0)  # sent again
    client.call("create_run", run_id="one", project="p", key="b", resume="must")
    keep(client, 2, 60, 41, at=60.0)
    run = reader.tracked.run("one")
    assert reader.machine.n_lines("one") == 101
    assert [row.line for row in reader.machine.thinned("one", 200)] == [*range(101)]
    assert [row.line for row in reader.machine.thinned("one", 5)] == [16, 37, 58, 79, 100]
    assert [json.loads(text)["system.cpu"] for text in events_of(reader, run, 2)] == [49.0, 100.0]
    assert json.loads(json.loads(events_tail(reader, run))[0])["_timestamp"] == 100.0
    (line,) = machine(reader, run)
    assert (line.name, line.along, len(line.points)) == ("cpu", "minute", 101)


def test_a_run_that_begins_anew_forgets_them(store):
    client, reader = store
    client.call("create_run", run_id="one", project="p", key="a")
    keep(client, 1, 0, 3)
    client.call("create_run", run_id="one", project="p", key="b", resume="allow")
    client.call("overwrite", run_id="one", token=2)
    assert reader.machine.thinned("one", 10) == []
    assert reader.machine.n_lines("one") == 0


@pytest.mark.slow
def test_the_stock_client_reads_what_its_runs_sent(server):
    pytest.importorskip("wandb")
    (server.folder / "logs.py").write_text(LOGS)
    said = server.wandb(sys.executable, "logs.py")
    lines, n_few, last_step, newest = json.loads(said.partition("FOUND")[2].splitlines()[0])
    assert len(lines) > 3
    assert 1 <= n_few <= 3
    assert all("system.cpu" in line or "system.memory_percent" in line for line in lines)
    times = [line["_timestamp"] for line in lines]
    assert times == sorted(set(times))  # of both starts of the run
    assert last_step == 1
    assert newest == {name: value for name, value in lines[-1].items() if not name.startswith("_")}
    found = machine(Reader(server.home), Reader(server.home).tracked.run("one"))
    assert {"cpu", "memory_percent"} <= {line.name for line in found}
