"""Agents as tasks of a Ray cluster, which gives each its share of processors and GPUs.

Ray places them and no more. It ends this process without an exception when its head dies: whoever started
this process starts another. A task only waits for its agent, a process with a session of its own, which hears
of its worker's death by a signal.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sharpen.agents.agent_process import REFUSED
from sharpen.agents.remote.process import KILLED, LEAVING_S, Ending, carry_out
from sharpen.agents.remote.ray_head import WAY_IN, HeadWatch, first_sentence, question, wants_a_token
from sharpen.agents.remote.request import Request
from sharpen.agents.remote.watchdog import NOT_THERE
from sharpen.errors import SharpenError
from sharpen.extras import require

JOIN_S = 60.0
THREADS = "OMP_NUM_THREADS"
PARTS = 10_000  # of a processor or a GPU, as Ray counts them
ROUNDING = 1e-6  # 0.29 * 10_000 is less than 2,900


class RayTasks:
    """Starts agents as Ray tasks.

    Args:
        ray: The library, connected to a cluster.
        head: Of that cluster.
        request: Which agents.
    """

    def __init__(self, ray: Any, head: HeadWatch, request: Request) -> None:
        self._ray = ray
        self._head = head
        self._request = request
        # never run again by Ray itself: the agents are counted here
        n_cpus, n_gpus = (_n_parts(share) / PARTS for share in (request.n_cpus, request.n_gpus))
        share = {"num_cpus": n_cpus, "num_gpus": n_gpus, "max_retries": 0}
        self._task = ray.remote(**share)(carry_out_in_task)

    def start(self, n: int) -> Any:
        """Have an agent started as soon as a node has room for it."""
        named = self._task.options(name=f"sharpen agent {n + 1} of {self._request.sweep_id}")
        return named.remote(self._request.agent_argv, self._request.agent_environment)

    def ended(self, agents: Sequence[Any], wait_s: float) -> Sequence[tuple[Any, Ending]]:
        """Return those that have ended.

        Raises:
            SharpenError: The cluster is another by now, and knows nothing of them.
        """
        if self._head.problem:
            raise SharpenError(f"the Ray cluster at {self._request.address} is lost: {self._head.problem}")
        if not agents:
            time.sleep(wait_s)
            return []
        done, _ = self._ray.wait(list(agents), num_returns=1, timeout=wait_s)
        return [(agent, self._how(agent)) for agent in done]

    def _how(self, agent: Any) -> Ending:
        try:
            return self._ray.get(agent, timeout=LEAVING_S)
        except self._ray.exceptions.RayTaskError as problem:  # no agent could be started there
            return Ending(REFUSED, f"node {problem.ip}: {why_not_started(f'{problem}')}")
        except self._ray.exceptions.RayError as problem:  # the worker or its node died
            return Ending(KILLED, first_sentence(problem))

    def end(self, agents: Sequence[Any]) -> None:
        """Have agents end, those that still wait for room among them."""
        if self._head.problem:
            return  # nobody would hear of it
        for agent in agents:
            self._ray.cancel(agent, force=False)  # a KeyboardInterrupt where the task waits for its agent
        self._ray.wait(list(agents), num_returns=len(agents), timeout=LEAVING_S)


def carry_out_in_task(argv: Sequence[str], environment: Mapping[str, str]) -> Ending:
    """Run an agent in a task; how many threads its programs have is for the sweep file to say.

    A program that calls ``ray.init()`` joins this cluster: it would start one of its own.
    """
    here = {"RAY_ADDRESS": import_module("ray").get_runtime_context().gcs_address}
    return carry_out(argv, {**here, **environment}, without=set_by_ray(Path("/proc/self/environ")))


def why_not_started(traceback: str) -> str:
    r"""Return the last line of what a task died of, and what to do about it.

    >>> why_not_started("Traceback:\nModuleNotFoundError: No module named 'sharpen'\n")
    "ModuleNotFoundError: No module named 'sharpen'; install the sharpen of this machine on every node"
    """
    last = (traceback.strip().splitlines() or ["it said nothing"])[-1].strip()
    is_other = "sharpen" in last and last.startswith(("ModuleNotFoundError", "ImportError", "AttributeError"))
    return f"{last}; install the sharpen of this machine on every node" if is_other else last


def set_by_ray(before: Path) -> Sequence[str]:
    """Return the variables that Ray has set for a task as they do not fit for the programs of an agent.

    Ray has OMP_NUM_THREADS say how many processors the task has, where the user has not set it. These are
    for all slots of the agent together.

    Args:
        before: What holds the variables with which this process began.
    """
    try:
        began_with = before.read_bytes().split(b"\0")
    except OSError:  # not Linux
        return ()
    is_users = any(word.startswith(f"{THREADS}=".encode()) for word in began_with)
    return () if is_users else (THREADS,)


def open_placement(request: Request) -> RayTasks:
    """Return what starts tasks in a cluster.

    Raises:
        MissingExtra: Ray is not installed.
        SharpenError: There is no cluster at the address, or it does not let this process in.
    """
    require("ray", "ray")
    ray: Any = import_module("ray")  # an extra, which a machine that checks types may lack
    silent = threading.Timer(JOIN_S, _give_up, [request.address])  # Ray itself would try for many minutes
    silent.daemon = True
    silent.start()
    try:
        if ":" in request.address and wants_a_token(ray, request.address):
            raise SharpenError(
                f"the Ray cluster at {request.address} lets nobody in without its token: {WAY_IN}"
            )
        ray.init(address=request.address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as problem:
        message = f"Ray at {request.address} cannot be used: {first_sentence(problem)}"
        raise SharpenError(f"{message}{_way_out(message, ray.__version__)}") from problem
    finally:
        silent.cancel()
    atexit.register(
        ray.shutdown
    )  # before its own, which lets the logs that we do not show have half a second
    if message := lack_of_room([node["Resources"] for node in ray.nodes() if node["Alive"]], request):
        print(message, file=sys.stderr, flush=True)
    return RayTasks(ray, HeadWatch(question(ray)), request)


def _give_up(address: str) -> None:
    """End this process, whose main thread waits in Ray."""
    message = f"sharpen: no head of Ray {version('ray')} answers at {address} in {JOIN_S:g} s"
    print(
        f"{message}, or this machine is no node of it: see 'ray status' there, or give another address",
        file=sys.stderr,
        flush=True,
    )
    os._exit(NOT_THERE)


def _way_out(message: str, installed: str) -> str:
    """Return what to do about what Ray says, where that is known."""
    if "Could not find any running" in message:
        return (
            "; start a node on this machine with 'ray start', or give the head's HOST:PORT in place of 'auto'"
        )
    if "Version mismatch" in message:
        return f"; install the cluster's Ray and Python on this machine, which has Ray {installed}"
    if "no authentication token was found" in message:
        return f"; {WAY_IN}"
    if "Failed to connect" in message:
        return f"; what answers there is no head of Ray {installed}, or wants a token: then {WAY_IN}"
    return ""


def lack_of_room(nodes: Sequence[Mapping[str, float]], request: Request) -> str:
    """Return what to say where not all agents have room at once; empty where they have.

    Args:
        nodes: The processors ("CPU") and GPUs ("GPU") of each node.
        request: Which agents.

    >>> request = Request("ray", "auto", "http://desk:8420", "secret", n_agents=8, n_gpus=0.25)
    >>> lack_of_room([{"CPU": 16.0, "GPU": 1.0}, {"CPU": 3.0, "GPU": 1.0}, {"CPU": 64.0}], request)
    'the cluster has room for 7 of 8 agents (each: 1 CPU, 0.25 GPU); others start when there is more'
    """
    n_fit = sum(_n_fit(node, request) for node in nodes)
    needs = f"(each: {request.n_cpus:g} CPU, {request.n_gpus:g} GPU)"
    if n_fit == 0:
        less = "or ask for less with --cpus-per-agent and --gpus-per-agent"
        return f"no node of the cluster has room for an agent {needs}: they start when one joins; {less}"
    if n_fit < request.n_agents:
        shortage = f"room for {n_fit} of {request.n_agents} agents"
        return f"the cluster has {shortage} {needs}; others start when there is more"
    return ""


def _n_fit(node: Mapping[str, float], request: Request) -> int:
    """Return how many agents fit on a node; a share of a GPU comes from one GPU."""
    n_fit = min(request.n_agents, _n_times(request.n_cpus, node.get("CPU", 0.0)))
    n_gpus = node.get("GPU", 0.0)
    if 0.0 < request.n_gpus < 1.0:
        return min(n_fit, int(n_gpus) * _n_times(request.n_gpus, 1.0))
    return min(n_fit, _n_times(request.n_gpus, n_gpus))


def _n_times(share: float, whole: float) -> int:
    """Return how many times a share is in a whole; 1.0 // 0.1 is 9."""
    return _n_parts(whole) // _n_parts(share) if share else sys.maxsize


def _n_parts(share: float) -> int:
    """Return how many of Ray's smallest parts a share is, rounded down so that a seventh fits seven times."""
    return max(1, math.floor(share * PARTS + ROUNDING)) if share else 0
