"""Requests to a coordinator, repeated until one answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sharpen import errors
from sharpen.wire.channel import Channel, open_channel
from sharpen.wire.protocol import ProtocolError, decode_replies, encode_requests


class Client:
    """Asks the coordinator of a store, through the death of one host and the birth of the next.

    Every request may be sent twice: the coordinator answers the second as it answered the first.

    Args:
        channel: What carries the messages.
        host_if_free: Called when nobody answers; may start a host in this process, or return why it cannot
            just now. None for a process that must never host, such as a training script.
        patience_s: How long to go on trying before :class:`~sharpen.errors.Unreachable`; what suits the
            channel by default. It may be changed while a call is under way.
    """

    def __init__(
        self,
        channel: Channel,
        host_if_free: Callable[[], errors.StoreError | None] | None = None,
        patience_s: float | None = None,
    ) -> None:
        self.channel = channel
        self.patience_s = channel.patience_s if patience_s is None else patience_s
        self._host_if_free = host_if_free

    def another(self) -> Client:
        """Return a client of the same coordinator with a channel of its own, for another thread."""
        return Client(open_channel(self.channel.address), self._host_if_free, self.patience_s)

    def call(self, op: str, **args: Any) -> Any:
        """Return the coordinator's answer to a request.

        Raises:
            Unreachable: Nobody answered within ``patience_s``.
            StoreError: For as long as that, the store could not be written (a full disk, say); or, at once,
                what it holds cannot be read.
            SharpenError: Whatever the coordinator answered with.
        """
        (answer,) = self._ask([{"op": op, "args": args}])
        if isinstance(answer, errors.SharpenError):
            raise answer
        return answer

    def call_all(self, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """Return the answers to several requests, which share a commit.

        The errors that some are answered with are returned in their places.

        Raises:
            Unreachable: Nobody answered within ``patience_s``.
        """
        return self._ask([{"op": op, "args": args} for op, args in requests])

    def _ask(self, requests: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the answers to some requests; try again while no coordinator answers."""
        message = encode_requests(requests)
        began = time.monotonic()
        pause_s, hindrance = 0.01, None
        while True:
            try:
                replies = decode_replies(self.channel.exchange(message, self.patience_s), len(requests))
                answers = [_answer(reply) for reply in replies]
                if (
                    not any(_may_pass(answer) for answer in answers)
                    or time.monotonic() - began > self.patience_s
                ):
                    return answers
            except ProtocolError as problem:
                raise errors.UsageError(problem.message + self.channel.holder()) from problem
            except OSError as problem:
                self.close()
                if time.monotonic() - began > self.patience_s:
                    raise self._unreachable(problem, hindrance) from problem
            if self._host_if_free is not None:
                hindrance = self._host_if_free()
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.5)

    def _unreachable(self, problem: OSError, hindrance: errors.StoreError | None) -> errors.Unreachable:
        if hindrance is not None:
            message = f"{hindrance.message}; it has been tried for {self.patience_s:g} s"
            return errors.Unreachable(message)
        address = self.channel.address.removeprefix("unix:")
        sentence = f"no coordinator answered for {address} within {self.patience_s:g} s: {problem}"
        return errors.Unreachable(
            sentence + (self.channel.diagnose() if isinstance(problem, TimeoutError) else "")
        )

    def close(self) -> None:
        """Close the channel; the next call opens it again."""
        self.channel.close()


def _may_pass(answer: Any) -> bool:
    """Return whether an answer is a hindrance that may be gone in a while, as a full disk is."""
    return isinstance(answer, errors.StoreError) and not isinstance(answer, errors.StoreDamaged)


def _answer(reply: Mapping[str, Any]) -> Any:
    return errors.from_facts(**reply["error"]) if "error" in reply else reply["ok"]
