"""The verb agent, which is to be at work soon after it was typed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("sharpen.cli.main", {"numpy", "sqlalchemy", "yaml", "rich", "sharpen.spec"}),
        (
            "sharpen.cli.working, sharpen.agents.local",
            {"numpy", "sqlalchemy", "rich", "sharpen.coordinator.host"},
        ),
    ],
)
def test_what_is_slow_to_import_waits_until_it_is_needed(modules, unwanted):
    code = f"import sys, {modules}\nprint(*sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_agent_of_an_unknown_sweep_says_so(sharpen, store):
    said = sharpen("agent", "zzzz", home=store)
    assert said.exit_code == 2
    assert "no sweep 'zzzz'" in said.stderr
