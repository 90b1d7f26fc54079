"""The dense step: hand-written gradients of a ReLU form in reused buffers, for as long as many latents are active."""

from typing import final, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from monosemy.dictionaries import LossContext, SparseForm
from monosemy.training import kernels
from monosemy.training.adam import Adam
from monosemy.training.fast.engine import BLOCK_LATENTS, BLOCK_ROWS, Engine, Workspace, pieces
from monosemy.training.fast.parameters import directions_of, update_
from monosemy.training.fast.sparse_step import Carried
from monosemy.training.stepper import Step


@final
class DenseStep:
    """Five products a step, in buffers that members of one size share; against autograd it saves the gradient of x,
    the passes that copy, and the memory of a graph."""

    def __init__(self, form: SparseForm, optimizer: Adam, engine: Engine) -> None:
        if form.k is not None or form.auxk is not None:
            raise ValueError("a dense step is for forms whose active latents are all that are positive")
        self.form, self.optimizer, self.engine = form, optimizer, engine

    def step_(
        self,
        x: Float[Tensor, "batch d"],
        context: LossContext,
        learning_rate: float,
        carried: Carried,
        workspace: Workspace,
    ) -> Step:
        """One step."""
        form, n_rows = self.form, len(x)
        penalty = (form.penalty or 0.0) * context.sparsity_factor / n_rows
        error_slope = 2 * form.error_weight / n_rows
        z, slope = workspace.dense
        residual = torch.from_numpy(workspace.residual)
        directions = torch.from_numpy(directions_of(form, workspace, self.engine))
        encoder = directions if form.W_dec is None else form.W_enc.detach()

        @no_type_check  # made anew at each step
        def of_rows(_thread: int, piece: tuple[int, int]) -> None:
            rows = slice(*piece)
            torch.addmm(form.b_enc.detach(), x[rows], encoder.T, out=z[rows]).relu_()
            torch.mm(z[rows], directions, out=residual[rows])
            residual[rows] -= x[rows]
            if form.b_dec is not None:
                residual[rows] += form.b_dec.detach()
            torch.mm(residual[rows], directions.T, out=slope[rows])
            slope[rows].mul_(error_slope).add_(penalty)
            torch.ops.aten.threshold_backward.grad_input(slope[rows], z[rows], 0, grad_input=slope[rows])
            torch.sum(residual[rows].square(), dim=1, out=torch.from_numpy(workspace.row_error)[rows])

        self.engine.share(of_rows, pieces(n_rows, BLOCK_ROWS))
        row_error = workspace.row_error.copy()
        squared_error = float(row_error.sum(dtype=np.float64))
        loss = {"reconstruction": form.error_weight * squared_error / n_rows}
        n_active = np.empty(len(form.W_enc), np.int32)
        sums = z.numpy(), slope.numpy(), n_active, workspace.bias_gradient

        @no_type_check  # made anew at each step
        def sums_of(_thread: int, piece: tuple[int, int]) -> float:
            first, last = piece
            return float(kernels.dense_sums(first, last, *sums))

        total = sum(self.engine.share(sums_of, pieces(len(n_active), BLOCK_LATENTS)))
        if form.penalty is not None:
            loss["l1"] = penalty * total
        is_finite = bool(np.isfinite(list(loss.values())).all())
        if is_finite:
            decoder_bias_gradient = self._gradients(x, z, slope, workspace, error_slope)
            is_finite = update_(form, self.optimizer, workspace, decoder_bias_gradient, learning_rate, self.engine)
        carried.density = int(n_active.sum()) / z.numel()
        return Step(
            loss=loss,
            n_active=int(n_active.sum()),
            squared_error=squared_error,
            fired=torch.from_numpy(n_active > 0),
            row_error=torch.from_numpy(row_error),
            is_finite=is_finite,
        )

    def _gradients(self, x: Tensor, z: Tensor, slope: Tensor, workspace: Workspace, error_slope: float) -> np.ndarray:
        """The gradients of both matrices and of b_enc into the workspace; returns that of b_dec."""
        residual = torch.from_numpy(workspace.residual).mul_(error_slope)
        encoder, decoder = (
            torch.from_numpy(gradient) for gradient in (workspace.encoder_gradient, workspace.decoder_gradient)
        )

        @no_type_check  # made anew at each step
        def of_latents(_thread: int, piece: tuple[int, int]) -> None:
            latents = slice(*piece)
            torch.mm(slope[:, latents].T, x, out=encoder[latents])
            if self.form.W_dec is None:
                encoder[latents].addmm_(z[:, latents].T, residual)
            elif self.form.trains_decoder:
                torch.mm(z[:, latents].T, residual, out=decoder[latents])

        self.engine.share(of_latents, pieces(len(encoder), BLOCK_LATENTS))
        return workspace.residual.sum(axis=0)
