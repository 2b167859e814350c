# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""Orders, positions and fills of Alpaca's paper account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from sharpen.errors import Refused
from sharpen.paper.alpaca.connection import (
    ORDER_FAILURES,
    AlpacaAccess,
    NoSuchThing,
    ask,
    hardened,
    limited,
    raise_for_order,
    reading,
    told,
    words,
)
from sharpen.paper.orders import BrokerClock, BrokerOrder, Fill, OrderRequest, OrderStatus, Side
from sharpen.paper.ports import BrokerUnavailable

PAGE = 100
OVERLAP_S = 3600.0
STATUS = {
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
    "replaced": OrderStatus.CANCELED,
}
"""Alpaca's final statuses; every other one, also one that is new, means that something may still happen."""


class AlpacaBroker:
    """A paper account at Alpaca.

    Fills are those that Alpaca lists, never those that a stream told: a stream that was down loses none.

    Args:
        access: Address and keys.
        since: Fills before this are not asked for, Unix seconds.

    Raises:
        Refused: The account is blocked.
        BrokerUnavailable: Alpaca cannot be asked.
    """

    def __init__(self, access: AlpacaAccess, since: float) -> None:
        self._client = hardened(
            TradingClient(access.key, access.secret, paper=True, raw_data=True, url_override=access.url)
        )
        self._since = since
        self._newest = since
        self._names: dict[str, str] = {}
        account = ask(self._client, "/account")
        with reading("an account"):
            self.account = str(account.get("account_number") or account["id"])
        self.can_turn = False  # 403 "insufficient qty available" for an order that would pass through 0
        blocked = [name for name in ("trading_blocked", "account_blocked") if account.get(name) is True]
        if blocked or account.get("status") != "ACTIVE":
            raise Refused(
                f"Alpaca's account is {account.get('status')}: {', '.join(blocked) or 'not active'}"
            )

    def close(self) -> None:
        """Leave nothing open: every question was its own."""

    def clock(self) -> BrokerClock:
        """Return Alpaca's time; a session is called by its date in New York."""
        reply = ask(self._client, "/clock")
        with reading("a time"):
            is_open = reply["is_open"] is True
            session = str(reply["next_close"] if is_open else reply["next_open"])[:10]
            return BrokerClock(seconds(reply["timestamp"]), is_open, session)

    def cash(self) -> Decimal:
        """Return the account's cash in dollars."""
        reply = ask(self._client, "/account")
        with reading("an account"):
            return _decimal(reply["cash"])

    def positions(self) -> Mapping[str, Decimal]:
        """Return the shares held, below 0 for short ones."""
        rows = ask(self._client, "/positions")
        with reading("positions"):
            return {str(row["symbol"]): _decimal(row["qty"]) for row in rows}

    def submit(self, order: OrderRequest) -> BrokerOrder:
        """Send a market order for the day, once."""
        sent = {
            "symbol": order.symbol,
            "qty": str(order.quantity),
            "side": order.side,
            "type": "market",
            "time_in_force": "day",
            "client_order_id": order.client_order_id,
        }
        try:
            return self._order(self._client.post("/orders", sent))
        except ORDER_FAILURES as problem:
            raise_for_order(problem)

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order of a name; None when Alpaca has none."""
        try:
            reply = ask(self._client, "/orders:by_client_order_id", {"client_order_id": client_order_id})
        except NoSuchThing:
            return None
        return self._read(reply)

    def open_orders(self) -> Sequence[BrokerOrder]:
        """Return every order that is not final."""
        rows = ask(self._client, "/orders", {"status": "open", "limit": 500})
        with reading("orders"):
            return [self._order(row) for row in rows]

    def cancel(self, order_id: str) -> None:
        """Ask for the end of an order; one that has ended already (422, 404) stays as it is."""
        try:
            self._client.delete(f"/orders/{quote(order_id, safe='')}")
        except APIError as problem:
            status, body = told(problem)
            if status == 429:
                raise limited(problem) from problem
            if status not in (404, 422):
                raise BrokerUnavailable(f"the order was not canceled: {status} {words(body)}") from problem
        except (requests.RequestException, ValueError, TypeError) as problem:
            raise BrokerUnavailable(f"the order may not be canceled: {type(problem).__name__}") from problem

    def fills(self) -> Sequence[Fill]:
        """Return the account's fills, those of the last hour once more: a late one is not missed."""
        after = datetime.fromtimestamp(max(self._since, self._newest - OVERLAP_S), UTC)
        query: dict[str, Any] = {"after": after.isoformat().replace("+00:00", "Z"), "direction": "asc"}
        query["page_size"] = PAGE
        new_fills: list[Fill] = []
        while True:
            rows: list[Mapping[str, Any]] = ask(self._client, "/account/activities/FILL", query)
            if not isinstance(rows, list):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise BrokerUnavailable("Alpaca tells of fills in no list")
            new_fills += [self._fill(row) for row in rows]
            if len(rows) < PAGE:
                break
            query["page_token"] = rows[-1]["id"]
        self._newest = max([self._newest, *(fill.at for fill in new_fills)])
        return new_fills

    def _fill(self, row: Mapping[str, Any]) -> Fill:
        with reading("a fill"):
            name = self._name(str(row["order_id"]))
            side: Side = "buy" if row["side"] == "buy" else "sell"  # the other is sell_short
            quantity, price = _decimal(row["qty"]), _decimal(row["price"])
            at = seconds(row["transaction_time"])
            return Fill(str(row["id"]), name, str(row["symbol"]), side, quantity, price, at)

    def _name(self, order_id: str) -> str:
        """Return the name of an order, which a fill does not have."""
        if order_id not in self._names:
            try:
                self._read(ask(self._client, f"/orders/{quote(order_id, safe='')}"))
            except NoSuchThing:
                return ""  # none of ours: ours are found by name first
        return self._names[order_id]

    def _read(self, row: Mapping[str, Any]) -> BrokerOrder:
        with reading("an order"):
            return self._order(row)

    def _order(self, row: Any) -> BrokerOrder:
        order_id, name = str(row["id"]), str(row["client_order_id"])
        self._names[order_id] = name
        return BrokerOrder(
            order_id,
            name,
            str(row["symbol"]),
            "buy" if row["side"] == "buy" else "sell",
            _decimal(row["qty"] or 0),
            _decimal(row.get("filled_qty") or 0),
            STATUS.get(str(row["status"]), OrderStatus.OPEN),
        )


def seconds(text: str) -> float:
    """Return Unix seconds of a time as Alpaca writes it, to the nanosecond or not.

    >>> seconds("2024-01-05T09:30:00.123456789-05:00") == seconds("2024-01-05T14:30:00.123456Z")
    True
    """
    return datetime.fromisoformat(str(text)).timestamp()


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation as problem:
        raise ValueError(f"{value!r} is no number") from problem
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number")
    return number
