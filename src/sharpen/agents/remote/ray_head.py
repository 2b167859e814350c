"""The head of a cluster: whether it wants a token, is still there, and is still the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from sharpen.errors import SharpenError

LOOK_S = 5.0
SILENT_S = 75.0  # longer than the minute after which Ray itself ends this process
AUTHENTICATION = "ray._private.authentication.authentication_token_setup"
WAY_IN = (
    "set RAY_AUTH_MODE=token here, and have the text of the head's ~/.ray/auth_token in the same file here "
    "or in RAY_AUTH_TOKEN"
)


class HeadWatch:
    """A head that is asked now and then whether it is there.

    Ray does not tell by itself: where another head has begun at the same address, or this machine's own node
    has begun anew, what is submitted is taken and never started.

    Args:
        ask: Returns when it is there, and raises something when it is not; may take as long as it likes.
        now: Seconds that only grow.
        look_s: How long to wait between two questions.
    """

    def __init__(
        self,
        ask: Callable[[], object],
        now: Callable[[], float] = time.monotonic,
        look_s: float = LOOK_S,
    ) -> None:
        self._ask = ask
        self._now = now
        self._look_s = look_s
        self._answered_at = now()
        self._problem = ""
        threading.Thread(target=self._look, daemon=True, name="ray-head").start()

    @property
    def problem(self) -> str:
        """Why agents of its cluster cannot be reached any more; empty while they can."""
        silent_s = self._now() - self._answered_at
        return self._problem or (f"it has not answered for {silent_s:.0f} s" if silent_s > SILENT_S else "")

    def _look(self) -> None:
        while not self._problem:
            try:
                self._ask()
            except Exception as problem:  # whatever Ray raises, in whatever release
                self._problem = first_sentence(problem)
            self._answered_at = self._now()
            time.sleep(self._look_s)


def wants_a_token(ray: Any, address: str) -> bool:
    """Return whether the head at an address refuses this process for want of a token, or of the right one.

    Ray itself asks again and again before it says that it has not been let in, and not why.
    """
    refusal = getattr(ray.exceptions, "AuthenticationError", ())  # an old Ray has no tokens
    try:
        # first, for a client that is to show a token where there is none ends the process
        import_module(AUTHENTICATION).ensure_token_if_auth_enabled(create_token_if_missing=False)
        import_module("ray._raylet").GcsClient(address=address)
    except refusal:
        return True
    except Exception:  # whatever else is wrong there, who joins the cluster says better
        return False
    return False


def question(ray: Any) -> Callable[[], None]:
    """Return what asks the head of the cluster that this process has joined."""
    get = import_module("ray.experimental.internal_kv")._internal_kv_get
    own: str = ray.get_runtime_context().get_node_id()

    def ask() -> None:
        get(b"session_name", namespace=b"session")  # another head answers that it does not know us
        if not any(node["NodeID"] == own and node["Alive"] for node in ray.nodes()):
            raise SharpenError("this machine's node of it is gone")

    return ask


def first_sentence(problem: Exception) -> str:
    r"""Return what an exception of Ray says, without its advice.

    >>> first_sentence(RuntimeError("The node died. Look into `ray logs`.\nmore"))
    'RuntimeError: The node died'
    """
    sentence = " ".join(str(problem).split()).partition(". ")[0].rstrip(".")
    if isinstance(problem, SharpenError):
        return sentence
    return f"{type(problem).__name__}: {sentence}" if sentence else type(problem).__name__
