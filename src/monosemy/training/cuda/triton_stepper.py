"""The sparse step of one wide member on a GPU."""

import importlib.util
from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monosemy.dictionaries import LossContext, SparseForm, unit_rows
from monosemy.training.adam import Adam
from monosemy.training.cuda.auxk import DeadTerm
from monosemy.training.cuda.products import product, rounded
from monosemy.training.cuda.selection import selected
from monosemy.training.cuda.update import Gradients, Parameters, Rates, Stacked, UpdateRows, update_, update_rows_
from monosemy.training.stepper import Step, Stepper

SPARSE_BELOW = 0.007
"""The density under which the sparse step is thought to be faster than the dense one on a GPU: there products are
cheap and gathers are not. An estimate from the figures of an H100 (0.6 PFLOP/s in bfloat16, 4 TB/s of gathers), not
measured; on the CPU it is some 0.3."""


def has_triton() -> bool:
    """Whether triton can be imported; it comes with torch for CUDA."""
    return importlib.util.find_spec("triton") is not None


def row_updater(like: Tensor) -> UpdateRows:
    """What takes the Adam step of a matrix on a tensor's device: Triton's kernel on a GPU, if there, else torch."""
    if like.device.type != "cuda" or not has_triton():
        return update_rows_
    from monosemy.training.cuda.triton_kernels import update_rows_ as update_by_kernel_

    return update_by_kernel_


@final
class TritonStepper(Stepper):
    """Takes the sparse step where the density of the last one was below `sparse_below`, else another one.

    One product gives the pre-activations (on a GPU of bfloat16, with float32 sums); everything after it visits the
    active entries only, in Triton kernels. `definition` takes the other steps. Raises ImportError without triton. Never
    run on a GPU so far: tested in Triton's interpreter.
    """

    def __init__(
        self, form: SparseForm, optimizer: Adam, definition: Stepper, sparse_below: int | float = SPARSE_BELOW
    ) -> None:
        from monosemy.training.cuda import triton_kernels

        self._kernels = triton_kernels
        self.form, self.optimizer = form, optimizer
        self._definition, self._sparse_below = definition, sparse_below
        self._density = 1.0 if form.k is None else form.k / len(form.W_enc)
        self.n_sparse_steps = 0

    @property
    def is_sparse(self) -> bool:
        """Whether the next step is a sparse one."""
        return self._density < self._sparse_below

    def step_(self, x: Float[Tensor, "batch d"], context: LossContext, learning_rate: float) -> Step:
        """One step."""
        if self.is_sparse:
            self.n_sparse_steps += 1
            step = self._sparse_step_(x, context, learning_rate)
        else:
            step = self._definition.step_(x, context, learning_rate)
        self.see(step)
        return step

    def see(self, step: Step) -> None:
        """Take note of the density of a step, also of one that a stack took."""
        self._density = step.n_active / (len(step.row_error) * len(step.fired))

    def state(self) -> dict[str, Tensor]:
        """The density, where the steps on the CPU keep it too."""
        return {"carried": torch.tensor([0.0, self._density], dtype=torch.float64)}

    def load_state_(self, state: Mapping[str, Tensor]) -> None:
        """Go on with a density; raises KeyError without it."""
        self._density = float(state["carried"][1])

    @torch.no_grad()
    def _sparse_step_(self, x: Tensor, context: LossContext, learning_rate: float) -> Step:
        form, kernels, n_latents = self.form, self._kernels, len(self.form.W_enc)
        penalty = float((form.penalty or 0.0) * context.sparsity_factor / len(x))
        error_slope = float(2 * form.error_weight / len(x))
        directions = unit_rows(form.W_enc.detach()) if form.W_dec is None else form.W_dec.detach()
        low_directions = rounded(directions)
        encoder = low_directions if form.W_dec is None else rounded(form.W_enc.detach())
        pre_acts = product(rounded(x), encoder.T).add_(form.b_enc.detach())
        is_active = self._active(pre_acts)
        entries = kernels.listed(pre_acts, is_active)
        bias = None if form.b_dec is None else form.b_dec.detach()
        residual, row_error, slope = kernels.decode(x, low_directions, bias, entries, error_slope, penalty)
        squared_error = row_error.sum(dtype=torch.float64)
        loss = {"reconstruction": form.error_weight * squared_error / len(x)}
        if form.penalty is not None:
            loss["l1"] = penalty * entries.value.sum(dtype=torch.float64)
        columns = kernels.transpose(entries, slope, n_latents)
        tied, trains = form.W_dec is None, form.trains_decoder
        of_encoder, of_bias, of_decoder = kernels.gradients(
            columns, x, residual, error_slope, tied=tied, trains_decoder=trains
        )
        if form.auxk is not None:
            loss["auxk"] = squared_error.new_zeros(())
            dead = context.is_dead.nonzero().flatten()
            if len(dead) > 0:
                term = DeadTerm.of(form.auxk, pre_acts.index_select(1, dead), directions[dead], residual, x)
                loss["auxk"] = term.loss.double()
                of_encoder.index_add_(0, dead, term.encoder)
                of_bias.index_add_(0, dead, term.bias)
                if of_decoder is not None:
                    of_decoder.index_add_(0, dead, term.decoder)
        found = Gradients(
            encoder=of_encoder[None],
            encoder_bias=of_bias[None],
            decoder=None if of_decoder is None else of_decoder[None],
            decoder_bias=None if bias is None else residual.sum(dim=0)[None] * error_slope,
        )
        rates = Rates.of([self.optimizer], [learning_rate], x.device)
        total = update_(self._parameters(), found, rates, kernels.update_rows_)
        self.optimizer.n_steps += 1
        numbers = torch.stack([*loss.values(), squared_error, total[0].double()])
        values = numbers.tolist()
        return Step(
            loss=dict(zip(loss, values, strict=False)),
            n_active=len(entries.index),
            squared_error=values[-2],
            fired=torch.diff(columns.start) > 0,
            row_error=row_error,
            is_finite=bool(numbers.isfinite().all()),
        )

    def _active(self, pre_acts: Tensor) -> Bool[Tensor, "batch n_latents"]:
        """Those that are kept and not at 0; NaN stays among them, so that it is seen."""
        ks = None if self.form.k is None else [self.form.k]
        return selected(pre_acts[None], ks, self.form.selected_in)[0] & ~(pre_acts <= 0)

    def _parameters(self) -> Parameters:
        """The form's own tensors, as a stack of one."""
        form, optimizer = self.form, self.optimizer
        trained = form.W_dec if form.trains_decoder else None
        return Parameters(
            encoder=Stacked.alone(form.W_enc, optimizer),
            encoder_bias=Stacked.alone(form.b_enc, optimizer),
            decoder=None if trained is None else Stacked.alone(trained, optimizer),
            decoder_bias=None if form.b_dec is None else Stacked.alone(form.b_dec, optimizer),
            tied=form.W_dec is None,
        )
