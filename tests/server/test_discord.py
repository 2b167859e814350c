"""Discord's requests end to end: signed with a key of our own, reported to a stand-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("nacl")
pytest.importorskip("starlette")

from nacl.signing import SigningKey
from starlette.applications import Starlette

from cli.test_promote import home_with
from sharpen.coordinator import connect
from sharpen.gates import DEFAULT_GATES
from sharpen.registry.record import registration
from sharpen.server.discord.app import PATH, Interactions
from sharpen.server.discord.commands import MODEL, register_commands
from sharpen.server.discord.interactions import DeferredJob, body
from sharpen.server.discord.jobs import JobContext, keep
from sharpen.server.discord.settings import DiscordSettings
from sharpen.store.audit import audit_entry
from sharpen.store.collection_rows import audit_rows, resolve
from sharpen.store.queries import Reader
from sharpen.wire import Client

KEY = SigningKey(b"k" * 32)
NOW = 1_000_000.0
PEOPLE = {"1": "ann", "2": "bob", "3": "cid"}


@dataclass
class DiscordStandIn:
    """A server with a store behind it, and what it told Discord."""

    home: Path
    client: Client
    told: list[tuple[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    now: float = NOW

    def __post_init__(self) -> None:
        settings = DiscordSettings(
            "app",
            KEY.verify_key.encode().hex(),
            frozenset({"g"}),
            frozenset({"desk"}),
            PEOPLE,
            "http://discord",
        )
        http = httpx.Client(transport=httpx.MockTransport(self._take))
        self.desk = JobContext(self.home, self.client, settings, http, sleep=lambda _s: None)
        self.interactions = Interactions(self.desk, lambda: self.now)
        self.n = 0

    def _take(self, request: httpx.Request) -> httpx.Response:
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.told.append((request.url.path, json.loads(request.content)))
        return httpx.Response(status, headers={"Retry-After": "1"})

    def send(self, asked: dict[str, Any], timestamp: str | None = None, **forged: Any) -> httpx.Response:
        body = json.dumps(asked).encode()
        at = str(int(self.now)) if timestamp is None else timestamp
        signed = KEY.sign(at.encode() + body).signature.hex()
        headers = {"X-Signature-Timestamp": at, "X-Signature-Ed25519": forged.get("signature", signed)}

        async def call() -> httpx.Response:
            app = Starlette(routes=self.interactions.routes())
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://us") as http:
                answer = await http.post(PATH, content=forged.get("body", body), headers=headers)
            await self.interactions.finish()
            return answer

        return asyncio.run(call())

    def from_user(self, user: str, **more: Any) -> dict[str, Any]:
        self.n += 1
        member = {"user": {"id": user}, "roles": ["desk"]}
        return {"id": str(self.n), "token": f"t{self.n}", "guild_id": "g", "member": member} | more

    def command(self, user: str, verb: str, **words: str) -> Any:
        options = [{"name": name, "value": value} for name, value in words.items()]
        data = {"name": "model", "options": [{"name": verb, "options": options}]}
        return self.send(self.from_user(user, type=2, data=data)).json()

    def press(self, user: str, button: str, **more: Any) -> Any:
        return self.send(self.from_user(user, type=3, data={"custom_id": button}, **more)).json()

    @property
    def last(self) -> Any:
        return self.told[-1][1]

    def log(self) -> list[str]:
        return [audit_entry(row).action for row in audit_rows(Reader(self.home))]


def button(message: Any) -> str:
    return str(message["components"][0]["components"][0]["custom_id"])


@pytest.fixture
def discord(tmp_path: Path) -> Iterator[DiscordStandIn]:
    home = home_with(tmp_path, b"{L\x00first", b"{L\x00second")
    kept = {"candidate": {"digest_matches"}, "prod": {"digest_matches", "second_person"}}
    gates = {a: {n: None for n in DEFAULT_GATES[a] if n not in names} for a, names in kept.items()}
    (home / "gates.yaml").write_text(json.dumps(gates))
    with connect(home) as client:
        for run in ("last-1", "last-2"):
            new = registration(Reader(home), run)
            client.call("register", collection="xgb", type="model", content=new.content, who="ann")
        yield DiscordStandIn(home, client)


def confirm(discord: DiscordStandIn, user: str = "2", to: str = "prod", name: str = "xgb_v0") -> str:
    return button(discord.command(user, "promote", name=name, to=to)["data"])


def test_a_ping_is_answered(discord: DiscordStandIn) -> None:
    assert discord.send({"type": 1, "id": "1"}).json() == {"type": 1}


def test_what_discord_did_not_sign_is_refused(discord: DiscordStandIn) -> None:
    ping = {"type": 1, "id": "1"}
    body = json.dumps(ping).encode()
    assert discord.send(ping, signature="00" * 64).status_code == 401
    assert discord.send(ping, signature="no hex").status_code == 401
    assert discord.send(ping, body=body.replace(b" ", b"")).status_code == 401
    assert discord.send(ping, timestamp=str(int(NOW) - 301)).status_code == 401
    assert discord.send(ping, timestamp="soon").status_code == 401
    assert discord.send(ping).status_code == 200


def test_an_interaction_counts_once(discord: DiscordStandIn) -> None:
    asked = discord.from_user("2", type=3, data={"custom_id": confirm(discord)})
    assert [discord.send(asked).status_code for _ in range(2)] == [200, 401]
    assert discord.log()[2:] == ["requested"]


def test_two_people_bring_a_model_to_prod(discord: DiscordStandIn) -> None:
    assert discord.press("2", confirm(discord)) == {"type": 5}
    assert "bob asks for `xgb:v0` as `prod`: a second person approves until <t:" in discord.last["content"]
    approve = button(discord.last)
    discord.now += 6.9 * 86_400  # the button lives as long as the request, not as long as the one before
    assert "bob asked for it" in _told(discord, "2", approve)
    assert "ann registered it" in _told(discord, "1", approve)
    assert "is `prod` now, by cid" in _told(discord, "3", approve)
    assert "is `prod` already" in _told(discord, "3", approve)
    assert discord.log()[2:] == ["requested", "promoted"]
    assert resolve(Reader(discord.home), "xgb", "prod").version == 0


def test_a_promotion_is_to_prod_where_nobody_says_where_to(discord: DiscordStandIn) -> None:
    said = discord.command("2", "promote", name="xgb_v0")["data"]
    assert said["content"].startswith("Move `prod`, which points nowhere, to `xgb:v0`?")
    promote = next(verb for verb in MODEL["options"] if verb["name"] == "promote")
    required = {option["name"]: option["required"] for option in promote["options"]}
    assert required == {"name": True, "to": False}


def _told(discord: DiscordStandIn, user: str, pressed: str) -> str:
    discord.press(user, pressed)
    return str(discord.last["content"])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"member": None}, "direct messages"),
        ({"guild_id": None}, "direct messages"),
        ({"guild_id": "other"}, "not one that sharpen obeys"),
        ({"member": {"user": {"id": "2"}, "roles": ["guest"]}}, "none of the roles"),
        ({"member": {"user": {"id": "9"}, "roles": ["desk"]}}, "gives no name to your user id 9"),
    ],
)
def test_who_may_not_is_told_and_nothing_happens(discord: DiscordStandIn, more: Any, why: str) -> None:
    said = discord.press("2", confirm(discord), **more)
    assert why in said["data"]["content"]
    assert said["data"]["flags"] == 64
    assert discord.log()[2:] == []


@pytest.mark.parametrize(
    "odd",
    [
        {"type": 2, "data": None},
        {"type": 2, "data": {"options": [{"name": "promote", "options": [3]}]}},
        {"type": 3, "data": {"custom_id": "p|2|xgb:v1|prod|ab|none|²"}},
        {"type": 2, "member": {"user": {"id": "2"}, "roles": None}},
        {"type": 2, "member": {"user": None, "roles": ["desk"]}},
    ],
)
def test_what_has_another_form_is_refused_politely(discord: DiscordStandIn, odd: Any) -> None:
    answer = discord.send(discord.from_user("2", **odd))
    assert answer.status_code == 200
    assert answer.json()["data"]["content"].startswith("sharpen ")
    assert discord.told == []


def test_a_button_is_one_person_s_and_expires(discord: DiscordStandIn) -> None:
    pressed = confirm(discord)
    assert "another person's" in discord.press("3", pressed)["data"]["content"]
    discord.now += 601
    assert "expired" in discord.press("2", pressed)["data"]["content"]
    assert "does not know this button" in discord.press("2", "p|2|x")["data"]["content"]


def test_free_text_is_looked_at_again(discord: DiscordStandIn) -> None:
    said = discord.command("2", "promote", name="nobody_v0", to="prod")
    assert "no model 'nobody'" in said["data"]["content"]
    discord.press("2", confirm(discord, to="moon"))
    assert "no gate is called" in discord.last["content"]
    assert discord.last["allowed_mentions"] == {"parse": []}


def test_rollback_and_status(discord: DiscordStandIn) -> None:
    for name in ("xgb_v0", "xgb_v1"):
        discord.press("2", confirm(discord, to="candidate", name=name))
    said = discord.command("2", "rollback", name="xgb", alias="candidate")
    assert "needs a reason" in said["data"]["content"]
    discord.command("2", "rollback", name="xgb", alias="candidate", reason="slippage")
    assert discord.last["content"] == "`xgb:candidate` is v0 again, no longer v1"
    discord.command("2", "status")
    assert discord.last["content"] == "`xgb:candidate` is v0, by bob"


def test_a_job_that_a_crash_cut_off_is_done_once_and_reported(discord: DiscordStandIn) -> None:
    job = DeferredJob("77", "t77", "promote", "bob", "xgb:v0", "candidate", asked_at=NOW - 800.0)
    keep(discord.home, job)
    assert (discord.home / "discord" / "77.json").stat().st_mode & 0o077 == 0
    discord.answers = [503] * 4  # done, and the report was lost
    discord.interactions.resume()
    assert discord.told == []
    discord.interactions.resume()
    assert "`xgb:v0` is `candidate`" in discord.last["content"]
    assert discord.log()[2:] == ["promoted"]
    assert list((discord.home / "discord").iterdir()) == []


@pytest.mark.parametrize(
    "job",
    [
        DeferredJob("1", "t", "promote", "bob", "xgb:v0", "candidate", asked_at=NOW - 901.0),
        DeferredJob(
            "2", "t", "rollback", "bob", "xgb", "candidate", reason="slippage"
        ),  # of an older version
    ],
)
def test_a_job_that_nobody_waits_for_any_more_is_not_done(
    discord: DiscordStandIn, job: DeferredJob, caplog: pytest.LogCaptureFixture
) -> None:
    keep(discord.home, job)
    discord.interactions.resume()
    assert discord.log()[2:] == []
    assert discord.told == []
    assert f"what bob asked for is too old to be done now: {job.verb} {job.word} candidate" in caplog.text
    assert list((discord.home / "discord").iterdir()) == []


def test_a_rollback_that_a_crash_cut_off_goes_back_only_from_where_it_was_seen(
    discord: DiscordStandIn,
) -> None:
    for name in ("xgb_v0", "xgb_v1"):
        discord.press("2", confirm(discord, to="candidate", name=name))
    back = DeferredJob(
        "7", "t", "rollback", "bob", "xgb", "candidate", reason="slippage", expects="v0", asked_at=NOW
    )
    keep(discord.home, back)
    discord.interactions.resume()
    assert "points at v1 by now, not at v0" in discord.last["content"]
    keep(discord.home, replace(back, id="8", expects="v1"))
    discord.interactions.resume()
    assert discord.last["content"] == "`xgb:candidate` is v0 again, no longer v1"


def test_whoever_waits_is_told_when_something_breaks(
    discord: DiscordStandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_words: Any) -> None:
        raise KeyError("no such thing")

    monkeypatch.setattr("sharpen.server.discord.jobs.promote", broken)
    discord.press("2", confirm(discord))
    assert discord.last["content"].startswith("something broke in the server")
    assert "no such thing" in caplog.text
    assert list((discord.home / "discord").iterdir()) == []


def test_a_message_that_is_too_long_says_what_is_left_out(discord: DiscordStandIn) -> None:
    lines = [f"`xgb_{k}:candidate` is v0, by ann 💥" for k in range(100)]
    told = body("\n".join(lines))["content"]
    assert len(told.encode("utf-16-le")) <= 2 * 2000
    *whole, last = told.split("\n")
    assert whole == lines[: len(whole)]
    assert last == f"… and {100 - len(whole)} lines more"
    assert body("💥" * 3000)["content"] == "💥" * 999 + "…"


def test_a_torn_job_does_not_keep_the_others_from_being_done(discord: DiscordStandIn) -> None:
    keep(discord.home, DeferredJob("7", "t7", "status", "ann", "", asked_at=NOW))
    for name, text in (("1.json", ""), ("2.json", '{"id": "2", "verbs": []}')):
        (discord.home / "discord" / name).write_text(text)
    discord.interactions.resume()
    assert discord.last["content"] == "no alias points anywhere"


def test_reports_wait_when_discord_says_so(discord: DiscordStandIn) -> None:
    discord.answers = [429, 500]
    discord.command("2", "status")
    assert len(discord.told) == 1
    assert discord.told[0][0].endswith("/messages/@original")


def test_commands_are_written_to_each_guild(discord: DiscordStandIn) -> None:
    assert register_commands(discord.desk.settings, "secret", discord.desk.http) == ["g"]
    assert discord.told == [("/applications/app/guilds/g/commands", MODEL)]


def test_the_answer_does_not_wait_for_a_slow_gate(discord: DiscordStandIn) -> None:
    """The gate takes as long as the lock is held; the answer must be there before it is given back."""
    asked = discord.from_user("2", type=3, data={"custom_id": confirm(discord)})
    body = json.dumps(asked).encode()
    at = str(int(NOW))
    headers = {"X-Signature-Timestamp": at}
    headers["X-Signature-Ed25519"] = KEY.sign(at.encode() + body).signature.hex()

    async def call() -> httpx.Response:
        app = Starlette(routes=discord.interactions.routes())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://us") as http:
            with discord.desk.lock:
                answer = await asyncio.wait_for(http.post(PATH, content=body, headers=headers), 3.0)
                assert discord.told == []
        await discord.interactions.finish()
        return answer

    assert asyncio.run(call()).json() == {"type": 5}
    assert "asks for" in discord.last["content"]


def test_a_button_moves_an_alias_only_from_where_it_showed_it(discord: DiscordStandIn) -> None:
    said = discord.command("2", "promote", name="xgb_v0", to="candidate")["data"]
    assert "Move `candidate`, which points nowhere, to `xgb:v0`?" in said["content"]
    discord.press("3", confirm(discord, "3", "candidate", "xgb_v1"))
    assert "`xgb:v1` is `candidate` now, by cid" in discord.last["content"]
    discord.press("2", button(said))
    assert discord.last["content"] == (
        "xgb:candidate points at v1 by now, not at nowhere: somebody else moved it"
    )
    assert (
        "now v1, to `xgb:v0`?"
        in discord.command("2", "promote", name="xgb_v0", to="candidate")["data"]["content"]
    )
    assert discord.log()[2:] == ["promoted"]
