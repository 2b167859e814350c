"""Discord's commands in the real server: `sharpen serve` with a discord.yaml, and a stand-in for Discord.

``pytest tests/server/test_discord_served.py --long -s`` lets the command line and a button race 200 times.
"""

from __future__ import annotations

import json
import queue
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

pytest.importorskip("nacl")
pytest.importorskip("httpx")

import httpx
from click.testing import CliRunner, Result
from nacl.signing import SigningKey

from cli.test_promote import home_with
from sharpen.cli import main
from sharpen.cli.user_name import person
from sharpen.server.discord.interactions import DeferredJob
from sharpen.server.discord.jobs import keep
from sharpen.store.audit import audit_entry
from sharpen.store.collection_rows import aliases, audit_rows
from sharpen.store.queries import Reader

KEY = SigningKey(b"s" * 32)


@dataclass(frozen=True)
class Discord:
    """What Discord was told, and where it is."""

    url: str
    told: queue.Queue[tuple[str, Any]]


@pytest.fixture(scope="module")
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


@contextmanager
def served(home: Path, discord: Discord) -> Iterator[str]:
    """Give the address of a server that obeys Discord's user 3, who is ann."""
    settings = {"application_id": "7", "public_key": KEY.verify_key.encode().hex(), "guilds": ["1"]}
    settings |= {"roles": ["2"], "people": {"3": "ann"}, "api": discord.url}
    (home / "discord.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "sharpen", "--home", str(home), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split("=", 1)[1].strip()
        finally:
            process.terminate()
            process.wait(30)


def signed(interaction: str, kind: int, data: Any) -> tuple[bytes, dict[str, str]]:
    """Return what Discord sends for user 3: its body and its headers."""
    member = {"roles": ["2"], "user": {"id": "3"}}
    asked = {"id": interaction, "token": f"t{interaction}", "type": kind, "guild_id": "1", "member": member}
    body = json.dumps(asked | {"data": data}).encode()
    at = str(int(time.time()))
    signature = KEY.sign(at.encode() + body).signature.hex()
    return body, {"X-Signature-Timestamp": at, "X-Signature-Ed25519": signature}


def send(url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{url}/discord/interactions", content=body, headers=headers, timeout=30)


EASY = "{candidate: {verdict: null, deflated_sharpe: null, search_p: null, pbo: null, folds_positive: null}}"


def typed(home: Path, words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *words.split()])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three versions of a model, the first of which is candidate."""
    home = home_with(tmp_path_factory.mktemp("served"), b"{L\x00one", b"{L\x00two", b"{L\x00three")
    (home / "gates.yaml").write_text(EASY)
    for words in (*(f"register last-{n} --as xgb" for n in (1, 2, 3)), "promote xgb:v0 candidate"):
        assert typed(home, words).exit_code == 0
    return home


@pytest.fixture(scope="module")
def url(home: Path, discord: Discord) -> Iterator[str]:
    """The address of a server that obeys Discord's user 3, who is ann; a crash has left a job to it."""
    keep(home, DeferredJob("5", "left", "status", "ann", "", asked_at=time.time()))
    with served(home, discord) as address:
        yield address


def test_the_server_answers_discord_and_reports_what_a_crash_left(url: str, discord: Discord) -> None:
    path, body = discord.told.get(timeout=30)
    assert (path, body["content"]) == (
        "/webhooks/7/left/messages/@original",
        f"`xgb:candidate` is v0, by {person()}",
    )
    sent, headers = signed("6", 2, {"name": "model", "options": [{"name": "status", "type": 1}]})
    assert send(url, sent, headers).json() == {"type": 5}
    assert discord.told.get(timeout=30)[0] == "/webhooks/7/t6/messages/@original"
    assert send(url, sent + b" ", headers).status_code == 401


# --- the command line and a button at once ------------------------------------------------------------------


class Typist:
    """Somebody at a command line: each command is a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        program = Path(__file__).parents[1] / "faults" / "programs" / "typist.py"
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, program], stdin=pipe, stdout=pipe, text=True)
        assert self.hear() == "ready\n"

    def begin(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(["--home", str(self.home), *words.split()]) + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        self.process.communicate(timeout=30)


@dataclass(frozen=True)
class Race:
    """Two people who move an alias at once: one types, the other presses a button."""

    home: Path
    url: str
    discord: Discord
    typist: Typist

    def points_at(self) -> int:
        return next(row.version for row in aliases(Reader(self.home), "xgb") if row.alias == "candidate")

    def button(self, number: int, version: int) -> str:
        options = [{"name": "name", "value": f"xgb:v{version}"}, {"name": "to", "value": "candidate"}]
        command = {"name": "model", "options": [{"name": "promote", "options": options}]}
        shown = send(self.url, *signed(f"1{number}", 2, command)).json()["data"]
        return str(shown["components"][0]["components"][0]["custom_id"])

    def run(self, number: int, expects: bool, lead_s: float) -> tuple[Any, str, str]:
        """Let both go at once; return what the command printed, what it said, and what Discord was told."""
        at = self.points_at()
        pressed = signed(f"2{number}", 3, {"custom_id": self.button(number, (at + 2) % 3)})
        self.typist.begin(
            f"promote xgb:v{(at + 1) % 3} candidate --json" + (f" --expect v{at}" if expects else "")
        )
        Event().wait(lead_s)
        assert send(self.url, *pressed).json() == {"type": 5}
        _, printed, said = json.loads(self.typist.hear())
        path, report = "", {"content": ""}
        while path != f"/webhooks/7/t2{number}/messages/@original":
            path, report = self.discord.told.get(timeout=30)
        return (json.loads(printed) if printed else None), said, report["content"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_command_line_and_a_button_at_once_have_one_winner(
    home: Path, url: str, discord: Discord, request: pytest.FixtureRequest
) -> None:
    n_races = 200 if request.config.getoption("--long") else 5
    ended: Counter[str] = Counter()
    rng, typist = random.Random(3), Typist(home)
    race = Race(home, url, discord, typist)
    for number in range(n_races):
        before, expects = race.points_at(), number % 2 == 0
        printed, said, told = race.run(number, expects, rng.uniform(0, 0.3))
        has_typed, has_pressed = printed is not None, "is `candidate` now, by ann" in told
        if has_typed and has_pressed:  # the command began when the button was done, and saw that
            assert not expects
            assert (printed["before"], race.points_at()) == ((before + 2) % 3, (before + 1) % 3)
            ended["one after the other"] += 1
            continue
        assert has_typed or has_pressed, (said, told)
        assert "somebody else moved it" in (told if has_typed else said)
        assert race.points_at() == (before + (1 if has_typed else 2)) % 3
        ended["the command won" if has_typed else "the button won"] += 1
    audit = typed(home, "models audit --json")
    typist.close()
    entries = [audit_entry(row) for row in audit_rows(Reader(home))][4:]
    print(f"{n_races} races: {dict(ended)}")
    assert (audit.exit_code, json.loads(audit.stdout)["problems"]) == (0, [])
    assert len(entries) == n_races + ended["one after the other"]
    assert {entry.action for entry in entries} == {"promoted"}
