"""Agents as tasks of a Ray cluster, which gives each its share of processors and GPUs.

Ray places them and no more. It ends this process without an exception when its head dies: whoever started
this process starts another. A task only waits for its agent, a process with a session of its own, which hears
of its worker's death by a signal.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from sharpen.agents.elsewhere.process import LEAVING_S, carry_out
from sharpen.agents.elsewhere.request import Request
from sharpen.errors import SharpenError
from sharpen.extras import require

KILLED = 137  # the exit code of a process that was killed


class RayTasks:
    """Starts agents as Ray tasks.

    Args:
        ray: The library, connected to a cluster.
        request: Which agents.
    """

    def __init__(self, ray: Any, request: Request) -> None:
        self._ray = ray
        self._request = request
        # never run again by Ray itself: the agents are counted here
        share = {"num_cpus": request.n_cpus, "num_gpus": request.n_gpus, "max_retries": 0}
        self._task = ray.remote(**share)(carry_out)

    def start(self, n: int) -> Any:
        """Have an agent started as soon as a node has room for it."""
        named = self._task.options(name=f"sharpen agent {n + 1} of {self._request.sweep_id}")
        return named.remote(self._request.agent_words, self._request.agent_environment)

    def ended(self, agents: Sequence[Any], wait_s: float) -> Sequence[tuple[Any, int, str]]:
        """Return those that have ended."""
        if not agents:
            time.sleep(wait_s)
            return []
        done, _ = self._ray.wait(list(agents), num_returns=1, timeout=wait_s)
        return [(agent, *self._how(agent)) for agent in done]

    def _how(self, agent: Any) -> tuple[int, str]:
        try:
            return self._ray.get(agent)
        except self._ray.exceptions.RayError as problem:  # the worker or its node died
            return KILLED, f"{type(problem).__name__}: {str(problem).strip().splitlines()[0]}"

    def end(self, agents: Sequence[Any]) -> None:
        """Have agents end, those that still wait for room among them."""
        for agent in agents:
            self._ray.cancel(agent, force=False)  # a KeyboardInterrupt where the task waits for its agent
        self._ray.wait(list(agents), num_returns=len(agents), timeout=LEAVING_S)


def open_placement(request: Request) -> RayTasks:
    """Return what starts tasks in a cluster.

    Raises:
        MissingExtra: Ray is not installed.
        SharpenError: There is no cluster at the address.
    """
    require("ray", "ray")
    ray: Any = import_module("ray")  # an extra, which a machine that checks types may lack
    shipped: dict[str, Any] = {"working_dir": request.ship, "excludes": EXCLUDED} if request.ship else {}
    try:
        ray.init(address=request.address, runtime_env=shipped, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as problem:
        words = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise SharpenError(f"no Ray cluster at {request.address}: {words}") from problem
    return RayTasks(ray, request)


EXCLUDED = [".sharpen", ".git", ".venv", "__pycache__", "outputs", "multirun"]
"""What is not shipped: a store has keys in it, and the rest is not the program's."""
