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


def weighted_l1(z: Float[Tensor, "batch n_latents"], W_dec: Float[Tensor, "n_latents d"]) -> Float[Tensor, ""]:
    """Mean over the batch of sum_i z_i |W_dec_i|, for latents that are not negative.

    What latent i adds to a reconstruction has this length, so that nothing is gained by small latents and long rows.
    Source: Conerly et al. 2024, "Update on how we train SAEs" (Anthropic, Circuits Updates, April 2024).
    """
    return z.sum(dim=0) @ torch.linalg.vector_norm(W_dec, dim=1) / len(z)


def saturating(z: Float[Tensor, "batch n_latents"], sharpness: int | float) -> Float[Tensor, ""]:
    """Mean over the batch of sum_i tanh(sharpness z_i), for latents that are not negative; l0 where they are large.

    Source: Anthropic, Circuits Updates, January 2025 (sharpness 4, and latents times the norms of their rows, which are
    1 where we use it).
    """
    return (sharpness * z).tanh().sum() / len(z)


def off_target(l0: Float[Tensor, ""], target: int | float) -> Float[Tensor, ""]:
    """(l0 / target - 1)^2 for the l0 of a whole batch; rows may differ from the target as long as their mean does not.

    Source: Rajamanoharan et al. 2024 (arXiv 2407.14435), discussion. With the square inside the mean over rows, as
    other toolkits have it, the variance of the rows would be penalized too.
    """
    return (l0 / target - 1).square()


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
    where the residual does not vary (`variation_of`). Fewer dead latents than k_aux: all of them. Source: Gao et al.
    2024 (arXiv 2406.04093), appendix A.2; here without their ReLU on the dead latents (as SAELens), so that a latent
    with only negative pre-activations is moved too, and without the decoder's bias, which the main reconstruction
    holds.
    """
    dead = is_dead.nonzero().flatten()
    residual = residual.detach()
    variation = variation_of(residual)
    if len(dead) == 0 or k_aux == 0 or variation == 0:
        return residual.new_zeros(())
    z = pre_acts.index_select(1, dead)
    if len(dead) > k_aux:
        z = keep(z, largest(z, k_aux))
    return (residual - z @ directions[dead]).square().sum() / variation


def variation_of(residual: Float[Tensor, "batch d"]) -> Float[Tensor, ""]:
    """sum |e - mean(e)|^2 over the rows; 0 below 1e-10 of sum |e|^2, which is what rounding leaves of equal rows."""
    variation = (residual - residual.mean(dim=0)).square().sum()
    return variation * (variation > 1e-10 * residual.square().sum())


def unit_rows(weights: Float[Tensor, "n_latents d"]) -> Float[Tensor, "n_latents d"]:
    """Rows divided by their norm; by 1e-8 where that is larger, as the paper's code does."""
    return weights / torch.linalg.vector_norm(weights, dim=1, keepdim=True).clamp_min(1e-8)
