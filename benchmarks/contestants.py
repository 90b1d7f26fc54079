"""What is timed: something that takes training steps, and can be asked what it has learned; and Monosemy's own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    ReLUL1Config,
    TiedL1Config,
    TopKConfig,
)
from monosemy.training import Learner, Member
from monosemy.training.fast import Engine

Name = Literal["topk", "batch_topk", "relu_l1", "tied_l1"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What both sides learn: the architecture by its method name, its sizes, and how.

    sparsity: k, or the coefficient of |x - x_hat|^2 + coefficient ||z||_1, summed over dimensions, mean over the batch.
    """

    architecture: Name
    n_latents: int
    sparsity: int | float
    d: int = 512
    batch: int = 1024
    learning_rate: float = 1e-3
    decay_fraction: float = 0.0
    n_steps: int = 10_000
    seed: int = 0

    def member(self) -> Member:
        """The same for Monosemy; dead latents are left alone, as none of the peers has any in so few tokens."""
        return Member(
            name=self.architecture,
            method=self.architecture,
            site="resid_post.0",
            architecture=self._config(),
            n_latents=self.n_latents,
            seed=self.seed,
            learning_rate=self.learning_rate,
            n_steps=self.n_steps,
            batch_size=self.batch,
            warm_up_steps=0,
            decay_fraction=self.decay_fraction,
            dead_after_tokens=10**9,
        )

    def _config(self) -> Architecture:
        match self.architecture:
            case "topk":
                return TopKConfig(k=int(self.sparsity))
            case "batch_topk":
                return BatchTopKConfig(k=int(self.sparsity))
            case "relu_l1":
                return ReLUL1Config(coefficient=float(self.sparsity))
            case "tied_l1":
                return TiedL1Config(coefficient=float(self.sparsity))


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """The weights that every contestant starts from; pre = x W_enc^T + b_enc, x_hat = z W_dec + b_dec, unit rows."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor

    @property
    def b_enc_of_centered(self) -> Tensor:
        """The encoder's bias of the same function where b_dec is subtracted from the input first."""
        return self.b_enc + self.W_enc @ self.b_dec


class Contestant(ABC):
    """One dictionary, or one sweep of them, in training."""

    @abstractmethod
    def step(self, x: Tensor) -> None:
        """One optimizer step of every dictionary on a batch."""

    @abstractmethod
    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Latents and reconstructions of every dictionary, by the rule of the training."""


@torch.no_grad()
def quality(contestant: Contestant, batches: Sequence[Tensor]) -> tuple[float, float]:
    """(FVU, L0) on held-out batches, the mean over a sweep's dictionaries; sums in float64."""
    mean = torch.cat(list(batches)).double().mean(dim=0)
    variation = sum(float((x.double() - mean).square().sum()) for x in batches)
    n_rows = sum(len(x) for x in batches)
    errors: list[float] = []
    active: list[float] = []
    for x in batches:
        for i, (z, x_hat) in enumerate(contestant.codes(x)):
            if i == len(errors):
                errors.append(0.0)
                active.append(0.0)
            errors[i] += float((x.double() - x_hat.double()).square().sum()) / variation
            active[i] += int(torch.count_nonzero(z)) / n_rows
    return float(np.mean(errors)), float(np.mean(active))


@final
class Monosemy(Contestant):
    """Members of one site, one step after the other on one batch, as the training loop takes them.

    Each starts from its own first weights, or all from those that are given.
    """

    def __init__(self, tasks: Sequence[Task], engine: Engine, start: Start | None = None) -> None:
        self.learners = [Learner(task.member(), np.zeros(task.d), 1.0, engine=engine) for task in tasks]
        if start is not None:
            for learner in self.learners:
                _start_(learner, start)

    def step(self, x: Tensor) -> None:
        """Every member's step, with what the loop asks of it between two points of the curve."""
        for learner in self.learners:
            learner.advance_(x, measure=False)

    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """By the definition, whatever path took the steps."""
        found: list[tuple[Tensor, Tensor]] = []
        for learner in self.learners:
            encoding = learner.module.encode_train(x)
            found.append((encoding.z, learner.module.decode_train(encoding)))
        return found

    def reached(self) -> Start:
        """A copy of the first member's weights, which are untied."""
        weights = {name: parameter.detach().clone() for name, parameter in self.learners[0].module.named_parameters()}
        return Start(**weights)


@torch.no_grad()
def _start_(learner: Learner, start: Start) -> None:
    for name, parameter in learner.module.named_parameters():
        parameter.copy_(getattr(start, name))


def sweep(task: Task, coefficients: Sequence[float]) -> list[Task]:
    """The members of a sweep over coefficients, with one seed each."""
    return [replace(task, sparsity=coefficient, seed=i) for i, coefficient in enumerate(coefficients)]
