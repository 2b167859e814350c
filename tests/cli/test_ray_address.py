"""Where --ray is to go: what is no address, and where nobody answers, is refused before a sweep is made."""

import shutil
import socket

import pytest
from click.testing import CliRunner

from sharpen.cli import main, ray_address
from sharpen.cli.ray_address import address_here, checked_address
from sharpen.errors import UsageError


@pytest.mark.parametrize(
    "address", ["", "head", "head:", ":6379", "head:port", "head:0", "head:65536", "ray://head:10001"]
)
def test_what_is_no_address_of_a_head_is_refused(address):
    with pytest.raises(UsageError, match=r"is no address of a head: give HOST:PORT, .* or 'auto' on a node"):
        checked_address(address)


@pytest.fixture
def silent():
    """Yield an address at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Let this machine have the processes of a folder, and no file of Ray's; return what adds a node."""
    processes = tmp_path / "proc"
    monkeypatch.setattr(ray_address, "PROCESSES", processes)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def add(number, head):
        folder = processes / str(number)
        folder.mkdir(parents=True)
        words = ("/opt/ray/raylet", "--x=1", f"--gcs-address={head}")
        (folder / "cmdline").write_bytes("\0".join(words).encode() + b"\0")

    return add


def last_started(folder, head):
    (folder / "tmp" / "ray").mkdir(parents=True)
    (folder / "tmp" / "ray" / "ray_current_cluster").write_text(f"{head}\n")


def refused(folder, monkeypatch, address):
    """Return what ``run`` says to an address of a cluster before there is a store."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'sharpen[ray]'")
    monkeypatch.chdir(folder)
    (folder / "train.py").write_text("")
    (folder / "sweep.yaml").write_text("program: train.py\nmethod: random\nparameters: {x: {max: 1.0}}\n")
    words = ["--home", str(folder / "store"), "run", "sweep.yaml", "--ray", address]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert not (folder / "store").exists()
    return done.stderr


def test_an_address_where_nobody_answers_is_refused(tmp_path, monkeypatch, silent):
    words = f"nobody answers at {silent} (Connection refused): start the head there"
    assert words in refused(tmp_path, monkeypatch, silent)


@pytest.mark.usefixtures("node")
def test_auto_is_refused_where_this_machine_has_no_node(tmp_path, monkeypatch, silent):
    said = refused(tmp_path, monkeypatch, "auto")
    assert "no node of a Ray cluster runs on this machine: start one with 'ray start --address=HEAD" in said
    last_started(tmp_path, silent)  # which Ray leaves behind when it is killed
    said = refused(tmp_path, monkeypatch, "auto")
    assert f"--ray auto is {silent} on this machine; --ray: nobody answers at {silent}" in said


def test_auto_is_what_ray_would_find(tmp_path, node):
    assert address_here({"RAY_ADDRESS": "auto"}) == ""
    node(10, "10.0.0.1:6379")
    (tmp_path / "proc" / "11").mkdir()  # it has ended
    assert address_here({"RAY_ADDRESS": "head:6379"}) == "head:6379"
    assert address_here({}) == "10.0.0.1:6379"
    node(12, "10.0.0.2:6379")
    last_started(tmp_path, "10.0.0.2:6379")
    assert address_here({"RAY_TMPDIR": str(tmp_path / "tmp")}) == "10.0.0.2:6379"
    assert checked_address("auto", {"RAY_ADDRESS": "local"}) == "auto"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_where_somebody_answers_is_taken(host, node):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), 0), family=family)
    except OSError:
        pytest.skip("this machine has no such address")
    with listener:
        address = f"{host}:{listener.getsockname()[1]}"
        assert checked_address(address) == address  # this machine does not show its processes
        node(10, "10.0.0.1:6379")
        assert checked_address(address) == address
        shutil.rmtree(ray_address.PROCESSES / "10")
        with pytest.raises(
            UsageError, match=r"no node of the cluster at .*'ray start --address=.* --num-cpus=0'"
        ):
            checked_address(address)
