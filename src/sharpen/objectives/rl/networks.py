# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Multilayer perceptrons of P members, their weights stacked: ``[P, in, out]``.

All weights of all networks that one optimizer moves lie in one matrix, a row a member; each layer's weight
is a view of it. A member's rows never meet another's, so a member that is NaN stays so alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional, init

from sharpen.objectives.rl.streams import Streams

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": functional.relu,
    "gelu": functional.gelu,
}
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mlp:
    """A network's form.

    Attributes:
        name: What its weights are called by: ``NAME.0.weight``, ``NAME.0.bias`` and so on.
        sizes: Width of the input, of each hidden layer, and of the output.
        activation: ``tanh``, ``relu`` or ``gelu``, after each hidden layer.
        orthogonal: Whether weights begin orthogonal (and biases 0), as PPO does, or uniform as in
            ``torch.nn.Linear``.
        last_gain: Scale of the orthogonal weights of the last layer.
    """

    name: str
    sizes: tuple[int, ...]
    activation: str = "tanh"
    orthogonal: bool = False
    last_gain: float = 1.0

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of a member's weights."""
        weight_shapes: dict[str, Shape] = {}
        for i, (n_in, n_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            weight_shapes[f"{self.name}.{i}.weight"] = (n_in, n_out)
            weight_shapes[f"{self.name}.{i}.bias"] = (1, n_out)
        return weight_shapes

    @property
    def n_layers(self) -> int:
        """How many layers have weights."""
        return len(self.sizes) - 1

    def draw(self, streams: Streams) -> dict[str, Tensor]:
        """Return first weights, each member's from its own stream."""
        members = [self._draw(generator) for generator in streams.generators]
        return {name: torch.stack([m[name] for m in members]) for name in self.shapes}

    def _draw(self, generator: torch.Generator) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}
        for i, (n_in, n_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            weight = torch.empty(n_out, n_in, device=generator.device)
            bias = torch.zeros(1, n_out, device=generator.device)
            if self.orthogonal:
                is_last = i == len(self.sizes) - 2
                init.orthogonal_(weight, self.last_gain if is_last else math.sqrt(2.0), generator)
            else:
                bound = 1.0 / math.sqrt(n_in)
                init.uniform_(weight, -bound, bound, generator)
                init.uniform_(bias, -bound, bound, generator)
            weights[f"{self.name}.{i}.weight"], weights[f"{self.name}.{i}.bias"] = (
                weight.t().contiguous(),
                bias,
            )
        return weights

    def forward(self, weights: Mapping[str, Tensor], seen: Observed) -> Tensor:
        """Return the network's output. (P, B, out)."""
        x = seen.first_layer(weights[f"{self.name}.0.weight"], weights[f"{self.name}.0.bias"], self.name)
        for i in range(1, len(self.sizes) - 1):
            x = ACTIVATIONS[self.activation](x)
            x = _layer(x, weights[f"{self.name}.{i}.weight"], weights[f"{self.name}.{i}.bias"])
        return x


@dataclass(frozen=True, slots=True)
class Observed:
    """Observations: what is a copy's own, and the row of a table that it shares with others.

    Attributes:
        own: (P, B, k)
        row: (P, B), or None without a table.
        table: (rows, M), or None.
        projected: The table times a network's first weights, by the network's name; where a network is in it
            the row's part of its first layer is looked up and not computed. (P, rows, H)
    """

    own: Tensor
    row: Tensor | None = None
    table: Tensor | None = None
    projected: Mapping[str, Tensor] | None = None

    def first_layer(self, weight: Tensor, bias: Tensor, name: str) -> Tensor:
        """Return the first layer before its activation. (P, B, H)."""
        if self.row is None or self.table is None:
            return torch.baddbmm(bias, self.own, weight)
        if self.projected is not None and name in self.projected:
            k = self.own.shape[-1]
            return torch.baddbmm(take_rows(self.projected[name], self.row), self.own, weight[:, :k])
        return torch.baddbmm(bias, torch.cat([self.own, self.table[self.row]], -1), weight)

    def beside(self, action: Tensor) -> Observed:
        """Return the same with an action beside what is a copy's own."""
        return Observed(torch.cat([action, self.own], -1), self.row, self.table)


def _layer(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``x weight + bias``; bit for bit the same whatever members are beside a member."""
    if weight.shape[2] == 1:  # a batched product with a column rounds by how many members there are
        return (x * weight.transpose(1, 2)).sum(-1, keepdim=True) + bias
    return torch.baddbmm(bias, x, weight)


def project(table: Tensor | None, weights: Mapping[str, Tensor], *nets: Mlp) -> dict[str, Tensor]:
    """Return the table times each network's first weights, bias included. (P, rows, H) each."""
    if table is None:
        return {}
    products: dict[str, Tensor] = {}
    for net in nets:
        weight, bias = weights[f"{net.name}.0.weight"], weights[f"{net.name}.0.bias"]
        rows = table.expand(weight.shape[0], -1, -1)
        products[net.name] = torch.baddbmm(bias, rows, weight[:, -table.shape[1] :])
    return products


def take_rows(values: Tensor, row: Tensor) -> Tensor:
    """Return rows of each member's table. values: (P, rows, H); row: (P, B) -> (P, B, H)."""
    n_members, n_rows = values.shape[:2]
    if n_members == 1:
        return values[0].index_select(0, row.reshape(-1)).reshape(*row.shape, -1)
    offset = torch.arange(n_members, device=row.device)[:, None] * n_rows
    flat = values.reshape(n_members * n_rows, -1)
    return flat.index_select(0, (row + offset).reshape(-1)).reshape(*row.shape, -1)


class Parameters:
    """The weights that one optimizer moves.

    Attributes:
        flat: All of them. (P, N)
        views: Each by its name, as a leaf of autograd that shares the memory of ``flat``.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self.shapes = {name: tuple(value.shape[1:]) for name, value in values.items()}
        self.flat = torch.cat([value.reshape(value.shape[0], -1) for value in values.values()], 1)
        self.views = self._split(self.flat)

    def _split(self, flat: Tensor) -> dict[str, Tensor]:
        views: dict[str, Tensor] = {}
        start = 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            view = flat.detach()[:, start:stop].view(flat.shape[0], *shape)
            views[name], start = view.requires_grad_(), stop
        return views

    def gradient(self, loss: Tensor) -> Tensor:
        """Return the gradient of a loss that is a sum over members. (P, N)."""
        grads = torch.autograd.grad(loss, list(self.views.values()))
        return torch.cat([grad.reshape(grad.shape[0], -1) for grad in grads], 1)

    def copy(self) -> Parameters:
        """Return a copy with memory of its own."""
        return Parameters({name: view.detach() for name, view in self.views.items()})

    def member(self, k: int) -> dict[str, Tensor]:
        """Return the weights of one member, as a stack of one."""
        return {name: view.detach()[k : k + 1] for name, view in self.views.items()}
