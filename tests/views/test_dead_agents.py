"""An agent is judged by its machine's boot and its process, whatever the machine is called."""

from __future__ import annotations

import os
from pathlib import Path

from coordinator.harness import SWEEP, CoordinatorHarness
from sharpen.store.queries import Reader
from sharpen.views.dead_agents import dead_agents, has_agents
from sharpen.wire.processes import hostname, machine_identity, process_identity

OTHER = "0f1e2d3c-another-boot/4026531836:77"


def test_a_machine_of_the_same_name_is_another(tmp_path: Path) -> None:
    house = CoordinatorHarness(tmp_path)
    place = {"source": "s.yaml", "workdir": "/"}
    sweep_id = house.ask("create_sweep", key="s", text=SWEEP, place=place)["sweep_id"]
    about = {"sweep_id": sweep_id, "host": hostname(), "pid": os.getpid()}
    house.ask("join", **about, agent_id="elsewhere", born=OTHER)
    reader = Reader(tmp_path)
    assert dead_agents(reader, sweep_id) == set()
    assert not has_agents(reader, sweep_id)
    house.ask("lease", sweep_id=sweep_id, agent_id="elsewhere", key="1")
    assert has_agents(reader, sweep_id)
    house.close()


def test_an_agent_of_this_machine_is_known_under_any_name(tmp_path: Path) -> None:
    house = CoordinatorHarness(tmp_path)
    place = {"source": "s.yaml", "workdir": "/"}
    sweep_id = house.ask("create_sweep", key="s", text=SWEEP, place=place)["sweep_id"]
    about = {"sweep_id": sweep_id, "host": "renamed", "pid": os.getpid()}
    reader = Reader(tmp_path)
    house.ask("join", **about, agent_id="gone", born=f"{machine_identity()}:1")
    assert dead_agents(reader, sweep_id) == {"gone"}
    assert not has_agents(reader, sweep_id)
    house.ask("join", **about, agent_id="alive", born=process_identity(os.getpid()))
    assert has_agents(reader, sweep_id)
    house.close()
