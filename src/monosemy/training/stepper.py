"""One training step of one dictionary: what it gives, and its definition by automatic differentiation."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monosemy.dictionaries import LossContext, TrainableDictionary
from monosemy.training.adam import Adam


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """What a step saw of its batch, before the update.

    loss: its terms, weighted. n_active: non-zero latents in all rows. squared_error: sum of |x - x_hat|^2 over the
    batch. fired: the latents that were active. row_error: |x - x_hat|^2 of each row. is_finite: whether loss and
    weights are finite; where not, the weights may be spoiled.
    """

    loss: Mapping[str, float]
    n_active: int
    squared_error: float
    fired: Bool[Tensor, " n_latents"]
    row_error: Float[Tensor, " batch"]
    is_finite: bool


class Stepper(ABC):
    """Takes optimizer steps of one dictionary, all state of which stands in its module and its optimizer."""

    @abstractmethod
    def step_(self, x: Float[Tensor, "batch d"], context: LossContext, learning_rate: float) -> Step:
        """One step on normalized activations."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What the next step depends on beside module and optimizer; small, and copied."""

    @abstractmethod
    def load_state_(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""


@final
class AutogradStepper(Stepper):
    """The definition: the architecture's forward pass and loss, differentiated by torch."""

    def __init__(self, module: TrainableDictionary, optimizer: Adam) -> None:
        self.module, self.optimizer = module, optimizer

    def step_(self, x: Float[Tensor, "batch d"], context: LossContext, learning_rate: float) -> Step:
        """Forward, backward, Adam, `after_step_`; where the loss is not finite nothing is changed."""
        encoding = self.module.encode_train(x)
        x_hat = self.module.decode_train(encoding)
        terms = self.module.loss(x, encoding, x_hat, context)
        total = torch.stack(list(terms.values())).sum()
        is_finite = math.isfinite(total.item())
        if is_finite:
            self.optimizer.zero_grad()
            total.backward()
            self.optimizer.step_(learning_rate)
            self.module.after_step_(encoding)
        row_error = (x - x_hat.detach()).square().sum(dim=1)
        return Step(
            loss={name: term.item() for name, term in terms.items()},
            n_active=int(torch.count_nonzero(encoding.values)),
            squared_error=float(row_error.double().sum()),
            fired=encoding.fired(),
            row_error=row_error,
            is_finite=is_finite,
        )

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load_state_(self, state: Mapping[str, Tensor]) -> None:
        """Nothing; raises ValueError when given something."""
        if state:
            raise ValueError(f"the definition keeps no state, and was given {', '.join(state)}")
