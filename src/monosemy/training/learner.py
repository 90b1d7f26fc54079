"""A member in training, and everything that its next step depends on."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import Dictionary, LossContext, TiedL1Config, TrainableDictionary
from monosemy.training.adam import Adam
from monosemy.training.dead import DeadLatents, resample_
from monosemy.training.early_stop import EarlyStopping
from monosemy.training.fast import Engine
from monosemy.training.member import Covariance, CurvePoint, Mean, Member, Normalization
from monosemy.training.stepper import Step
from monosemy.training.stepper_choice import stepper_for

L0_SHARE = 0.1
"""The share of the steps, the last ones, over which `l0_train` is the mean."""


class NotFinite(UserError):
    """A member's loss or weights are no longer finite."""


class Learner:
    """A member in training: its weights, its optimizer, its count of silent latents.

    device: where its tensors are, "cpu" or "cuda"; it begins with the same weights on both. Raises UserError when k,
    the normalization or the device cannot be.
    """

    def __init__(
        self,
        member: Member,
        mean: Mean,
        scale: float,
        covariance: Covariance | None = None,
        engine: Engine | None = None,
        device: str = "cpu",
    ) -> None:
        if not (math.isfinite(scale) and scale > 0 and np.isfinite(mean).all()):
            raise UserError(
                f"{member.name}: activations at {member.site} have the scale {scale}; it must be finite and above 0, "
                "and their mean finite: harvest the activations anew"
            )
        self.member = member
        self.step = 0
        self.device = _checked(device)
        self.mean = torch.from_numpy(mean if member.architecture.centered else np.zeros_like(mean)).to(self.device)
        self.scale = scale
        self.module = _built(member, len(mean), scale, covariance).to(self.device)
        self.optimizer = Adam(self.module, frozen=member.optimizer == "frozen_adam")
        self.stepper = stepper_for(self.module, self.optimizer, member.sparse_below, engine)
        self.dead = DeadLatents(member.n_latents, member.dead_after_tokens, self.device)
        self.n_active = torch.zeros(member.n_steps, dtype=torch.int64)  # of each step taken
        self._early_stopping = EarlyStopping(member.early_stop) if member.early_stop is not None else None

    @property
    def normalization(self) -> tuple[str, bool]:
        """What its input depends on: learners that agree in it share the normalized batch."""
        return self.member.site, self.member.architecture.centered

    @property
    def is_done(self) -> bool:
        """Whether it takes no further step: all are taken, or it has stopped early."""
        stopped = self._early_stopping is not None and self._early_stopping.is_over
        return stopped or self.step >= self.member.n_steps

    @property
    def l0_train(self) -> float:
        """The mean L0 of the batches of the last tenth of the steps that were taken, at least one."""
        n = max(1, round(L0_SHARE * self.step))
        return float(self.n_active[max(0, self.step - n) : self.step].sum()) / (n * self.member.batch_size)

    def normalize(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        """(x - mean) / scale, on its device; the mean is 0 where the architecture wants no centering."""
        x = x.to(self.device)
        x = x - self.mean.to(x.dtype) if self.member.architecture.centered else x
        return x / self.scale

    def context(self) -> tuple[LossContext, float]:
        """What the next step is taken with: what its loss may depend on, and the learning rate."""
        context = LossContext(
            fraction_done=self.step / self.member.n_steps,
            is_dead=self.dead.is_dead(),
            sparsity_factor=self.member.sparsity_factor_at(self.step),
        )
        return context, self.member.learning_rate_at(self.step)

    def advance_(self, x: Float[Tensor, "batch d"], *, measure: bool, step: Step | None = None) -> CurvePoint | None:
        """One optimizer step on normalized activations; the point of the curve before it where `measure` is True.

        step: what a stack has seen that took the step already, with `context`; None: it is taken here. Raises
        NotFinite, naming member and step, when loss or weights are not finite; the learner is of no use then.
        """
        if step is None:
            step = self.stepper.step_(x, *self.context())
        if not step.is_finite:
            raise NotFinite(self._not_finite(x, step))
        variation = _variation(x) if measure or self._early_stopping is not None else 0.0
        point = self._point(step, variation, int(self.dead.is_dead().sum())) if measure else None
        self.n_active[self.step] = step.n_active
        self.dead.update_(step.fired, len(x))
        self.step += 1
        if self._early_stopping is not None:
            self._early_stopping.update_(step.squared_error, variation)
        if self._resamples():
            generator = torch_generator(self.member.seed, f"resample/{self.step}")
            resample_(self.module, self.optimizer, self.dead, x, step.row_error, generator)
        return point

    def export(self) -> Dictionary:
        """The dictionary of raw activations that it is now, on the CPU.

        Raises UserError, naming the member, if it is not finite or its threshold was not calibrated.
        """
        module = self.module if self.device.type == "cpu" else copy.deepcopy(self.module).cpu()
        try:
            return module.export(self.mean.cpu(), self.scale)
        except UserError as error:
            finite = all(bool(torch.isfinite(value).all()) for value in self.weights().values())
            advice = "" if finite else "; choose a lower learning rate"
            raise NotFinite(f"{self.member.name}: {error}{advice}") from error

    def weights(self) -> dict[str, Tensor]:
        """The parameters and buffers of the architecture; not copies."""
        return {name: value.detach() for name, value in self.module.state_dict().items()}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the next step depends on, as tensors (not copies) and as JSON."""
        tensors = {f"weights/{name}": value for name, value in self.weights().items()}
        tensors |= {f"moments/{name}": value for name, value in self.optimizer.state().items()}
        tensors |= {f"stepper/{name}": value for name, value in self.stepper.state().items()}
        tensors |= {"n_silent_tokens": self.dead.n_silent_tokens, "n_active": self.n_active}
        early_stop = None if self._early_stopping is None else self._early_stopping.state()
        return tensors, {"step": self.step, "n_optimizer_steps": self.optimizer.n_steps, "early_stop": early_stop}

    @torch.no_grad()
    def load_state_(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; raises KeyError or ValueError when it is of another member."""
        own, _ = self.state()
        given = {name: value for name, value in tensors.items() if not name.startswith("stepper/")}
        kept = {name: value for name, value in own.items() if not name.startswith("stepper/")}
        if given.keys() != kept.keys():
            raise KeyError(f"{', '.join(sorted(given.keys() ^ kept.keys()))} on one side only")
        for name, value in kept.items():
            if given[name].shape != value.shape or given[name].dtype != value.dtype:
                raise ValueError(f"{name} is {given[name].dtype} {tuple(given[name].shape)}")
        for name, value in kept.items():
            value.copy_(given[name])
        steppers = {name: value for name, value in tensors.items() if name.startswith("stepper/")}
        self.stepper.load_state_({name.removeprefix("stepper/"): value for name, value in steppers.items()})
        self.step, self.optimizer.n_steps = int(numbers["step"]), int(numbers["n_optimizer_steps"])
        if self._early_stopping is not None:
            self._early_stopping.load_state_(numbers["early_stop"])

    # --- how ------------------------------------------------------------------------------------------------------

    def _resamples(self) -> bool:
        """Whether dead latents start anew after the step that was just taken; after the last one it would be noise."""
        every = self.member.resample_every_steps
        return every > 0 and self.step % every == 0 and self.step < self.member.n_steps

    def _not_finite(self, x: Tensor, step: Step) -> str:
        total = sum(step.loss.values())
        what = f"{self.member.name}: the loss is {total} at step {self.step}"
        if not torch.isfinite(x).all():
            return f"{what}, as its activations are not finite; harvest those at {self.member.site} anew"
        return f"{what}; it and the weights have to be finite: choose a learning rate below {self.member.learning_rate}"

    def _point(self, step: Step, variation: float, n_dead: int) -> CurvePoint:
        return CurvePoint(
            step=self.step,
            n_tokens=self.step * self.member.batch_size,
            loss=dict(step.loss),
            l0=step.n_active / self.member.batch_size,
            fvu=step.squared_error / variation if variation > 0 else None,
            n_dead=n_dead,
        )


def learners(
    members: Sequence[Member], normalization: Normalization, engine: Engine | None = None, device: str = "cpu"
) -> list[Learner]:
    """A learner for each member, all on one device.

    Raises UserError when a name is taken twice or a site has no normalization.
    """
    names = [member.name for member in members]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two members are named {name!r}; give each its own name")
    for member in members:
        if member.site not in normalization:
            raise UserError(f"{member.name}: no activations at {member.site}; there are {', '.join(normalization)}")
    given = [(member, normalization[member.site]) for member in members]
    return [Learner(member, n[0], n[1], n[2] if len(n) == 3 else None, engine, device) for member, n in given]


def _checked(device: str) -> torch.device:
    if device not in ("cpu", "cuda"):
        raise UserError(f"the device is {device!r}; choose cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("the device is cuda, and there is no GPU that torch can use here; choose cpu")
    return torch.device(device)


def _built(member: Member, d: int, scale: float, covariance: Covariance | None) -> TrainableDictionary:
    generator, architecture = torch_generator(member.seed, "initialize-dictionary"), member.architecture
    if not (isinstance(architecture, TiedL1Config) and architecture.whitened):
        return architecture.build(d, member.n_latents, generator)
    if covariance is None:
        raise UserError(f"{member.name}: whitening needs the covariance of the activations at {member.site}; give it")
    return architecture.build(d, member.n_latents, generator, torch.from_numpy(covariance) / scale**2)


def _variation(x: Float[Tensor, "batch d"]) -> float:
    """sum |x - mean(x)|^2 over the batch, in float64."""
    x64 = x.double()
    return float((x64 - x64.mean(dim=0)).square().sum())
