"""What every architecture that is trained has in common: its methods, and nothing inherited but their names."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.sparse_form import SparseForm


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """The latents of one batch, kept as the architecture makes them.

    pre_acts: `[batch n_latents]`. index: `[batch k]`, the latents that may be active in each row; None: any may.
    values: the latents at index, `[batch k]`; all of them where index is None. None is negative; zero is not active.
    """

    pre_acts: Float[Tensor, "batch n_latents"]
    values: Float[Tensor, "batch k"]
    index: Int64[Tensor, "batch k"] | None = None

    @property
    def z(self) -> Float[Tensor, "batch n_latents"]:
        """All latents, zero where they are not active."""
        if self.index is None:
            return self.values
        return torch.zeros_like(self.pre_acts).scatter_(1, self.index, self.values)

    def fired(self) -> Bool[Tensor, " n_latents"]:
        """Which latents are active somewhere in the batch."""
        if self.index is None:
            return self.values.detach().amax(dim=0) > 0
        total = torch.zeros_like(self.pre_acts[0]).scatter_add_(0, self.index.flatten(), self.values.detach().flatten())
        return total > 0

    def l0(self) -> float:
        """The mean number of active latents in a row."""
        return int(torch.count_nonzero(self.values)) / len(self.values)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LossContext:
    """What a loss may depend on beside its batch; the training loop provides it.

    fraction_done: steps done / steps in all, in [0, 1). is_dead: latents that did not fire for `dead_after_tokens`.
    sparsity_factor: what the coefficient of the sparsity penalty is multiplied by at this step, by its schedule.
    """

    fraction_done: float
    is_dead: Bool[Tensor, " n_latents"]
    sparsity_factor: int | float = 1.0


class TrainableDictionary(nn.Module, ABC):
    """An architecture in training; its input is normalized, (x - mean) / scale, and so are its reconstructions.

    It owns its parameters. Whatever it computes is a function of these and of the arguments: no loss stores anything,
    and only `after_step_` changes it outside of the optimizer.
    """

    @abstractmethod
    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """The latents, with their graph."""

    @abstractmethod
    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """The reconstruction x_hat of the normalized activations."""

    @abstractmethod
    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> Mapping[str, Float[Tensor, ""]]:
        """The terms of the loss by name, already weighted: their plain sum is minimized."""

    @abstractmethod
    def after_step_(self, encoding: Encoding) -> None:
        """What the architecture does to itself after an optimizer step, given the batch's latents from before it."""

    @abstractmethod
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """The same map as a Dictionary of raw activations, mean and scale folded in; a copy of the weights.

        Its latents are those of the training, in the unit of the normalized activations. mean: zeros where the
        architecture's `centered` is False. scale > 0.
        """

    @abstractmethod
    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """The parameters whose first axis is that of the latents; the others (a decoder's bias, a center) have none."""

    @abstractmethod
    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Start latents anew at given directions, of any norm above 0: decoder rows along them, bias 0.

        The encoder's rows get a fifth of the mean norm of the others, so that the new latents fire seldom at first.
        Source: Bricken et al. 2023, "Neuron resampling". Where encoder and decoder are one matrix, its row has the norm
        that such rows have.
        """

    @abstractmethod
    def sparse_form(self) -> SparseForm | None:
        """What the sparse path must know to take the same step; None where only autograd takes it."""
