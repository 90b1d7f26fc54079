"""Terms of training losses: pure functions of one batch, in the unit that their docstring names.

x is the normalized activation `[batch d]` that the dictionary was given, x_hat its reconstruction.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monosemy.dictionaries.sparsifiers import keep, largest


def squared_error(x: Float[Tensor, "batch d"], x_hat: Float[Tensor, "batch d"]) -> Float[Tensor, ""]:
    """Mean over the batch of |x - x_hat|^2, summed over dimensions; squares of the unit of x. Source: paper, eq. 4."""
    return (x - x_hat).square().sum() / len(x)


def mean_squared_error(x: Float[Tensor, "batch d"], x_hat: Float[Tensor, "batch d"]) -> Float[Tensor, ""]:
    """Mean over the batch and over dimensions of (x_i - x_hat_i)^2: `squared_error` / d, what the paper's code has."""
    return (x - x_hat).square().mean()


def l1(z: Float[Tensor, "batch n_latents"]) -> Float[Tensor, ""]:
    """Mean over the batch of ||z||_1 of latents that are not negative, hence their plain sum.

    The absolute value would change nothing after a ReLU and cost two more passes over the batch's latents.
    """
    return z.sum() / len(z)


def auxk(
    residual: Float[Tensor, "batch d"],
    pre_acts: Float[Tensor, "batch n_latents"],
    directions: Float[Tensor, "n_latents d"],
    is_dead: Bool[Tensor, " n_latents"],
    k_aux: int,
) -> Float[Tensor, ""]:
    """How badly the dead latents alone reconstruct what the live ones left over; a fraction, 1 = as badly as the mean.

        e_hat = (pre_acts on the k_aux largest of the dead latents, else 0) directions
        auxk  = sum |e - e_hat|^2 / sum |e - mean(e)|^2        e = residual, taken as a constant

    It is what moves a dead latent, whose own gradient is zero. Exactly 0, without a graph, where no latent is dead, and
    where the residual does not vary (one row). Fewer dead latents than k_aux: all of them. Source: Gao et al. 2024
    (arXiv 2406.04093), appendix A.2; here without their ReLU on the dead latents (as SAELens), so that a latent with
    only negative pre-activations is moved too, and without the decoder's bias, which the main reconstruction holds.
    """
    dead = is_dead.nonzero().flatten()
    residual = residual.detach()
    variation = (residual - residual.mean(dim=0)).square().sum()
    if len(dead) == 0 or k_aux == 0 or variation == 0:
        return residual.new_zeros(())
    z = pre_acts.index_select(1, dead)
    if len(dead) > k_aux:
        z = keep(z, largest(z, k_aux))
    return (residual - z @ directions[dead]).square().sum() / variation


def unit_rows(weights: Float[Tensor, "n_latents d"]) -> Float[Tensor, "n_latents d"]:
    """Rows divided by their norm; by 1e-8 where that is larger, as the paper's code does."""
    return weights / torch.linalg.vector_norm(weights, dim=1, keepdim=True).clamp_min(1e-8)
