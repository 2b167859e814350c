# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportPrivateUsage=false
# pyright: reportUnknownVariableType=false
"""Which addresses and keys may be used, and what goes wrong when Alpaca is asked."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from sharpen.errors import MissingExtra, UsageError
from sharpen.paper.ports import BrokerUnavailable, OrderRejected, OutcomeUnknown, RateLimited

try:
    import requests
    from alpaca.common.exceptions import APIError
    from alpaca.common.rest import RESTClient
    from requests.adapters import HTTPAdapter
except ImportError as error:
    raise MissingExtra("alpaca-py", "alpaca") from error

PAPER_URL = "https://paper-api.alpaca.markets"
DATA_URL = "https://data.alpaca.markets"
PAPER_STREAM = "wss://paper-api.alpaca.markets/stream"
HOSTS = ("paper-api.alpaca.markets", "data.alpaca.markets", "stream.data.alpaca.markets")
LIVE_KEY = "AK"
TIMEOUT_S = 10.0
RESET_HEADER = "X-RateLimit-Reset"
WRONG_KEYS = (
    "Alpaca refuses the keys (401): APCA_API_KEY_ID and APCA_API_SECRET_KEY must be of the paper account"
)


@dataclass(frozen=True, slots=True)
class AlpacaAccess:
    """Where Alpaca is and what opens it.

    Attributes:
        key: The key's id.
        secret: The key's secret; never shown.
        url: Of trading.
        data_url: Of bars.
        stream_url: Of trade updates.
        feed: ``iex``, or ``sip`` for who pays for it.
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)
    url: str = PAPER_URL
    data_url: str = DATA_URL
    stream_url: str = PAPER_STREAM
    feed: str = "iex"

    def __post_init__(self) -> None:
        """Refuse what is not a paper account.

        Raises:
            UsageError: An address is not of the paper account or of this machine, or the key is a live one.
        """
        for url in (self.url, self.data_url, self.stream_url):
            check_url(url)
        if not (self.key and self.secret):
            raise UsageError(
                "set APCA_API_KEY_ID and APCA_API_SECRET_KEY to the keys of a paper account, which Alpaca's"
                " dashboard shows under Paper; docs/paper.md says what else may be set"
            )
        if self.key.startswith(LIVE_KEY):
            raise UsageError(
                "that key is of a live account (it begins with AK), and sharpen trades no real money:"
                " use the keys of a paper account, which begin with PK"
            )


def check_url(url: str) -> None:
    """Refuse every address but Alpaca's paper account and this machine.

    Raises:
        UsageError: It is another one.

    >>> check_url("https://paper-api.alpaca.markets"), check_url("http://127.0.0.1:8000")
    (None, None)
    """
    try:
        parts = urlsplit(url)
        host, scheme, user = parts.hostname or "", parts.scheme, parts.username
    except ValueError as problem:
        raise UsageError(f"{url!r} is no address: {problem}") from problem
    is_paper = host in HOSTS and scheme in ("https", "wss")
    if user is not None or not (is_paper or _is_here(host)):
        raise UsageError(
            f"{host or url!r} is not Alpaca's paper account ({PAPER_URL}), and sharpen trades no real money:"
            " unset APCA_API_BASE_URL, or name the paper account"
        )


