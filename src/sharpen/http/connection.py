"""One connection to a server: a request, its answer, and which failures are worth another try."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from sharpen import errors
from sharpen.http.keys import FoundKey, find_key

CONNECT_S = 10.0
UNHEARD_MS = 15_000  # what was sent and not even received: the network between is cut
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": UNHEARD_MS}
MOST_WORDS_BYTES = 1 << 20
JSON = "application/json"


class HttpConnection:
    """Sends requests to one server. One at a time; another thread may call :meth:`close`.

    The key is looked up when it connects, in the variables and the file of :mod:`~sharpen.http.keys`. Names
    of proxies in the environment are not looked at.

    Args:
        url: The server's.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: http.client.HTTPConnection | None = None
        self._key = FoundKey()

    def send(
        self,
        method: str,
        path: str,
        body: bytes | BinaryIO | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        expected: tuple[int, ...] = (),
    ) -> http.client.HTTPResponse:
        """Return the answer to a request, to be read to its end before the next one.

        Args:
            method: Such as ``POST``.
            path: Below the server's URL.
            body: What is sent; a file is streamed, and needs a ``Content-Length``.
            headers: Further ones.
            timeout_s: How long the server may be silent.
            expected: Codes that are no failure, beside those from 200 to 299.

        Raises:
            OSError: Nobody answered, or nobody could just now; the same may be sent again.
            SharpenError: The server refused it, or there is no server of sharpen.
        """
        connection = self._connection or self._open(timeout_s)
        shown = {"Authorization": f"Bearer {self._key.key}"} if self._key.key else {}
        try:
            if connection.sock is not None:
                connection.sock.settimeout(timeout_s)
            prefix = urlsplit(self.url).path
            connection.request(method, prefix + path, body, {**shown, **(headers or {})})
            answer = connection.getresponse()
        except http.client.HTTPException as problem:
            self.close()
            raise ConnectionError(f"{self.url} broke off: {problem!r}") from problem
        except (AttributeError, ValueError) as problem:  # another thread has closed it
            self.close()
            raise ConnectionError("the connection was closed") from problem
        except OSError:
            self.close()
            raise
        if 200 <= answer.status < 300 or answer.status in expected:
            return answer
        try:
            raise self._refusal(answer)
        finally:
            self.close()  # the body that was sent may not have been taken

    def read(self, answer: http.client.HTTPResponse, n_bytes: int | None = None) -> bytes:
        """Return an answer's body, or its next bytes, at most so many.

        Raises:
            OSError: It was cut off.
        """
        try:
            return answer.read(n_bytes)
        except (http.client.HTTPException, AttributeError, ValueError) as problem:
            self.close()
            raise ConnectionError(f"the answer of {self.url} was cut off: {problem!r}") from problem
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.sock is not None:
            with contextlib.suppress(OSError, AttributeError):  # another thread may wait for an answer
                connection.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            connection.close()

    def _open(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        self._key = find_key(self.url, os.environ)
        connect_s = min(timeout_s, CONNECT_S)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=connect_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=connect_s)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as problem:
            raise errors.UsageError(
                f"the certificate of {self.url} is not trusted: {problem.verify_message}; SSL_CERT_FILE "
                "names the file of those that are"
            ) from problem
        except ssl.SSLError as problem:
            raise errors.UsageError(
                f"{self.url} does not speak TLS: {problem.reason}; try http://"
            ) from problem
        _watch(connection.sock)
        self._connection = connection
        return connection

    def _refusal(self, answer: http.client.HTTPResponse) -> Exception:
        """Return what to raise for an answer that is a failure."""
        ours = _error_of(answer)
        if answer.status in (401, 403):
            return self._no_entry(ours)
        if answer.status >= 500 or answer.status in (408, 425, 429):
            reason = ours.get("message") or answer.reason
            return ConnectionError(f"{self.url} cannot answer just now ({answer.status}): {reason}")
        if ours:
            return errors.from_facts(ours["kind"], ours["message"], ours.get("facts", {}))
        if 300 <= answer.status < 400:
            where = answer.headers.get("Location", "another address")
            return errors.UsageError(f"{self.url} sends one on to {where:.200}: give that as --server")
        return errors.UsageError(
            f"{self.url} is no server of sharpen that agents can use, or an older one: it answered "
            f"{answer.status} {answer.reason}"
        )

    def _no_entry(self, ours: Mapping[str, Any]) -> errors.UsageError:
        message = ours.get("message", "the server lets nobody in without a key")
        if not self._key.key:
            return errors.UsageError(
                f"{self.url}: {message}; there is no key here: set SHARPEN_API_KEY, or add the machine to "
                "~/.netrc"
            )
        return errors.UsageError(f"{self.url}: {message} (the key in {self._key.source} was shown)")


def _error_of(answer: http.client.HTTPResponse) -> dict[str, Any]:
    """Return the error in an answer of a server of ours; empty for anybody else's."""
    try:
        body: Any = json.loads(answer.read(MOST_WORDS_BYTES))
        error: Any = body["error"]
        is_ours = isinstance(error["kind"], str) and isinstance(error["message"], str)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, http.client.HTTPException):
        return {}
    return cast("dict[str, Any]", error) if is_ours else {}


def _watch(connection: socket.socket) -> None:
    """Have the kernel notice that the network between is cut, also while nothing is said."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
