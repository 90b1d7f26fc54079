"""A sweep of tied L1 dictionaries without Monosemy: one by one in plain torch, and stacked under `torch.func.vmap`.

Both are the paper's design (Cunningham et al. 2023: all members on one batch), written afresh: ReLU of normalized rows,
the same rows to decode, squared error + coefficient * L1, Adam with its step count.
"""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from contestants import Contestant, Monosemy
from peers import loaded
from torch import Tensor, nn


def weights(ours: Monosemy) -> list[tuple[Tensor, Tensor]]:
    """Copies of M and b of every member, to start from the same."""
    return [(member.module.M.detach().clone(), member.module.b.detach().clone()) for member in ours.learners]  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]


def code(M: Tensor, b: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Latents and reconstruction of one member."""
    rows = M / M.norm(dim=-1, keepdim=True)
    z = torch.relu(x @ rows.T + b)
    return z, z @ rows


def loss(M: Tensor, b: Tensor, coefficient: Tensor, x: Tensor) -> Tensor:
    """Squared error summed over dimensions + coefficient * L1, mean over the batch."""
    z, x_hat = code(M, b, x)
    return (x - x_hat).square().sum(dim=-1).mean() + coefficient * z.sum(dim=-1).mean()


@final
class OneByOne(Contestant):
    """Each member a module with its own `torch.optim.Adam` with torch's defaults, one after the other."""

    def __init__(self, start: Sequence[tuple[Tensor, Tensor]], coefficients: Sequence[float], rate: float) -> None:
        self.members = [(nn.Parameter(M.clone()), nn.Parameter(b.clone())) for M, b in start]
        self.coefficients = [torch.tensor(coefficient) for coefficient in coefficients]
        self.optimizers = [torch.optim.Adam(member, lr=rate) for member in self.members]

    def step(self, x: Tensor) -> None:
        """A step of every member."""
        for (M, b), coefficient, optimizer in zip(self.members, self.coefficients, self.optimizers, strict=True):
            optimizer.zero_grad()
            loss(M, b, coefficient, x).backward()
            optimizer.step()

    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of every member."""
        return [code(M, b, x) for M, b in self.members]


@final
class Vmap(Contestant):
    """All members in one stack: gradients by `vmap(grad(loss))` over the members, `torchopt.adam` on the stack."""

    def __init__(self, start: Sequence[tuple[Tensor, Tensor]], coefficients: Sequence[float], rate: float) -> None:
        torchopt = loaded("torchopt")
        self.apply_updates = torchopt.apply_updates
        self.coefficients = torch.tensor(coefficients)
        self.parameters = {"M": torch.stack([M for M, _ in start]), "b": torch.stack([b for _, b in start])}
        self.optimizer = torchopt.adam(lr=rate)
        self.state = self.optimizer.init(self.parameters)

        def one(parameters: Mapping[str, Tensor], coefficient: Tensor, x: Tensor) -> Tensor:
            return loss(parameters["M"], parameters["b"], coefficient, x)

        self.gradients = torch.func.vmap(torch.func.grad(one), in_dims=(0, 0, None))

    def step(self, x: Tensor) -> None:
        """A step of the stack."""
        gradients = self.gradients(self.parameters, self.coefficients, x)
        updates, self.state = self.optimizer.update(gradients, self.state, inplace=True)
        self.parameters = self.apply_updates(self.parameters, updates, inplace=True)

    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of every member."""
        return [code(M, b, x) for M, b in zip(self.parameters["M"], self.parameters["b"], strict=True)]
