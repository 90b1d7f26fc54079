"""The end of a step on a GPU: Adam on stacked parameters, on the sphere where rows have a norm to keep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from monosemy.training.adam import BETA_1, BETA_2, EPSILON, Adam

RowKind = Literal["free", "unit", "normalized"]
"""Rows without a constraint; rows of unit norm; rows that are used divided by their norm, which may be any."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stacked:
    """A parameter of all members and its moments, each of the shape `[members ...]`."""

    values: Tensor
    m: Tensor
    v: Tensor

    @staticmethod
    def alone(parameter: nn.Parameter, optimizer: Adam) -> "Stacked":
        """Of one member: its own tensors."""
        m, v = optimizer.moments(parameter)
        return Stacked(values=parameter.detach()[None], m=m[None], v=v[None])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Parameters:
    """Those of a form. decoder None: tied, or not trained. decoder_bias None: none."""

    encoder: Stacked
    encoder_bias: Stacked
    decoder: Stacked | None
    decoder_bias: Stacked | None
    tied: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Gradients:
    """As `Parameters`; in a tied form `encoder` is the sum of both gradients, for the normalized rows."""

    encoder: Float[Tensor, "members n_latents d"]
    encoder_bias: Float[Tensor, "members n_latents"]
    decoder: Float[Tensor, "members n_latents d"] | None
    decoder_bias: Float[Tensor, "members d"] | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rates:
    """Of each member: learning rate / (1 - .9^t), and 1 / sqrt(1 - .999^t)."""

    step: Float[Tensor, " members"]
    root: Float[Tensor, " members"]

    @staticmethod
    def of(optimizers: Sequence[Adam], learning_rates: Sequence[float], device: torch.device) -> "Rates":
        """Of the optimizers' next steps."""
        corrections = [optimizer.next_corrections() for optimizer in optimizers]
        steps = [rate / first for rate, (first, _) in zip(learning_rates, corrections, strict=True)]
        roots = [second**-0.5 for _, second in corrections]
        step, root = torch.tensor([steps, roots], dtype=torch.float32, device=device)
        return Rates(step=step, root=root)


UpdateRows = Callable[[Stacked, Tensor, Rates, RowKind], Tensor]


def update_rows_(
    parameter: Stacked, gradient: Float[Tensor, "members rows d"], rates: Rates, kind: RowKind
) -> Float[Tensor, " members"]:
    """One Adam step of `[members rows d]`; returns sums that are finite where all weights of a member are.

    unit: the gradient is made tangent, the rows are set back to unit norm. normalized: the gradient, given for the
    normalized row, is turned into that of the row as it is.
    """
    w, m, v = parameter.values, parameter.m, parameter.v
    if kind != "free":
        square = w.square().sum(dim=2, keepdim=True)
        along = (gradient * w).sum(dim=2, keepdim=True) / square.clamp_min(1e-16)
        gradient = gradient - along * w
        if kind == "normalized":
            gradient /= square.sqrt().clamp_min(1e-8)
    m.mul_(BETA_1).add_(gradient, alpha=1 - BETA_1)
    v.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
    step, root = rates.step[:, None, None], rates.root[:, None, None]
    w -= step * m / (v.sqrt() * root + EPSILON)
    if kind == "unit":
        w /= torch.linalg.vector_norm(w, dim=2, keepdim=True).clamp_min(1e-8)
    return w.square().sum(dim=(1, 2))


def update_(
    parameters: Parameters, gradients: Gradients, rates: Rates, update_rows: UpdateRows = update_rows_
) -> Float[Tensor, " members"]:
    """One step of all parameters; returns sums that are finite where all weights of a member are.

    update_rows: what takes the step of a matrix; biases are few numbers, and torch does them.
    """
    kind: RowKind = "normalized" if parameters.tied else "free"
    total = update_rows(parameters.encoder, gradients.encoder, rates, kind)
    total = total + _update_vector_(parameters.encoder_bias, gradients.encoder_bias, rates)
    if parameters.decoder is not None and gradients.decoder is not None:
        total = total + update_rows(parameters.decoder, gradients.decoder, rates, "unit")
    if parameters.decoder_bias is not None and gradients.decoder_bias is not None:
        total = total + _update_vector_(parameters.decoder_bias, gradients.decoder_bias, rates)
    return total


def _update_vector_(parameter: Stacked, gradient: Tensor, rates: Rates) -> Tensor:
    rows = Stacked(values=parameter.values[:, None], m=parameter.m[:, None], v=parameter.v[:, None])
    return update_rows_(rows, gradient[:, None], rates, "free")
