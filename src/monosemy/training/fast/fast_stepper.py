"""Steps of a form without autograd: sparse where few latents are active, dense where many are."""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from monosemy.dictionaries import LossContext, SparseForm
from monosemy.training.adam import Adam
from monosemy.training.fast.dense_step import DenseStep
from monosemy.training.fast.engine import Engine
from monosemy.training.fast.sparse_step import Carried, SparseStep
from monosemy.training.stepper import Step, Stepper


@final
class FastStepper(Stepper):
    """Takes the sparse step where the density of the last step was below `sparse_below`, else another one.

    The other one is the dense step for forms whose active latents are all that are positive, and autograd
    (`definition`) for those that keep k, which are nearly always sparse. The choice is a function of the member alone.
    """

    def __init__(
        self, form: SparseForm, optimizer: Adam, engine: Engine, sparse_below: int | float, definition: Stepper
    ) -> None:
        self._sparse = SparseStep(form, optimizer, engine, sparse_below)
        self._dense = DenseStep(form, optimizer, engine) if form.k is None else None
        self._definition, self._engine, self._sparse_below = definition, engine, sparse_below
        self._carried = Carried()
        if form.k is not None:
            self._carried.density = form.k / len(form.W_enc)
        self.n_sparse_steps = 0

    def step_(self, x: Float[Tensor, "batch d"], context: LossContext, learning_rate: float) -> Step:
        """One step."""
        step = None
        if self._carried.density < self._sparse_below:
            step = self._sparse.step_(x, context, learning_rate, self._carried)
        if step is not None:
            self.n_sparse_steps += 1
            return step
        if self._dense is None:
            return self._definition.step_(x, context, learning_rate)
        with self._engine.workspace(self._sparse.size(len(x))) as workspace:
            return self._dense.step_(x, context, learning_rate, self._carried, workspace)

    def state(self) -> dict[str, Tensor]:
        """The guess and the density."""
        return {"carried": torch.tensor([self._carried.guess, self._carried.density], dtype=torch.float64)}

    def load_state_(self, state: Mapping[str, Tensor]) -> None:
        """Go on with a guess and a density; raises KeyError without them."""
        guess, density = state["carried"].tolist()
        self._carried = Carried(guess=guess, density=density)
