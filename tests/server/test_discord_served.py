"""Discord's commands in the real server: `sharpen serve` with a discord.yaml, and a stand-in for Discord."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("nacl")
pytest.importorskip("httpx")

import httpx
from nacl.signing import SigningKey

from sharpen.server.discord.interactions import Job
from sharpen.server.discord.work import keep

KEY = SigningKey(b"s" * 32)


@dataclass(frozen=True)
class Discord:
    """What Discord was told, and where it is."""

    url: str
    told: queue.Queue[tuple[str, Any]]


@pytest.fixture
def discord() -> Iterator[Discord]:
    told: queue.Queue[tuple[str, Any]] = queue.Queue()

    class Taker(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            told.put((self.path, json.loads(body)))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taker)
    Thread(target=server.serve_forever, daemon=True).start()
    yield Discord(f"http://127.0.0.1:{server.server_port}", told)
    server.shutdown()
    server.server_close()


def test_the_server_answers_discord_and_reports_what_a_crash_left(tmp_path: Path, discord: Discord) -> None:
    home = tmp_path / "store"
    home.mkdir()
    settings = {"application_id": "7", "public_key": KEY.verify_key.encode().hex(), "guilds": ["1"]}
    settings |= {"roles": ["2"], "people": {"3": "ann"}, "api": discord.url}
    (home / "discord.yaml").write_text(json.dumps(settings))
    keep(home, Job("5", "left", "status", "ann", ""))
    command = [sys.executable, "-m", "sharpen", "--home", str(home), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split("=", 1)[1].strip()
            report = ("/webhooks/7/left/messages/@original", "no alias points anywhere")
            path, body = discord.told.get(timeout=30)
            assert (path, body["content"]) == report
            member = {"roles": ["2"], "user": {"id": "3"}}
            asked = {"id": "6", "token": "new", "type": 2, "guild_id": "1", "member": member}
            data = {"name": "model", "options": [{"name": "status", "type": 1}]}
            sent = json.dumps(asked | {"data": data}).encode()
            at = str(int(time.time()))
            signed = KEY.sign(at.encode() + sent).signature.hex()
            headers = {"X-Signature-Timestamp": at, "X-Signature-Ed25519": signed}
            answer = httpx.post(f"{url}/discord/interactions", content=sent, headers=headers)
            assert answer.json() == {"type": 5}
            assert discord.told.get(timeout=30)[0] == "/webhooks/7/new/messages/@original"
            forged = httpx.post(f"{url}/discord/interactions", content=sent + b" ", headers=headers)
            assert forged.status_code == 401
        finally:
            process.terminate()
            process.wait(30)
