"""Members that learn from one stream of activations and share nothing else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import Architecture, Dictionary, Encoding, LossContext
from monosemy.training.dead import DeadLatents
from monosemy.training.schedules import linear_decay, warm_up

Normalization = Mapping[str, tuple[Float64[np.ndarray, " d"], float]]
"""Site -> mean of the activations of the train split, and the one number that they are divided by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One dictionary to train: what it is, and how; its outcome is a function of this and of the stream.

    seed: of its initial weights. dead_after_tokens: a latent that did not fire for so long is dead.
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

    def __post_init__(self) -> None:
        if min(self.n_latents, self.n_steps, self.batch_size, self.dead_after_tokens) < 1 or self.warm_up_steps < 0:
            raise ValueError(
                "n_latents, n_steps, batch_size and dead_after_tokens must be at least 1, warm_up_steps 0; got "
                f"{self.n_latents}, {self.n_steps}, {self.batch_size}, {self.dead_after_tokens}, {self.warm_up_steps}"
            )
        if self.learning_rate <= 0 or not 0 <= self.decay_fraction <= 1:
            raise ValueError(
                "learning_rate must be above 0 and decay_fraction in [0, 1], "
                f"got {self.learning_rate} and {self.decay_fraction}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """A member on one training batch, before the update of step `step`.

    n_tokens: seen before it. loss: its terms, weighted. l0: active latents a token. fvu: sum |x - x_hat|^2 / sum
    |x - mean(x)|^2 on the batch, in float64; None where the batch does not vary. n_dead: latents that are dead.
    """

    step: int
    n_tokens: int
    loss: dict[str, float]
    l0: float
    fvu: float | None
    n_dead: int


class Learner:
    """A member in training: its weights, its optimizer, its count of silent latents.

    Adam (Kingma and Ba 2015, betas .9 and .999) with its step count, in torch's fused form. Raises UserError when k or
    the normalization cannot be.
    """

    def __init__(self, member: Member, mean: Float64[np.ndarray, " d"], scale: float) -> None:
        if not (math.isfinite(scale) and scale > 0 and np.isfinite(mean).all()):
            raise UserError(
                f"{member.name}: activations at {member.site} have the scale {scale}; it must be finite and above 0, "
                "and their mean finite: harvest the activations anew"
            )
        self.member = member
        self.step = 0
        self.mean = torch.from_numpy(mean if member.architecture.centered else np.zeros_like(mean))
        self.scale = scale
        generator = torch_generator(member.seed, "initialize-dictionary")
        self.module = member.architecture.build(len(mean), member.n_latents, generator)
        self.optimizer = torch.optim.Adam(self.module.parameters(), lr=member.learning_rate, fused=True)
        self.dead = DeadLatents(member.n_latents, member.dead_after_tokens)

    @property
    def normalization(self) -> tuple[str, bool]:
        """What its input depends on: learners that agree in it share the normalized batch."""
        return self.member.site, self.member.architecture.centered

    def normalize(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        """(x - mean) / scale, in float32; the mean is 0 where the architecture wants no centering."""
        x = x - self.mean.to(x.dtype) if self.member.architecture.centered else x
        return x / self.scale

    def advance_(self, x: Float[Tensor, "batch d"], *, measure: bool) -> CurvePoint | None:
        """One optimizer step on normalized activations; the point of the curve before it where `measure` is True.

        Raises UserError, naming member and step, when the loss is not finite.
        """
        member, is_dead = self.member, self.dead.is_dead()
        encoding = self.module.encode_train(x)
        x_hat = self.module.decode_train(encoding)
        context = LossContext(fraction_done=self.step / member.n_steps, is_dead=is_dead)
        terms = self.module.loss(x, encoding, x_hat, context)
        total = torch.stack(list(terms.values())).sum()
        if not math.isfinite(total.item()):
            raise UserError(
                f"{member.name}: the loss is {total.item()} at step {self.step}, and has to be finite; choose a "
                f"learning rate below {member.learning_rate}, or harvest the activations anew if they hold NaN"
            )
        point = self._point(x, encoding, x_hat, terms, is_dead) if measure else None
        factor = warm_up(self.step, member.warm_up_steps)
        factor *= linear_decay(self.step, member.n_steps, member.decay_fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = member.learning_rate * factor
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        self.module.after_step_(encoding)
        self.dead.update_(encoding.fired(), len(x))
        self.step += 1
        return point

    def export(self) -> Dictionary:
        """The dictionary of raw activations that it is now; raises UserError, naming the member, if not finite."""
        try:
            return self.module.export(self.mean, self.scale)
        except UserError as error:
            raise UserError(f"{self.member.name}: {error}; choose a lower learning rate") from error

    @torch.no_grad()
    def _point(
        self, x: Tensor, encoding: Encoding, x_hat: Tensor, terms: Mapping[str, Tensor], is_dead: Tensor
    ) -> CurvePoint:
        x64 = x.double()
        error = float((x64 - x_hat.double()).square().sum())
        variation = float((x64 - x64.mean(dim=0)).square().sum())
        return CurvePoint(
            step=self.step,
            n_tokens=self.step * self.member.batch_size,
            loss={name: term.item() for name, term in terms.items()},
            l0=encoding.l0(),
            fvu=error / variation if variation > 0 else None,
            n_dead=int(is_dead.sum()),
        )


def learners(members: Sequence[Member], normalization: Normalization) -> list[Learner]:
    """A learner for each member; raises UserError when a name is taken twice or a site has no normalization."""
    names = [member.name for member in members]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two members are named {name!r}; give each its own name")
    for member in members:
        if member.site not in normalization:
            raise UserError(f"{member.name}: no activations at {member.site}; there are {', '.join(normalization)}")
    return [Learner(member, *normalization[member.site]) for member in members]
