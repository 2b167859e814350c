"""The channel to a store on another machine: messages as the bodies of HTTP requests to its server."""

from __future__ import annotations

from sharpen import errors
from sharpen.http.connection import HttpConnection

PATH = "/api/agents/messages"
LONGEST_S = 60.0  # for one answer; after that the message is sent again
PATIENCE_S = 600.0  # a network is away for longer than a process that is started again
JSON = "application/json"


class HttpChannel:
    """Carries messages to the server of a store, with its key.

    Args:
        url: The server's.
    """

    patience_s = PATIENCE_S

    def __init__(self, url: str) -> None:
        self._connection = HttpConnection(url)

    @property
    def address(self) -> str:
        """The server's URL."""
        return self._connection.url

    def exchange(self, message: bytes, timeout_s: float) -> bytes:
        """Return the answer to a message.

        Raises:
            OSError: Nobody answered within the time.
            SharpenError: The server refused it, or there is none of sharpen.
        """
        answer = self._connection.send(
            "POST", PATH, message, headers={"Content-Type": JSON}, timeout_s=min(timeout_s, LONGEST_S)
        )
        body = self._connection.read(answer)
        if not answer.headers.get("Content-Type", "").startswith(JSON):
            self.close()
            raise errors.UsageError(f"{self.address} is no server of sharpen: it answered with a page")
        return body

    def holder(self) -> str:
        """Return which server it is."""
        return f" (the server is {self.address})"

    def diagnose(self) -> str:
        """Return nothing: who is at fault cannot be told from here."""
        return ""

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        self._connection.close()