def access_from(environment: Mapping[str, str], feed: str = "iex") -> AlpacaAccess:
    """Return what Alpaca's own variables say: APCA_API_KEY_ID, APCA_API_SECRET_KEY, APCA_API_BASE_URL.

    Raises:
        UsageError: A key is missing, or it is not a paper account.
    """
    url = _base(environment.get("APCA_API_BASE_URL") or PAPER_URL)
    scheme, rest = url.split("://", 1) if "://" in url else ("", url)
    stream = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/stream"
    return AlpacaAccess(
        environment.get("APCA_API_KEY_ID", ""),
        environment.get("APCA_API_SECRET_KEY", ""),
        url,
        _base(environment.get("APCA_API_DATA_URL") or DATA_URL),
        stream,
        feed,
    )


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/v2")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _WithTimeout(HTTPAdapter):
    """Gives every request a time limit: alpaca-py gives none, and a mute server would stop the trader."""

    def send(self, request: Any, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        options["timeout"] = options.get("timeout") or TIMEOUT_S
        return super().send(request, **options)


def hardened(client: RESTClient) -> RESTClient:
    """Return a client that neither waits for ever nor sends an order twice by itself.

    alpaca-py sends a POST again after 429 and 504, and the first may have been taken.
    """
    client._retry_codes = []
    client._session.mount("http://", _WithTimeout())
    client._session.mount("https://", _WithTimeout())
    client._session.trust_env = False  # a proxy or a .netrc must not see the keys
    return client


def ask(client: RESTClient, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """Return the answer to a question; asking changes nothing, so every failure is of one kind.

    Raises:
        BrokerUnavailable: Nobody answered, or not in JSON.
        RateLimited: Too much was asked.
        NoSuchThing: There is none.
    """
    try:
        answer: Any = client.get(path, dict(parameters or {}))
    except APIError as problem:
        status, body = told(problem)
        if status == 404:
            raise NoSuchThing(f"Alpaca has no {path}") from problem
        if status == 429:
            raise limited(problem) from problem
        if status == 401:
            raise BrokerUnavailable(WRONG_KEYS) from problem
        raise BrokerUnavailable(f"Alpaca answered {status} to {path}: {words(body)}") from problem
    except (requests.RequestException, ValueError, TypeError) as problem:
        raise BrokerUnavailable(f"Alpaca cannot be asked: {type(problem).__name__}") from problem
    if answer is None:
        raise BrokerUnavailable(f"Alpaca answered nothing to {path}")
    return answer


@contextmanager
def reading(what: str) -> Generator[None]:
    """Turn what is missing or odd in an answer into one kind of failure: it was asked, and nothing is known.

    Raises:
        BrokerUnavailable: The answer cannot be read.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise BrokerUnavailable(f"Alpaca tells of {what} that cannot be read: {problem!r}") from problem


class NoSuchThing(BrokerUnavailable):
    """Alpaca knows no such order."""


def raise_for_order(problem: Exception) -> NoReturn:
    """Raise what the failure of an order means: refused, not taken, or unknown."""
    if isinstance(problem, APIError):
        status, body = told(problem)
        if status == 429:
            raise limited(problem) from problem
        if status in (400, 403, 404, 422):
            code: Any = body.get("code")
            known = code if isinstance(code, int) else status
            message = words(body) if body else f"Alpaca answered {status}"
            raise OrderRejected(message, code=known) from problem
        if status == 401:
            raise BrokerUnavailable(WRONG_KEYS) from problem
        raise OutcomeUnknown(f"Alpaca answered {status}") from problem
    raise OutcomeUnknown(f"no answer that can be read: {type(problem).__name__}") from problem


ORDER_FAILURES = (APIError, requests.RequestException, ValueError, TypeError, KeyError, ArithmeticError)


def limited(problem: APIError) -> RateLimited:
    """Return the error that says until when nothing may be asked."""
    response = cast("Any", getattr(problem, "_http_error", None))
    headers: Mapping[str, str] = getattr(getattr(response, "response", None), "headers", {}) or {}
    try:
        return RateLimited("Alpaca's rate limit is used up", reset_at=float(headers[RESET_HEADER]))
    except (KeyError, ValueError):
        return RateLimited("Alpaca's rate limit is used up")


def told(problem: APIError) -> tuple[int, Mapping[str, Any]]:
    """Return the status and the body of an error; a body that is no JSON is empty."""
    try:
        body: Any = json.loads(str(problem))
    except ValueError:
        body = {}
    status = cast("int | None", problem.status_code)
    return status or 0, cast("Mapping[str, Any]", body) if isinstance(body, dict) else {}


def words(body: Mapping[str, Any]) -> str:
    """Return what an error says, shortly."""
    return str(body.get("message", "no reason given"))[:200]
