"""The files of deploy/: their commands are ones that sharpen knows, and what they name is there."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from docs.test_commands import parse

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))


def unit(path):
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str
    read.read_string(path.read_text())
    return read


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_there_is(path):
    words = shlex.split(unit(path)["Service"]["ExecStart"].replace("%i", "k3v9x2aq"))
    assert words[0].endswith("/bin/sharpen")
    parse(words[1:])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_a_unit(path, tmp_path):
    name = path.name.replace("@", "@k3v9x2aq")
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", path.read_text(), flags=re.M)
    (tmp_path / name).write_text(text.replace("User=sharpen", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert name not in done.stderr, done.stderr


def test_compose_starts_commands_that_there_are():
    (script,) = [word for word in compose()["services"]["server"]["command"] if "sharpen" in word]
    lines = [line for line in script.splitlines() if "sharpen " in line and "export" not in line]
    calls = [shlex.split(line[line.index("sharpen ") :])[1:] for line in lines]
    assert [words[0] for words in calls] == ["key", "serve"]
    for words in calls:
        parse(words)
    with pytest.raises(click.UsageError):
        parse([*calls[1], "--no-such-option"])


def test_compose_names_what_is_there():
    read = compose()
    server = read["services"]["server"]
    assert (DEPLOY / server["build"]["context"] / server["build"]["dockerfile"]).is_file()
    assert set(read["volumes"]) == {
        mount.partition(":")[0] for one in read["services"].values() for mount in one["volumes"]
    }
    assert all(set(one["secrets"]) <= set(read["secrets"]) for one in read["services"].values())
    assert all(port.startswith("127.0.0.1:") for port in server["ports"])
