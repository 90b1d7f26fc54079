"""The auxiliary loss of dead latents in a sparse step: the same term as `auxk`, with its gradients written out."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monosemy.dictionaries import AuxKForm, SparseForm, keep, largest, variation_of
from monosemy.training.fast.engine import Workspace


@final
class AuxKStep:
    """coefficient sum |e - e_hat|^2 / sum |e - mean(e)|^2, e_hat from the k largest dead latents of each row.

    Used once a step, in this order: `keep_pre_acts` on all rows, `loss`, `add_gradients_`.
    """

    def __init__(self, form: SparseForm, auxk: AuxKForm, is_dead: Bool[Tensor, " n_latents"], n_rows: int) -> None:
        assert form.W_dec is not None  # no tied form has the term
        self.dead = is_dead.nonzero().flatten()
        self._auxk, self._trains_decoder = auxk, form.trains_decoder
        self._directions = form.W_dec.detach()[self.dead]
        self._z = torch.empty(n_rows, len(self.dead))
        self._slope: Tensor | None = None  # of the reconstruction of the residual
        self._kept: Tensor | None = None  # which of them are used, where not all are

    def keep_pre_acts(self, pre_acts: Float[Tensor, "rows n_latents"], first_row: int) -> None:
        """Take what a block of rows gave for the dead latents."""
        torch.index_select(pre_acts, 1, self.dead, out=self._z[first_row : first_row + len(pre_acts)])

    def loss(self, residual: Float[Tensor, "batch d"]) -> float:
        """The weighted term; residual = x_hat - x."""
        if len(self.dead) > self._auxk.k:
            positions = largest(self._z, self._auxk.k)
            self._kept = torch.zeros(self._z.shape, dtype=torch.bool)
            self._kept.view(-1)[positions] = True
            self._z = keep(self._z, positions)
        variation = float(variation_of(residual))
        if variation == 0:
            return 0.0
        left = torch.addmm(residual, self._z, self._directions)  # e_hat - e, as e = -residual
        weight = self._auxk.coefficient / variation
        loss = weight * float(left.square().sum())
        self._slope = left.mul_(2 * weight)
        return loss

    def add_gradients_(self, x: Float[Tensor, "batch d"], workspace: Workspace) -> None:
        """Add the term's gradients to those of the dead latents in the workspace."""
        if self._slope is None:
            return
        slope = self._slope @ self._directions.T
        if self._kept is not None:
            slope.mul_(self._kept)
        torch.from_numpy(workspace.encoder_gradient).index_add_(0, self.dead, slope.T @ x)
        torch.from_numpy(workspace.bias_gradient).index_add_(0, self.dead, slope.sum(dim=0))
        if self._trains_decoder:
            torch.from_numpy(workspace.decoder_gradient).index_add_(0, self.dead, self._z.T @ self._slope)
