"""A server says when it answers; what still waits at its end is answered, and nobody sees a traceback."""

import asyncio
import logging
import socket
import subprocess
import sys

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request

from sharpen.server import lifespan
from sharpen.server.agents_api.routes import _while_there
from sharpen.server.lifespan import PatientServer, ToldOfTheEnd


async def waits(scope, receive, send):
    """Answer never; below /stream, begin to."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await asyncio.Event().wait()


async def asked(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


def patient_server(begun):
    return PatientServer(uvicorn.Config(ToldOfTheEnd(waits), log_level="warning", lifespan="off"), begun)


async def answers_at_the_end(paths, n_waiting):
    server = patient_server(lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        asking = [asyncio.create_task(asked(listener.getsockname()[1], path)) for path in paths]
        async with asyncio.timeout(30):
            while len(server.server_state.tasks) < n_waiting:
                await asyncio.sleep(0.01)
            server.should_exit = True
            await serving
            return await asyncio.gather(*asking)


def test_who_waits_is_told_that_the_server_ends(monkeypatch, caplog):
    monkeypatch.setattr(lifespan, "GRACE_S", 0.05)
    with caplog.at_level(logging.WARNING):
        waited, streamed = asyncio.run(answers_at_the_end(["/wait", "/stream"], 2))
    assert waited.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in waited
    assert waited.endswith(b"the server is ending: ask again\n")
    assert streamed.startswith(b"HTTP/1.1 200 ")
    assert streamed.endswith(b"5\r\nfirst\r\n0\r\n\r\n")
    assert caplog.records == []


def test_it_says_that_it_has_begun_once_it_answers():
    said = []
    server = patient_server(lambda: said.append(server.started))

    async def serve():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            async with asyncio.timeout(30):
                while not said:
                    await asyncio.sleep(0.001)
                server.should_exit = True
                await serving

    asyncio.run(serve())
    assert said == [True]


def test_an_address_is_said_only_by_a_server_that_can_begin(tmp_path):
    (tmp_path / "discord.yaml").write_text("nonsense: true\n")
    words = [sys.executable, "-m", "sharpen", "--home", str(tmp_path), "serve", "--port", "0"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "discord.yaml" in done.stderr
    assert done.stdout == ""


def test_an_answer_is_given_up_when_the_one_who_waits_for_it_has_left():
    ended = []

    async def answer():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("answer")

    async def leave():
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        asyncio.run(_while_there(Request({"type": "http"}, leave), answer()))
    assert ended == ["answer"]


def test_an_answer_reaches_the_one_who_waits_for_it():
    async def answer():
        return b"answer"

    async def stay():
        await asyncio.Event().wait()

    assert asyncio.run(_while_there(Request({"type": "http"}, stay), answer())) == b"answer"
