"""What is to be trained, in frozen data: a member of an ensemble, and a point of its curve."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from monosemy.dictionaries import Architecture
from monosemy.training.adam import OptimizerName
from monosemy.training.schedules import cosine_decay, linear_decay, warm_up

Mean = Float64[np.ndarray, " d"]
Covariance = Float64[np.ndarray, "d d"]
Normalization = Mapping[str, tuple[Mean, float] | tuple[Mean, float, Covariance]]
"""Site -> mean of the activations of the train split, the one number that they are divided by, and, where an
architecture whitens, their covariance (of the raw activations)."""

DecayShape = Literal["linear", "cosine"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlyStop:
    """When a member ends before its last step: once its training FVU no longer falls.

    The FVU of a window of `window_steps` of its own steps is sum |x - x_hat|^2 / sum |x - mean(x)|^2 over the batches
    in it. The member stops after `patience_windows` windows in a row, none of which was below the best one by the share
    `min_improvement`.
    """

    window_steps: int
    patience_windows: int
    min_improvement: int | float

    def __post_init__(self) -> None:
        if min(self.window_steps, self.patience_windows) < 1 or not 0 <= self.min_improvement < 1:
            raise ValueError(
                "window_steps and patience_windows must be at least 1 and min_improvement in [0, 1), got "
                f"{self.window_steps}, {self.patience_windows} and {self.min_improvement}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One dictionary to train: what it is, and how; its outcome is a function of this and of the stream.

    seed: of its initial weights and of what it draws in resampling. The learning rate rises linearly over
    `warm_up_steps` and falls towards 0 over the last `decay_fraction` of the steps, as `decay` says; the coefficient of
    the sparsity penalty rises over `sparsity_warm_up_steps` and falls over the last `sparsity_decay_fraction`.
    optimizer: "frozen_adam" is the paper's, see `Adam`. dead_after_tokens: a latent that did not fire for so long is
    dead. resample_every_steps: so often dead latents start anew, 0: never (`resample_`). sparse_below: the density
    (mean L0 / n_latents) below which the sparse step is taken, 0: never. variant: the name of a deliberate difference,
    for the card.
    """

    name: str
    method: str
    site: str
    architecture: Architecture
    n_latents: int
    seed: int
    learning_rate: float
    n_steps: int
    batch_size: int
    warm_up_steps: int
    decay_fraction: float
    dead_after_tokens: int
    decay: DecayShape = "linear"
    sparsity_warm_up_steps: int = 0
    sparsity_decay_fraction: int | float = 0.0
    optimizer: OptimizerName = "adam"
    resample_every_steps: int = 0
    early_stop: EarlyStop | None = None
    sparse_below: int | float = 0.2
    variant: str | None = None

    def __post_init__(self) -> None:
        if min(self.n_latents, self.n_steps, self.batch_size, self.dead_after_tokens) < 1:
            raise ValueError(
                "n_latents, n_steps, batch_size and dead_after_tokens must be at least 1; got "
                f"{self.n_latents}, {self.n_steps}, {self.batch_size}, {self.dead_after_tokens}"
            )
        if min(self.warm_up_steps, self.sparsity_warm_up_steps, self.resample_every_steps) < 0:
            raise ValueError(
                "warm_up_steps, sparsity_warm_up_steps and resample_every_steps must be at least 0; got "
                f"{self.warm_up_steps}, {self.sparsity_warm_up_steps}, {self.resample_every_steps}"
            )
        if self.learning_rate <= 0 or not 0 <= self.decay_fraction <= 1:
            raise ValueError(
                "learning_rate must be above 0 and decay_fraction in [0, 1], "
                f"got {self.learning_rate} and {self.decay_fraction}"
            )
        if not (0 <= self.sparsity_decay_fraction <= 1 and 0 <= self.sparse_below < math.inf):
            raise ValueError(
                "sparsity_decay_fraction must be in [0, 1] and sparse_below at least 0, "
                f"got {self.sparsity_decay_fraction} and {self.sparse_below}"
            )

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        decay = linear_decay if self.decay == "linear" else cosine_decay
        factor = warm_up(step, self.warm_up_steps) * decay(step, self.n_steps, self.decay_fraction)
        return self.learning_rate * factor

    def sparsity_factor_at(self, step: int) -> float:
        """What the coefficient of the sparsity penalty is multiplied by at a step, counted from 0."""
        rise = warm_up(step, self.sparsity_warm_up_steps)
        return rise * linear_decay(step, self.n_steps, self.sparsity_decay_fraction)


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """A member on one training batch, before the update of step `step`.

    n_tokens: seen before it. loss: its terms, weighted. l0: active latents a token. fvu: sum |x - x_hat|^2 / sum
    |x - mean(x)|^2 on the batch; None where the batch does not vary. n_dead: latents that are dead.
    """

    step: int
    n_tokens: int
    loss: dict[str, float]
    l0: float
    fvu: float | None
    n_dead: int
