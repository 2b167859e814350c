"""``sharpen paper run --broker alpaca`` as people type it, against Alpaca's stand-in on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("alpaca")
pytest.importorskip("exchange_calendars")
pytest.importorskip("xgboost")

from sharpen.cli import main
from sharpen.coordinator import connect
from sharpen.paper import live
from sharpen.promotion.paper_evidence import paper_evidence
from sharpen.registry.names import find
from sharpen.store.queries import Reader

from .alpaca_stand_in import KEY, SECRET, AlpacaStandIn
from .model_store import store_with_model
from .test_alpaca import CALENDAR, SYMBOLS, fill_with_bars
from .test_alpaca_stream import StreamStandIn

SESSIONS = CALENDAR._calendar.sessions_in_range("2023-09-01", "2024-07-02")
DAYS = [str(day.date()) for day in SESSIONS]
FIRST = 150
CALLS_A_PHASE = 20
KEYS = {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET}


class OneAddress:
    """Passes what comes to one port on to a web server or, below ``/stream``, to a web socket."""

    def __init__(self, http_port: int, stream_port: int) -> None:
        self.ports = {True: stream_port, False: http_port}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets: list[socket.socket] = [self.listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                is_stream = here.recv(12, socket.MSG_PEEK).startswith(b"GET /stream")
                there = socket.create_connection(("127.0.0.1", self.ports[is_stream]))
                self.sockets += [here, there]
                for source, target in ((here, there), (there, here)):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class PassingDays:
    """Opens and closes the stand-in's exchange as it is asked; what is sent is filled at the open."""

    def __init__(self, alpaca: AlpacaStandIn) -> None:
        self.alpaca, self.day, self.n_calls = alpaca, FIRST, 0
        alpaca.fills_at_once = ["0.5", "1"]
        alpaca.watch = self.watch
        self._evening()

    def watch(self, when: str, _method: str) -> None:
        self.n_calls += when == "asked"
        if when == "asked" and self.n_calls % CALLS_A_PHASE == 0:
            (self._evening if self.alpaca.is_open else self._morning)()

    def _evening(self) -> None:
        self._set(CALENDAR.times(SESSIONS[self.day]).close + 1000, is_open=False)

    def _morning(self) -> None:
        self.day += 1
        for symbol in SYMBOLS:
            self.alpaca.prices[symbol] = str(self.alpaca.bars[symbol][self.day]["o"])
        self._set(CALENDAR.times(SESSIONS[self.day]).open + 60, is_open=True)

    def _set(self, now: float, *, is_open: bool) -> None:
        day = DAYS[self.day if is_open else self.day + 1]
        self.alpaca.next_open = self.alpaca.next_close = f"{day}T16:00:00-04:00"
        self.alpaca.now, self.alpaca.is_open = now, is_open


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a model of the stand-in's symbols, which is often for and often against a symbol."""
    return store_with_model(tmp_path_factory.mktemp("alpaca"), SYMBOLS)


@pytest.fixture
def alpaca(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaStandIn]:
    """A stand-in whose time is the trader's, at the address that the environment names."""
    stand_in, stream = AlpacaStandIn(), StreamStandIn()
    fill_with_bars(stand_in, DAYS)
    PassingDays(stand_in)
    front = OneAddress(stand_in.server.server_port, stream.port)
    monkeypatch.setattr(live.MachineClock, "time", lambda _clock: stand_in.now)
    monkeypatch.setattr(live, "POLL_S", 0.001)
    for name, value in {**KEYS, "APCA_API_BASE_URL": front.url, "APCA_API_DATA_URL": front.url}.items():
        monkeypatch.setenv(name, value)
    yield stand_in
    front.close()
    stream.close()
    stand_in.close()


def sharpen(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *words])


@pytest.mark.slow
def test_days_on_the_paper_account(home: Path, alpaca: AlpacaStandIn) -> None:
    typed = ("paper", "run", "--model", "xgb:v0", "--broker", "alpaca", "--bars", "3")
    assert sharpen(home, "register", "last-1", "--as", "xgb").exit_code == 0
    for _ in range(2):  # the same command goes on
        ran = sharpen(home, *typed)
        assert ran.exit_code == 0, ran.output
        assert "trading on account alpaca by xgb:v0; 'sharpen paper stop' ends it" in ran.stderr
        assert "decided on 3 bars; positions stay as they are" in ran.stderr
    status = json.loads(sharpen(home, "paper", "status", "--account", "alpaca", "--json").stdout)
    assert status["positions"] == {s: str(q) for s, q in alpaca.held.items() if q}
    assert status["fills"] == len(alpaca.activities) > 3
    told = json.loads(sharpen(home, "paper", "report", "--account", "alpaca", "--json").stdout)
    assert (told["replay"]["n_signals"], told["mismatches"]) == (12, 0)
    assert told["n_sessions"] >= 5
    known = paper_evidence(home, find(Reader(home), "xgb:v0"), None)
    assert (known["paper_sessions"], known["signal_mismatches"]) == (told["n_sessions"], 0)
    killed = sharpen(home, "paper", "kill", "--account", "alpaca", "--reason", "wrong prices")
    assert "no trader works on account alpaca" in killed.stderr


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"APCA_API_KEY_ID": ""}, "set APCA_API_KEY_ID and APCA_API_SECRET_KEY"),
        ({"APCA_API_KEY_ID": "AKLIVE"}, "live account"),
        ({"APCA_API_BASE_URL": "https://api.alpaca.markets"}, "sharpen trades no real money"),
        ({"APCA_API_SECRET_KEY": "wrong"}, "Alpaca refuses the keys"),
    ],
)
def test_what_is_not_set_is_said_and_nothing_is_asked(
    home: Path,
    alpaca: AlpacaStandIn,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    why: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    told = sharpen(home, "paper", "run", "--model", "last-1", "--broker", "alpaca", "--account", "new")
    assert told.exit_code in (1, 2)
    assert why in told.stderr
    assert SECRET not in told.output
    assert alpaca.orders == []


def test_options_of_recorded_bars_are_refused(home: Path) -> None:
    words = ("paper", "run", "--model", "last-1", "--broker", "alpaca", "--cash", "5", "--from", "2020-01-01")
    told = sharpen(home, *words)
    assert told.exit_code == 2
    assert "--from, --cash: of recorded bars, not of --broker alpaca" in told.stderr


def test_what_a_program_logged_is_no_model_to_trade(home: Path) -> None:
    content = {"files": [], "record": {}, "run_id": "last-1"}
    with connect(home) as client:
        client.call("register", collection="quantbot/xgb", type="model", content=content, who="ann")
    told = sharpen(home, "paper", "run", "--model", "quantbot/xgb:v0")
    assert told.exit_code == 2
    assert (
        "does not say how it decides: trade a model that 'sharpen register last-1 --as NAME'" in told.stderr
    )


@pytest.mark.parametrize("account", ["../x", "", "a/b", ".hidden", "x" * 65])
def test_an_account_has_the_name_of_a_file(home: Path, account: str) -> None:
    told = sharpen(home, "paper", "status", "--account", account)
    assert told.exit_code == 2
    assert "no name of an account" in told.stderr
