"""What doctor says of a pooler before the database."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.test_doctor import SWEEP, look
from faults.bench import until
from sharpen.coordinator import connect
from sharpen.store.location import link

psycopg = pytest.importorskip("psycopg")


@pytest.mark.postgres
@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="no pgbouncer: apt-get install pgbouncer")
@pytest.mark.skipif(os.geteuid() != 0, reason="it is started as another user")
def test_a_pooler_before_the_database_is_said(tmp_path, postgres):
    with connect_to(tmp_path / "one", postgres.new_database()) as url, pooler(url) as pooled:
        code, found = look(tmp_path / "one")
        assert (code, "pooler" in found) == (0, False)
        link(tmp_path / "two", pooled)
        code, found = look(tmp_path / "two")
        assert code == 0
        assert found["pooler"][0] == "warning"


@contextlib.contextmanager
def connect_to(home, url):
    link(home, url)
    with connect(home) as client:
        client.call("create_sweep", key="k", text=SWEEP, place={"source": "s.yaml", "workdir": "/"})
        yield url


@contextlib.contextmanager
def pooler(url):
    """Give an address of the same database behind PgBouncer."""
    server = urlsplit(url)
    with tempfile.TemporaryDirectory() as room, socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        listening.close()
        (Path(room) / "users").write_text(f'"{server.username}" ""\n')
        (Path(room) / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={server.hostname} port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nauth_type = trust\nauth_file = {room}/users\nunix_socket_dir =\n"
        )
        for path in (Path(room), *Path(room).iterdir()):
            shutil.chown(path, "nobody")
        quiet = subprocess.DEVNULL
        command = ["pgbouncer", f"{room}/pgbouncer.ini"]
        process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, user="nobody")
        pooled = url.replace(f":{server.port}/", f":{port}/")
        try:
            until(lambda: answers(pooled), "the pooler")
            yield pooled
        finally:
            process.kill()
            process.wait()


def answers(url):
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
