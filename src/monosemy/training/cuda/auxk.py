"""The auxiliary loss of dead latents with its gradients written out, on any device."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from monosemy.dictionaries import AuxKForm, variation_of
from monosemy.training.cuda.products import product, rounded
from monosemy.training.cuda.selection import selected


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DeadTerm:
    """coefficient sum |e - e_hat|^2 / sum |e - mean(e)|^2, e_hat from the k largest dead latents of each row.

    loss: the weighted term. encoder, bias, decoder: its gradients for the dead latents.
    """

    loss: Float[Tensor, ""]
    encoder: Float[Tensor, "n_dead d"]
    bias: Float[Tensor, " n_dead"]
    decoder: Float[Tensor, "n_dead d"]

    @staticmethod
    def of(
        auxk: AuxKForm,
        pre_acts: Float[Tensor, "batch n_dead"],
        directions: Float[Tensor, "n_dead d"],
        residual: Float[Tensor, "batch d"],
        x: Float[Tensor, "batch d"],
    ) -> "DeadTerm":
        """Of one member: pre_acts and directions of its dead latents, at least one; residual = x_hat - x."""
        z, slopes_at = pre_acts, None
        if len(directions) > auxk.k:
            slopes_at = selected(z[None], [auxk.k])[0]
            z = torch.where(slopes_at, z, 0.0)
        variation = variation_of(residual)
        weight = torch.where(variation == 0, 0.0, auxk.coefficient / variation)
        low_z, low_directions = rounded(z), rounded(directions)
        left = residual + product(low_z, low_directions)  # e_hat - e, as e = -residual
        slope = 2 * weight * left
        encoder_slope = product(rounded(slope), low_directions.T)
        if slopes_at is not None:
            encoder_slope = torch.where(slopes_at, encoder_slope, 0.0)
        return DeadTerm(
            loss=weight * left.square().sum(),
            encoder=product(rounded(encoder_slope).T, rounded(x)),
            bias=encoder_slope.sum(dim=0),
            decoder=product(low_z.T, rounded(slope)),
        )
