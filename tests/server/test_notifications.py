"""Webhooks hear once of what happened, in order, through refusals, crashes and silence."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")

import httpx

from cli.test_promote import home_with
from sharpen.coordinator import connect
from sharpen.errors import Refused, UsageError
from sharpen.paper.kill_switch import KillSwitch
from sharpen.registry.record import registration
from sharpen.server.notifications.outbox import Notifier, only_one
from sharpen.server.notifications.webhooks import parse_webhooks
from sharpen.store.queries import Reader

DISCORD = "https://discord.com/api/webhooks/1/secret"


@dataclass
class World:
    home: Path
    answers: list[int | Exception] = field(default_factory=list)
    told: list[tuple[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    now: float = 1000.0
    webhooks: list[dict[str, Any]] = field(default_factory=lambda: [{"url": DISCORD}])

    def take(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        if answer < 300:
            self.told.append((str(request.url), json.loads(request.content)))
        return httpx.Response(answer, headers={"Retry-After": "7"})

    def step(self) -> int:
        http = httpx.Client(transport=httpx.MockTransport(self.take))
        webhooks = parse_webhooks({"webhooks": self.webhooks})
        return Notifier(self.home, webhooks, http, lambda: self.now, self.said.append).step()

    @property
    def texts(self) -> list[str]:
        return [body["content"] for _, body in self.told]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(home_with(tmp_path, b"{L\x00first"))


def promote(home: Path) -> None:
    (home / "gates.yaml").write_text(json.dumps({"desk": {"digest_matches": {"equals": True}}}))
    with connect(home) as client:
        new = registration(Reader(home), "last-1")
        made = client.call("register", collection="xgb", type="model", content=new.content, who="ann")
        move = {"collection": "xgb", "version": 0, "digest": made["digest"], "alias": "desk"}
        move |= {"expected": None, "who": "ann", "via": "cli", "key": "k"}
        gates = (home / "gates.yaml").read_text()
        client.call("promote", move=move, evidence={"digest_matches": True}, gates=gates, approve=False)


def kills(world: World) -> KillSwitch:
    return KillSwitch(world.home / "paper" / "main.kills")


def test_what_happened_before_the_first_look_is_not_told(world: World) -> None:
    kills(world).pull("ann", "old", at=0.0)
    assert world.step() == 0
    assert world.told == []


def test_promotions_kill_switches_and_ends_of_sweeps_are_told_once(world: World) -> None:
    world.step()
    promote(world.home)
    kills(world).pull("bob", "wrong prices", at=0.0)
    kills(world).lift("bob", "right again", at=1.0)
    kept = json.loads((world.home / "notifications.json").read_text())
    kept["seen"]["sweeps"] = {}  # as when the sweep had not ended yet
    (world.home / "notifications.json").write_text(json.dumps(kept))
    assert world.step() == 4
    assert world.texts[0] == "ann promoted xgb:v0 to desk"
    assert " is finished after 1 runs: sharpen report " in world.texts[1]
    assert world.texts[2:] == [
        "paper account main is stopped: wrong prices (bob)",
        "paper account main may trade again: right again (bob)",
    ]
    assert world.step() == 0
    assert world.told[0][1]["allowed_mentions"] == {"parse": []}


def test_a_message_waits_until_it_is_taken_and_order_is_kept(world: World) -> None:
    world.step()
    kills(world).pull("ann", "first", at=0.0)
    kills(world).lift("ann", "second", at=0.0)
    world.answers = [httpx.ConnectError("no"), 429, 503]
    assert world.step() == 0
    assert world.step() == 0, "it waits a second first"
    world.now += 1
    assert world.step() == 0, "429"
    world.now += 6
    assert world.step() == 0, "Retry-After says 7"
    world.now += 1
    assert world.step() == 0, "503"
    world.now += 4
    assert world.step() == 2
    assert ["first" in world.texts[0], "second" in world.texts[1]] == [True, True]


def test_a_refused_message_is_said_without_the_secret_and_not_tried_again(world: World) -> None:
    world.step()
    kills(world).pull("ann", "first", at=0.0)
    world.answers = [404]
    world.step()
    assert world.said == ["notifications: discord.com refused a message: 404"]
    assert world.step() == 0


def test_a_day_is_the_longest_that_a_message_waits(world: World) -> None:
    world.step()
    kills(world).pull("ann", "first", at=0.0)
    world.answers = [500, 500]
    world.step()
    world.now += 86_401
    world.step()
    assert "gave up on discord.com" in world.said[0]
    assert world.step() == 0


def test_a_webhook_hears_of_its_own_events_in_its_own_form(world: World) -> None:
    slack, other = "https://hooks.slack.com/x", "http://127.0.0.1:9/x"
    world.webhooks = [{"url": slack, "events": ["sweep"]}, {"url": other}]
    world.step()
    kills(world).pull("ann", "<b>", at=0.0)
    world.step()
    facts = {"account": "main", "kill": True, "who": "ann", "reason": "<b>"}
    text = "paper account main is stopped: <b> (ann)"
    assert world.told == [(other, {"event": "kill_switch", "text": text, "facts": facts})]


def test_the_file_of_messages_is_its_owner_s_alone(world: World) -> None:
    world.step()
    assert (world.home / "notifications.json").stat().st_mode & 0o077 == 0


def test_two_processes_do_not_tell_the_same(world: World) -> None:
    with (
        only_one(world.home),
        pytest.raises(Refused, match="another process tells already"),
        only_one(world.home),
    ):
        pass


def test_it_ends_when_asked(world: World) -> None:
    leave = threading.Event()
    leave.set()
    http = httpx.Client(transport=httpx.MockTransport(world.take))
    Notifier(world.home, [], http, lambda: 0.0, world.said.append).run(leave)
    assert world.said == []


def test_every_wrong_place_of_the_file_is_named() -> None:
    rows = [{"url": "ftp://x"}, {"url": DISCORD, "format": "xml"}, {"url": DISCORD, "events": ["all"]}, 3]
    with pytest.raises(UsageError) as refused:
        parse_webhooks({"webhooks": rows, "hooks": 1})
    problems = refused.value.facts["problems"]
    assert [problem.split()[0].rstrip(":") for problem in problems] == [
        "$.hooks",
        "$.webhooks[0].url",
        "$.webhooks[1].format",
        "$.webhooks[2].events",
        "$.webhooks[3]",
    ]
