"""Functions with a step, and the gradient that is used in its place."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor


def jump(
    pre: Float[Tensor, "batch n_latents"], theta: Float[Tensor, " n_latents"], bandwidth: int | float
) -> Float[Tensor, "batch n_latents"]:
    """JumpReLU, z = pre where pre > theta, else 0, with a gradient for theta.

        dz / dpre   = H(pre - theta)
        dz / dtheta = -(theta / bandwidth) rect((pre - theta) / bandwidth)        rect(u) = 1 where |u| < 1/2, else 0

    theta and bandwidth are in the unit of pre. Source: Rajamanoharan et al. 2024 (arXiv 2407.14435).
    """
    return _Jump.apply(pre, theta, bandwidth)  # type: ignore[no-any-return]


def step(
    pre: Float[Tensor, "batch n_latents"], theta: Float[Tensor, " n_latents"], bandwidth: int | float
) -> Float[Tensor, "batch n_latents"]:
    """H(pre - theta), 1 where pre > theta, else 0, with a gradient for theta and none for pre.

        dH / dtheta = -(1 / bandwidth) rect((pre - theta) / bandwidth)

    It is a function of the pre-activations: of the latents, which are 0 below theta, the window would see its upper
    half only. Source: Rajamanoharan et al. 2024 (arXiv 2407.14435).
    """
    return _Step.apply(pre, theta, bandwidth)  # type: ignore[no-any-return]


@final
class _Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, theta: Tensor, bandwidth: int | float) -> Tensor:
        ctx.save_for_backward(pre, theta)
        ctx.bandwidth = bandwidth
        return torch.where(pre <= theta, torch.zeros_like(pre), pre)  # not >, which would drop NaN

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (grad,), (pre, theta) = grads, ctx.saved_tensors
        of_pre = torch.where(pre <= theta, torch.zeros_like(grad), grad)
        return of_pre, -theta / ctx.bandwidth * _in_window(grad, pre, theta, ctx.bandwidth), None


@final
class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, theta: Tensor, bandwidth: int | float) -> Tensor:
        ctx.save_for_backward(pre, theta)
        ctx.bandwidth = bandwidth
        return (pre > theta).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        (grad,), (pre, theta) = grads, ctx.saved_tensors
        return None, -_in_window(grad, pre, theta, ctx.bandwidth) / ctx.bandwidth, None


def _in_window(grad: Tensor, pre: Tensor, theta: Tensor, bandwidth: int | float) -> Tensor:
    """For each latent, the sum of the gradients of the rows that are within half a bandwidth of theta."""
    near = (pre - theta).abs_() < bandwidth / 2
    return torch.where(near, grad, torch.zeros_like(grad)).sum(dim=0)
