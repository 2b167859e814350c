"""A server is upgraded while an agent of the version before is at work, and another comes after that."""

import json
import signal
import subprocess
import sys

import pytest

from faults.bench import until
from server.test_agents_api import PROGRAM, SWEEP, Site, n_acks
from sharpen.server.auth import KeyFile
from sharpen.store import schema
from sharpen.store.location import link

NEXT = """\
import sys
from sharpen.store import migrations, schema
schema.VERSION += 1
migrations.STEPS[schema.VERSION] = lambda connection: None
from sharpen.cli import main
sys.argv[0] = "sharpen"
main()
"""
"""Starts sharpen as its next version will: the schema of its store is another."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(request, tmp_path):
    here = Site(tmp_path)
    here.work.mkdir()
    (here.work / "train.py").write_text(PROGRAM)
    (here.work / "s.yaml").write_text(SWEEP)
    if request.param == "postgres":
        link(here.home, request.getfixturevalue("postgres").new_database())
    here.key = KeyFile(here.home).add("test")
    yield here
    here.close()


@pytest.mark.slow
def test_agents_of_the_version_before_work_on_and_listings_are_refused(site):
    server = site.serve()
    made = site.call("--server", site.url, "sweep", "s.yaml")
    sweep = made.stdout.split()[-1]
    agent = site.start("--server", site.url, "agent", sweep, PACE="0.2")
    until(lambda: n_acks(site) > 2, "the first run to be at work")
    server.send_signal(signal.SIGTERM)
    server.wait(30)
    site.serve(program=("-c", NEXT))
    assert agent.wait(60) == 0, agent.stderr.read()

    late = site.call("--server", site.url, "agent", sweep)  # it only speaks the protocol, which is the same
    assert (late.returncode, late.stderr) == (0, "agent done: finished\n")
    listed = site.call("--server", site.url, "runs", sweep)
    words = f"reads schema version {schema.VERSION} of a store, and the server has {schema.VERSION + 1}"
    assert (listed.returncode, words in listed.stderr) == (2, True), listed.stderr
    assert "give both the same version of sharpen" in listed.stderr
    asked = subprocess.run(
        [sys.executable, "-c", NEXT, "--server", site.url, "runs", sweep, "--json"],
        check=True,
        cwd=site.work,
        env=site.environment(),
        capture_output=True,
        text=True,
    )
    runs = json.loads(asked.stdout)
    assert [run["state"] for run in runs] == ["finished"] * 4
