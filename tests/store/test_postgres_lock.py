"""Who holds the store in a database, as told to those who may not write to it from another folder."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from faults.bench import Bench, kill, until
from postgres_server import PostgresServer
from sharpen.cli import main
from sharpen.coordinator import connect, connection
from sharpen.errors import StoreHeld
from sharpen.store.location import database_url, link
from sharpen.store.postgres import PostgresStore, holder_of

pytestmark = pytest.mark.postgres


def link_two(folder: Path, url: str) -> tuple[Path, Path]:
    for name in ("one", "two"):
        link(folder / name, url)
    return folder / "one", folder / "two"


def writer_seen_from(home: Path) -> tuple[str, str]:
    done = CliRunner().invoke(main, ["--home", str(home), "doctor", "--json"])
    (found,) = [row for row in json.loads(done.stdout) if row["what"] == "writer"]
    return found["is"], found["words"]


def test_who_leads_without_a_server_is_named_and_so_is_the_way_to_have_one(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    one, two = link_two(tmp_path, postgres.new_database())
    with connect(one):
        here = f"process {os.getpid()} on {socket.gethostname()}"
        assert holder_of(two).description == here
        with pytest.raises(StoreHeld) as raised:
            PostgresStore(two)
        said = raised.value.message
        assert said.startswith(f"{here} holds the store postgresql://")
        assert "one 'sharpen serve --store' hold the store, and give --server URL" in said
        assert writer_seen_from(two) == ("warning", said)
    assert holder_of(two) is None
    assert writer_seen_from(two) == ("ok", "nobody writes just now; the next command does")


def test_the_store_of_another_schema_is_held_by_nobody(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    one, _ = link_two(tmp_path, url)
    with connect(one):
        link(tmp_path / "three", f"{url}?options=-csearch_path%3Dpg_catalog")
        assert holder_of(tmp_path / "three") is None


@pytest.mark.slow
def test_a_server_is_named_by_its_url_and_one_that_stands_by_says_so(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    with Bench(tmp_path / "a") as first, Bench(tmp_path / "b") as second:
        one, two = first.home, second.home
        link(one, url)
        link(two, url)
        leader = first.start("serve", "--port", "0")
        at = until(lambda: at_of(first, "sharpen serves"), "the first server")
        with pytest.raises(StoreHeld) as raised:
            PostgresStore(two)
        assert (
            f"and serves it: give --server {at} (or SHARPEN_SERVER), and no database" in raised.value.message
        )
        assert writer_seen_from(two) == ("warning", raised.value.message)
        second.start("serve", "--port", "0", "--standby")
        standby = until(lambda: at_of(second, "sharpen stands by"), "the second server")
        until(lambda: is_answered(standby), "an answer of the second server")
        answer = httpx.get(f"{standby}/readyz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.text == "this server stands by: another serves the store\n"
        assert httpx.post(f"{standby}/graphql", json={}).status_code == 503
        assert httpx.get(f"{standby}/healthz").text == "ok\n"
        assert kill(leader)
        until(lambda: is_ready(standby), "the second server to take over")
        with pytest.raises(StoreHeld, match=f"give --server {standby} "):
            PostgresStore(tmp_path / "a" / "store")


def at_of(bench: Bench, words: str) -> str | None:
    lines = [line for line in bench.said().splitlines(keepends=True) if line.startswith(words)]
    return lines[0].rpartition(" at ")[2].strip() if lines and lines[0].endswith("\n") else None


def is_answered(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_a_folder_is_not_tied_to_a_store_that_another_works_with(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database()
    link(tmp_path / "one", url)
    monkeypatch.setattr(connection, "HELD_S", 0.5)
    monkeypatch.setattr(connection.connect.__wrapped__, "__defaults__", (None, 0.5))
    two = ("--home", str(tmp_path / "two"), "--store", url)
    with connect(tmp_path / "one") as client:
        place = {"source": "s.yaml", "workdir": "/"}
        text = "program: t.py\nmethod: random\nmetric: {name: loss}\nparameters: {x: {min: 0.0, max: 1.0}}\n"
        client.call("create_sweep", key="k", text=text, place=place)
        done = CliRunner().invoke(main, [*two, "pause", "last"])
        here = f"process {os.getpid()} on {socket.gethostname()}"
        assert f"{here} holds that store: what writes to it waits 0.5 s for its end\n" in done.stderr
        assert (done.exit_code, done.stderr.splitlines()[-1]) == (
            1,
            f"{tmp_path / 'two'} is not tied to the database",
        )
        assert database_url(tmp_path / "two") is None
        done = CliRunner().invoke(main, [*two, "ls"])  # who only reads is not in the way
        assert (done.exit_code, database_url(tmp_path / "two")) == (0, url), done.stderr
        assert CliRunner().invoke(main, [*two, "pause", "last"]).exit_code == 1
        assert database_url(tmp_path / "two") == url, "it was tied before"
