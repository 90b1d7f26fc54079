"""The sparse step: exact gradients from the active entries alone, after one product for the pre-activations.

of 5 products of the size batch x n_latents x d that a dense step makes, one is left; the other four visit the
active entries only, a share of L0 / n_latents of them
"""

from dataclasses import dataclass
from typing import final, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from monosemy.dictionaries import LossContext, SparseForm
from monosemy.training import kernels
from monosemy.training.adam import Adam
from monosemy.training.fast.auxk_step import AuxKStep
from monosemy.training.fast.engine import BLOCK_LATENTS, BLOCK_ROWS, Engine, Size, Workspace, pieces
from monosemy.training.fast.parameters import directions_of, update_
from monosemy.training.stepper import Step

_GUESS_SHARE = 0.95  # of the last step's k-th largest value: some more than k entries exceed it in nearly every row
_BATCH_GUESS_SHARE = 0.9
_TILE_BYTES = 2**19  # half of the second-level cache of a core of our machines


@dataclass(kw_only=True, slots=True)
class Carried:
    """What a step hands on to the next: numbers that decide how fast it is, not what it computes.

    guess: near the smallest value that will be kept, 0 where unknown. density: active share of all latents.
    """

    guess: float = 0.0
    density: float = 1.0


@final
class SparseStep:
    """Steps of one form on lists of active entries."""

    def __init__(self, form: SparseForm, optimizer: Adam, engine: Engine, sparse_below: int | float) -> None:
        self.form, self.optimizer, self.engine = form, optimizer, engine
        n_latents = form.W_enc.shape[0]
        # Twice the mean of a row: a block whose rows list more is left to the dense step.
        room = 2 * sparse_below * n_latents if form.k is None or form.selected_in == "batch" else form.k
        self._room = BLOCK_ROWS * min(n_latents, int(np.ceil(room)))
        self._stride = self._room + 1  # the selection may write one word past what it keeps

    def size(self, batch: int) -> Size:
        """Of the workspace for batches of so many rows."""
        n_latents, d = self.form.W_enc.shape
        return Size(batch, n_latents, d, self._stride)

    def step_(
        self, x: Float[Tensor, "batch d"], context: LossContext, learning_rate: float, carried: Carried
    ) -> Step | None:
        """One step, or None, with nothing changed, where more entries are active than there is room for."""
        with self.engine.workspace(self.size(len(x))) as workspace:
            penalty = (self.form.penalty or 0.0) * context.sparsity_factor / len(x)
            directions = directions_of(self.form, workspace, self.engine)
            dead = None
            if self.form.auxk is not None and bool(context.is_dead.any()):
                dead = AuxKStep(self.form, self.form.auxk, context.is_dead, len(x))
            if not self._encode(x, directions, workspace, carried, dead):
                return None
            tile = self._tile(len(x), int((workspace.row_end - workspace.row_start).sum()))
            self._decode(x, directions, workspace, penalty, tile)
            return self._finish(x, workspace, penalty, learning_rate, carried, dead, tile)

    def _encode(
        self, x: Tensor, directions: np.ndarray, workspace: Workspace, carried: Carried, dead: AuxKStep | None
    ) -> bool:
        """List the active entries; False where there is no room for them."""
        form = self.form
        encoder = (torch.from_numpy(directions) if form.W_dec is None else form.W_enc.detach()).T
        bias = form.b_enc.detach()
        if form.selected_in == "batch" and carried.guess == 0.0:
            carried.guess = self._first_guess(torch.addmm(bias, x[:BLOCK_ROWS], encoder))
        guess = np.float32(carried.guess)

        @no_type_check  # made anew at each step
        def encode(thread: int, rows: tuple[int, int]) -> float:
            first, last = rows
            pre_acts = torch.addmm(bias, x[first:last], encoder, out=workspace.pre_acts[thread][: last - first])
            if dead is not None:
                dead.keep_pre_acts(pre_acts, first)
            start = first // BLOCK_ROWS * self._stride
            lists = workspace.row_start, workspace.row_end, workspace.index, workspace.value
            if form.k is not None and form.selected_in == "row":
                return float(kernels.select_top_k(pre_acts.numpy(), form.k, guess, first, start, *lists))
            threshold = np.float32(max(carried.guess, 0.0)) if form.k is not None else np.float32(0.0)
            stop = start + self._room
            return float(kernels.select_above(pre_acts.numpy(), threshold, first, start, stop, *lists))

        found = self.engine.share(encode, pieces(len(x), BLOCK_ROWS))
        if form.k is None:
            return all(found)
        if form.selected_in == "row":
            carried.guess = _GUESS_SHARE * sum(found) / len(x)
            return True
        if not all(found):
            return False
        if self._cut(len(x) * form.k, workspace, carried):
            return True
        carried.guess = 0.5 * carried.guess if carried.guess > 1e-6 else -1.0  # below 0: all that are positive
        return self._encode(x, directions, workspace, carried, dead)

    def _first_guess(self, pre_acts: Tensor) -> float:
        """The value that k entries a row exceed in a block of rows; below 0 where so many are not positive."""
        assert self.form.k is not None
        n_kept = min(len(pre_acts) * self.form.k, pre_acts.numel())
        least = float(pre_acts.flatten().kthvalue(pre_acts.numel() - n_kept + 1).values)
        return _BATCH_GUESS_SHARE * least if least > 0 else -1.0

    def _cut(self, n_kept: int, workspace: Workspace, carried: Carried) -> bool:
        """Keep the n_kept largest entries of the batch; False where too few were listed and more are positive."""
        n_rows = workspace.size.batch
        starts, ends = workspace.row_start, workspace.row_end
        lists = starts, ends, workspace.index, workspace.value
        firsts = range(0, n_rows, BLOCK_ROWS)
        lasts = [min(first + BLOCK_ROWS, n_rows) - 1 for first in firsts]
        values = np.concatenate(
            [workspace.value[starts[first] : ends[last]] for first, last in zip(firsts, lasts, strict=True)]
        )
        if len(values) < n_kept:
            return carried.guess <= 0.0  # all positive ones are listed, and all are kept
        values.partition(len(values) - n_kept)
        least = values[len(values) - n_kept]
        n_tied = n_kept - int((values > least).sum())
        kernels.keep_from(least, n_tied, n_rows, *lists)
        carried.guess = _BATCH_GUESS_SHARE * float(least)
        return True

    def _tile(self, n_rows: int, n_active: int) -> int:
        """How many directions, and how many rows of the batch, are visited at a time.

        So many that a tile fits the cache, and more where they would meet fewer than eight entries of a row or latent.
        """
        n_latents, d = self.form.W_enc.shape
        return max(_TILE_BYTES // (4 * d), 8 * n_latents * n_rows // max(n_active, 1), 1)

    def _decode(self, x: Tensor, directions: np.ndarray, workspace: Workspace, penalty: float, tile: int) -> None:
        form = self.form
        bias = np.zeros(x.shape[1], np.float32) if form.b_dec is None else form.b_dec.detach().numpy()
        error_slope = np.float32(2 * form.error_weight / len(x))
        rows = x.numpy()
        lists = workspace.row_start, workspace.row_end, workspace.index, workspace.value
        found = workspace.residual, workspace.slope, workspace.row_error

        @no_type_check  # made anew at each step
        def of_rows(_thread: int, piece: tuple[int, int]) -> None:
            first, last = piece
            numbers = bias, error_slope, np.float32(penalty), min(tile, len(directions))
            kernels.decode(rows, directions, *numbers, first, last, *lists, *found)

        self.engine.share(of_rows, pieces(len(x), BLOCK_ROWS))

    def _finish(
        self,
        x: Tensor,
        workspace: Workspace,
        penalty: float,
        learning_rate: float,
        carried: Carried,
        dead: AuxKStep | None,
        tile: int,
    ) -> Step:
        form, n_rows = self.form, len(x)
        lists = workspace.row_start, workspace.row_end, workspace.index, workspace.value, workspace.slope
        columns = workspace.column_start, workspace.column_row, workspace.column_value, workspace.column_slope
        kernels.transpose(n_rows, *lists, *columns)
        n_active = int(workspace.column_start[-1])
        row_error = workspace.row_error.copy()
        squared_error = float(row_error.sum(dtype=np.float64))
        loss = {"reconstruction": form.error_weight * squared_error / n_rows}
        if form.penalty is not None:
            loss["l1"] = penalty * float(workspace.column_value[:n_active].sum(dtype=np.float64))
        residual = torch.from_numpy(workspace.residual)
        if form.auxk is not None:
            loss["auxk"] = dead.loss(residual) if dead is not None else 0.0
        is_finite = bool(np.isfinite(list(loss.values())).all())
        fired = torch.from_numpy(np.diff(workspace.column_start) > 0)
        if is_finite:
            decoder_bias_gradient = self._gradients(x, workspace, min(tile, n_rows))
            if dead is not None:
                dead.add_gradients_(x, workspace)
            is_finite = update_(form, self.optimizer, workspace, decoder_bias_gradient, learning_rate, self.engine)
        carried.density = n_active / (n_rows * form.W_enc.shape[0])
        return Step(
            loss=loss,
            n_active=n_active,
            squared_error=squared_error,
            fired=fired,
            row_error=torch.from_numpy(row_error),
            is_finite=is_finite,
        )

    def _gradients(self, x: Tensor, workspace: Workspace, tile: int) -> np.ndarray:
        """The gradients of both matrices and of b_enc into the workspace; returns that of b_dec."""
        form, rows, residual = self.form, x.numpy(), workspace.residual
        error_slope, one = np.float32(2 * form.error_weight / len(x)), np.float32(1.0)
        start, row = workspace.column_start, workspace.column_row
        value, slope = workspace.column_value, workspace.column_slope
        encoder = workspace.encoder_gradient
        decoder = encoder if form.W_dec is None else workspace.decoder_gradient

        @no_type_check  # made anew at each step
        def of_latents(_thread: int, piece: tuple[int, int]) -> None:
            first, last = piece
            kernels.weighted_rows(first, last, tile, start, row, slope, one, rows, False, encoder)
            if form.trains_decoder:
                of_decoder = value, error_slope, residual, decoder is encoder, decoder
                kernels.weighted_rows(first, last, tile, start, row, *of_decoder)
            kernels.column_sums(first, last, start, slope, workspace.bias_gradient)

        self.engine.share(of_latents, pieces(len(encoder), BLOCK_LATENTS))
        return residual.sum(axis=0) * error_slope
