"""What doctor says of Ray: whether it is there, where, and whether anybody may run code in it."""

import socket

import pytest

from sharpen.cli import doctor_ray, ray_address
from sharpen.cli.doctor_ray import ray_state


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_address, "PROCESSES", tmp_path / "proc")  # no node runs here
    monkeypatch.setattr(doctor_ray, "version", lambda name: "2.60.0")


@pytest.fixture
def cluster():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_nothing_is_said_of_what_is_not_installed(monkeypatch):
    def lacks(name):
        raise doctor_ray.PackageNotFoundError(name)

    monkeypatch.setattr(doctor_ray, "version", lacks)
    assert ray_state({}) == (True, "")


def test_no_cluster_is_no_problem(tmp_path):
    is_well, words = ray_state({"RAY_TMPDIR": str(tmp_path)})
    assert is_well
    assert words == "Ray 2.60.0; no cluster of this machine, so '--ray' needs an address"


def test_a_cluster_that_anybody_may_use_is_a_warning(tmp_path, cluster):
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"{cluster}\n")
    is_well, words = ray_state({"RAY_TMPDIR": str(tmp_path)})
    assert not is_well
    assert f"a cluster answers at {cluster}; whoever reaches it can run code" in words
    named = {"RAY_ADDRESS": f"ray://{cluster}", "RAY_AUTH_MODE": "token"}
    assert ray_state(named) == (True, f"Ray 2.60.0; a cluster answers at ray://{cluster}")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-port", "127.0.0.1:x"])
def test_a_cluster_that_does_not_answer_is_a_warning(address, monkeypatch):
    def refuse(place, timeout):
        raise ConnectionRefusedError

    monkeypatch.setattr(ray_address.socket, "create_connection", refuse)
    is_well, words = ray_state({"RAY_ADDRESS": address})
    assert not is_well
    assert f"nobody answers at {address}" in words
