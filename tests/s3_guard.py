"""A policy of an S3-compatible service, in small: it stands before one and forbids some kinds of requests."""

from __future__ import annotations

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
OWN = {"content-length", "transfer-encoding", "connection", "expect", "date", "server"}
"""Headers of one connection, which are not handed on."""


class Guard:
    """Hands requests on to a service of this machine until :meth:`close`.

    Attributes:
        port: Where it listens.
        forbidden: Methods of HTTP that it answers itself, as a service does what a key may not do.
    """

    def __init__(self, behind: int) -> None:
        self.forbidden: set[str] = set()
        asked = type("AskedHere", (Asked,), {"guard": self, "behind": behind})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), asked)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Asked(BaseHTTPRequestHandler):
    guard: Guard
    behind: int
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self._body()
        if self.command in self.guard.forbidden:
            self._send(403, {"Content-Type": "application/xml"}, DENIED)
            return
        connection = HTTPConnection("127.0.0.1", self.behind, timeout=30)
        asked = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
        connection.request(self.command, self.path, body, asked)
        answer = connection.getresponse()
        content = answer.read()
        found = {name: value for name, value in answer.getheaders() if name.lower() not in OWN}
        n_bytes = answer.headers["Content-Length"] if self.command == "HEAD" else None
        connection.close()
        self._send(answer.status, found, content, n_bytes)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces: list[bytes] = []
        while n_bytes := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(n_bytes))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _send(self, status: int, headers: dict[str, str], content: bytes, n_bytes: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", n_bytes or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
