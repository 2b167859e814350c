"""Where --ray is to go: what is no address, and where nobody answers, is refused before a sweep is made."""

import socket

import pytest
from click.testing import CliRunner

from sharpen.cli import main
from sharpen.cli.ray_address import checked_address
from sharpen.errors import UsageError


@pytest.mark.parametrize(
    "address", ["", "head", "head:", ":6379", "head:port", "head:0", "head:65536", "ray://head:10001"]
)
def test_what_is_no_address_of_a_head_is_refused(address):
    with pytest.raises(UsageError, match=r"is no address of a head: give HOST:PORT, .* or 'auto' on a node"):
        checked_address(address)


def test_an_address_where_nobody_answers_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'sharpen[ray]'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    (tmp_path / "sweep.yaml").write_text("program: train.py\nmethod: random\nparameters: {x: {max: 1.0}}\n")
    with socket.socket() as bound:  # nobody listens there
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        words = ["--home", str(tmp_path / "store"), "run", "sweep.yaml", "--ray", address]
        done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert f"nobody answers at {address} (Connection refused): start the head there" in done.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_where_somebody_answers_is_taken(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), 0), family=family)
    except OSError:
        pytest.skip("this machine has no such address")
    with listener:
        address = f"{host}:{listener.getsockname()[1]}"
        assert checked_address(address) == address
