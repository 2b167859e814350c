"""A private S3-compatible service for tests: moto's, in an environment of its own, on a port of 127.0.0.1."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

MOTO = Path(__file__).parents[1] / ".venv-moto" / "bin" / "moto_server"


class S3Service:
    """A service that runs until :meth:`close`; what it keeps is in its memory."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = int(listening.getsockname()[1])
        command = [str(MOTO), "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
        except OSError:  # nobody listens yet, or it is slow to answer
            return False
        return True

    def new_bucket(self, port: int = 0) -> str:
        """Return the address of a folder in a new bucket, as seen through a port."""
        name = f"b{secrets.token_hex(6)}"
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")
        urllib.request.urlopen(asked, timeout=20).close()
        return self.address(name, port)

    def address(self, name: str, port: int = 0) -> str:
        """Return the address of a folder in a bucket, which may not be there."""
        service = f"endpoint_override=127.0.0.1:{port or self.port}&scheme=http&region=us-east-1"
        return f"s3://{name}/desk/files?{service}"

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
