"""Alpaca's paper account on this machine, as its documentation describes it: orders, fills, bars, updates.

Faults are put in front of calls by the test: each is used once, for the next call of its method. ``watch``
hears of every call three times: ``asked``, ``done`` before the answer is sent, and ``told`` after it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sharpen.paper.alpaca.connection import AlpacaAccess

KEY, SECRET = "PKTEST", "very-secret"


@dataclass(frozen=True)
class Fault:
    """What happens to a call in place of its answer.

    ``before`` answers and does nothing; ``after`` does what was asked and then answers this; a status of 0
    drops the connection, and ``wait`` keeps it waiting first.
    """

    method: str
    path: str
    status: int
    body: str = ""
    taken: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class AlpacaStandIn:
    """A paper account that outlives the traders which use it."""

    def __init__(self, now: float = 0.0, cash: str = "100000") -> None:
        self.now, self.is_open = now, False
        self.next_open, self.next_close = "2024-07-03T09:30:00-04:00", "2024-07-03T13:00:00-04:00"
        self.cash = Decimal(cash)
        self.held: dict[str, Decimal] = {}
        self.orders: list[dict[str, Any]] = []
        self.activities: list[dict[str, Any]] = []
        self.bars: dict[str, list[dict[str, Any]]] = {}
        self.prices: dict[str, str] = {}
        self.fills_at_once: list[str] | None = None
        self.faults: list[Fault] = []
        self.calls: list[tuple[str, str]] = []
        self.account_status = "ACTIVE"
        self.page = 1000
        self.n_told = 0  # fills in the newest answer
        self.watch: Callable[[str, str], None] = lambda _when, _method: None
        self.lock = threading.RLock()
        stand_in = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                stand_in.serve(self)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # whoever asked is dead

        self.server = Server(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def access(self) -> AlpacaAccess:
        return AlpacaAccess(KEY, SECRET, self.url, self.url, "ws://127.0.0.1:9/stream")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # --- what happens at the market -------------------------------------------------------------------

    def fill(self, order: dict[str, Any], quantity: str, price: str | None = None) -> None:
        """Carry out a part of an order."""
        with self.lock:
            part, paid = Decimal(quantity), Decimal(price or self.prices[order["symbol"]])
            sign = 1 if order["side"] == "buy" else -1
            filled = Decimal(order["filled_qty"]) + part
            assert filled <= Decimal(order["qty"])
            is_done = filled == Decimal(order["qty"])
            order |= {"filled_qty": str(filled), "status": "filled" if is_done else "partially_filled"}
            self.cash -= sign * part * paid
            self.held[order["symbol"]] = self.held.get(order["symbol"], Decimal(0)) + sign * part
            n = len(self.activities)
            self.activities.append(
                {
                    "id": f"20240703{n:09d}::e{n}",
                    "activity_type": "FILL",
                    "order_id": order["id"],
                    "symbol": order["symbol"],
                    "side": order["side"] if sign > 0 else "sell",
                    "qty": str(part),
                    "price": str(paid),
                    "cum_qty": str(filled),
                    "leaves_qty": str(Decimal(order["qty"]) - filled),
                    "transaction_time": stamp(self.now),
                    "type": "fill" if is_done else "partial_fill",
                }
            )

    def order(self, symbol: str) -> dict[str, Any]:
        """Return the newest order of a symbol."""
        return next(order for order in reversed(self.orders) if order["symbol"] == symbol)

    # --- what is asked ---------------------------------------------------------------------------------

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body: Any = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self.lock:
            path = parts.path.removeprefix("/v2")
            self.watch("asked", request.command)
            self.calls.append((request.command, path))
            fault = self._fault(request.command, path)
            if request.headers.get("APCA-API-SECRET-KEY") != SECRET:
                status, reply = 401, {"code": 40110000, "message": "request is not authorized"}
            elif fault is None or fault.taken:
                status, reply = self._answer(request.command, path, asked | (json.loads(body or b"{}")))
            else:
                status, reply = 0, None
            self.watch("done", request.command)
        headers: dict[str, str] = {}
        content = "" if reply is None else json.dumps(reply)
        if fault is not None:
            status, content, headers = fault.status, fault.body, fault.headers
        if status == 0:
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content.encode()))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content.encode())
        with self.lock:
            self.watch("told", request.command)

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and path.startswith(fault.path):
                self.faults.remove(fault)
                return fault
        return None

    def _answer(self, method: str, path: str, asked: dict[str, Any]) -> tuple[int, Any]:  # noqa: PLR0911
        words = path.strip("/").split("/")
        if path == "/orders" and method == "POST":
            return self._take(asked)
        if words[0] == "orders" and method == "DELETE":
            return self._cancel(words[1])
        if path == "/orders:by_client_order_id":
            return self._one(lambda order: order["client_order_id"] == asked["client_order_id"])
        if path == "/orders":
            return 200, [order for order in self.orders if order["status"] not in FINAL][:500]
        if words[0] == "orders":
            return self._one(lambda order: order["id"] == words[1])
        if path == "/account/activities/FILL":
            return 200, self._page(asked)
        if path == "/stocks/bars":
            return 200, self._bars(asked)
        answers: dict[str, Any] = {
            "/account": {
                "id": "a1",
                "account_number": "PA1",
                "status": self.account_status,
                "cash": str(self.cash),
                "trading_blocked": False,
                "account_blocked": False,
            },
            "/clock": {
                "timestamp": stamp(self.now),
                "is_open": self.is_open,
                "next_open": self.next_open,
                "next_close": self.next_close,
            },
            "/positions": [{"symbol": s, "qty": str(q)} for s, q in self.held.items() if q],
        }
        return (200, answers[path]) if path in answers else (404, {"code": 40410000, "message": path})

    def _take(self, asked: dict[str, Any]) -> tuple[int, Any]:
        if any(order["client_order_id"] == asked["client_order_id"] for order in self.orders):
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        if message := self._conflict(asked["symbol"], asked["side"], Decimal(asked["qty"])):
            return 403, {"code": 40310000, "message": message}
        order = {name: asked[name] for name in ("symbol", "side", "qty", "client_order_id", "time_in_force")}
        order |= {"id": f"o{len(self.orders)}", "filled_qty": "0", "status": "accepted"}
        self.orders.append(order)
        for share in self.fills_at_once or ():
            left = Decimal(order["qty"]) - Decimal(order["filled_qty"])
            part = left if share == "1" else (left * Decimal(share)).to_integral_value()
            if part:
                self.fill(order, str(part))
        return 200, order

    def _conflict(self, symbol: str, side: str, quantity: Decimal) -> str:
        """Return why an order may not be: it passes through 0, or its opposite is open. Empty when it may.

        Source: issues 90, 82 and 250 of alpacahq/Alpaca-API.
        """
        working = [o for o in self.orders if o["symbol"] == symbol and o["status"] not in FINAL]
        if any(order["side"] != side for order in working):
            return "opposite side market/stop order exists"
        held = self.held.get(symbol, Decimal(0))
        left = sum((Decimal(o["qty"]) - Decimal(o["filled_qty"]) for o in working), Decimal(0))
        is_closing = held > 0 if side == "sell" else held < 0
        if is_closing and quantity > abs(held) - left:
            return (
                f"insufficient qty available for order (requested: {quantity}, available: {abs(held) - left})"
            )
        return ""

    def _cancel(self, order_id: str) -> tuple[int, Any]:
        order = next(order for order in self.orders if order["id"] == order_id)
        if order["status"] in FINAL:
            return 422, {"code": 42210000, "message": "order is not cancelable"}
        order["status"] = "canceled"
        return 204, None

    def _one(self, wanted: Any) -> tuple[int, Any]:
        found = [order for order in self.orders if wanted(order)]
        return (200, found[0]) if found else (404, {"code": 40410000, "message": "order not found"})

    def _page(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        rows = [row for row in self.activities if row["transaction_time"] > asked["after"]]
        token = asked.get("page_token")
        begin = 1 + next(i for i, row in enumerate(rows) if row["id"] == token) if token else 0
        page = rows[begin : begin + int(asked["page_size"])]
        self.n_told = len(page)
        return page

    def _bars(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = asked["symbols"].split(",")
        rows = [(s, bar) for s in wanted for bar in self.bars.get(s, ()) if bar["t"] <= asked["end"]]
        begin = int(asked.get("page_token", 0))
        page = rows[begin : begin + self.page]
        bars: dict[str, list[Any]] = {}
        for symbol, bar in page:
            bars.setdefault(symbol, []).append(bar)
        end = begin + self.page
        return {"bars": bars or None, "next_page_token": str(end) if end < len(rows) else None}


FINAL = ("filled", "canceled", "expired", "rejected", "replaced")


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
