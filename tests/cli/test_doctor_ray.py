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


@pytest.mark.parametrize(
    ("is_closed", "is_well", "words"),
    [
        (
            False,
            False,
            "; whoever reaches it can run code there: make a token by 'ray get-auth-token --generate'",
        ),
        (True, True, ", and lets nobody in without its token"),
        (None, False, ", and does not say whether it wants a token"),
    ],
)
def test_whether_anybody_may_use_a_cluster_is_what_it_says_itself(
    tmp_path, cluster, monkeypatch, is_closed, is_well, words
):
    """Not what the variables of this process say, which are not the head's."""
    asked = []
    monkeypatch.setattr(doctor_ray, "wants_a_token", lambda address: asked.append(address) or is_closed)
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"{cluster}\n")
    said = ray_state({"RAY_TMPDIR": str(tmp_path), "RAY_AUTH_MODE": "token"})
    assert said[0] == is_well
    assert said[1].startswith(f"Ray 2.60.0; a cluster answers at {cluster}{words}")
    assert asked == [cluster]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-port", "127.0.0.1:x"])
def test_a_cluster_that_does_not_answer_is_a_warning(address, monkeypatch):
    def refuse(place, timeout):
        raise ConnectionRefusedError

    monkeypatch.setattr(ray_address.socket, "create_connection", refuse)
    is_well, words = ray_state({"RAY_ADDRESS": address})
    assert not is_well
    assert f"nobody answers at {address}" in words
