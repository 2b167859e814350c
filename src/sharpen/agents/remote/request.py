"""Which agents are wanted elsewhere, and how each is started there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """Agents of one sweep on other machines.

    Attributes:
        placement: A name of :data:`~sharpen.agents.remote.placements.PLACEMENTS`.
        address: Where the machines are: of a Ray cluster, or the names of hosts with commas between them.
        url: The server of the store, as the agents' machines reach it.
        key: What they show to it.
        sweep_id: Whose runs they take.
        n_agents: How many agents.
        options: Further options of each one's command line.
        n_cpus: Processors that each is given.
        n_gpus: GPUs that each is given; a quarter lets four share one.
        settings: Of the placement.
        environment: Variables of each.
    """

    placement: str
    address: str
    url: str
    key: str = field(repr=False)
    sweep_id: str = ""
    n_agents: int = 1
    options: tuple[str, ...] = ()
    n_cpus: float = 1.0
    n_gpus: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def dumps(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Request:
        """Return what :meth:`dumps` has written.

        >>> one = Request("ray", "auto", "http://desk:8420", "secret", options=("--cold",))
        >>> Request.loads(one.dumps()) == one, "secret" in repr(one)
        (True, False)
        """
        fields = json.loads(text)
        return cls(**fields | {"options": tuple(fields["options"])})

    @property
    def agent_argv(self) -> list[str]:
        """What is said to ``sharpen`` on the other machine; no secret is among it."""
        return ["agent", self.sweep_id, "--server", self.url, "--quiet", *self.options]

    @property
    def agent_environment(self) -> dict[str, str]:
        """Variables for the agent, the key among them."""
        return {**self.environment, "SHARPEN_API_KEY": self.key}
