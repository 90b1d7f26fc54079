"""The autoencoder with a free decoder, each latent's L1 penalty weighted by the norm of its row."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import mean_squared_error, squared_error, weighted_l1
from monosemy.dictionaries.sparsifiers import ReLU
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary
from monosemy.dictionaries.untied import fold, restart_, unit_directions

_INITIAL_NORM = 0.1


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class NormWeightedL1Config:
    """coefficient: weight of the penalty under this reduction of the squared error over dimensions."""

    coefficient: float
    reduction: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.coefficient < 0:
            raise ValueError(f"coefficient must be at least 0, got {self.coefficient}")

    @property
    def centered(self) -> bool:
        """Whether the mean of the data is subtracted from its inputs; b_dec starts at 0, where that mean then is."""
        return True

    @property
    def sparsity(self) -> str:
        """The short text for cards and tables."""
        return f"l1={self.coefficient:g}"

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "NormWeightedL1":
        """A new dictionary: directions drawn uniformly, of norm 0.1; the encoder their copy, biases 0."""
        W_dec = _INITIAL_NORM * unit_directions(n_latents, d_in, generator)
        return NormWeightedL1(self, W_dec.clone(), torch.zeros(n_latents), W_dec, torch.zeros(d_in))


@final
class NormWeightedL1(TrainableDictionary):
    """Sparse autoencoder whose decoder rows are of any norm, and penalized for it.

        z     = ReLU(W_enc x + b_enc)
        x_hat = z W_dec + b_dec
        loss  = |x - x_hat|^2 + coefficient sum_i z_i |W_dec_i|    mean over the batch

    Source: Conerly et al. 2024, "Update on how we train SAEs" (Anthropic, Circuits Updates, April 2024): inputs of root
    mean square 1 and coefficient 5; initial rows of norms between .05 and 1, of which .1 is ours. What differs: the
    data come centered, and gradients are not clipped; their schedules (coefficient rising over the first 5 % of the
    steps, learning rate falling over the last 20 %) are the member's.
    """

    def __init__(
        self,
        config: NormWeightedL1Config,
        W_enc: Float[Tensor, "n_latents d"],
        b_enc: Float[Tensor, " n_latents"],
        W_dec: Float[Tensor, "n_latents d"],
        b_dec: Float[Tensor, " d"],
    ) -> None:
        super().__init__()
        self.config = config
        self.W_enc = nn.Parameter(W_enc)
        self.b_enc = nn.Parameter(b_enc)
        self.W_dec = nn.Parameter(W_dec)
        self.b_dec = nn.Parameter(b_dec)

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """z = ReLU(W_enc x + b_enc)."""
        pre_acts = torch.addmm(self.b_enc, x, self.W_enc.T)
        return Encoding(pre_acts, pre_acts.relu())

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """z W_dec + b_dec."""
        return torch.addmm(self.b_dec, encoding.values, self.W_dec)

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction` and `l1`."""
        error = squared_error if self.config.reduction == "sum" else mean_squared_error
        coefficient = self.config.coefficient * context.sparsity_factor
        penalty = weighted_l1(encoding.values, self.W_dec)
        return {"reconstruction": error(x, x_hat), "l1": coefficient * penalty}

    def after_step_(self, encoding: Encoding) -> None:
        """Nothing."""
        del encoding

    @torch.no_grad()
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """W_enc / scale, b_enc - W_enc mean / scale, scale W_dec, scale b_dec + mean; the rows keep their norms."""
        return fold(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=self.W_dec,
            b_dec=self.b_dec,
            mean=mean,
            scale=scale,
            sparsifier=ReLU(),
            dtype=self.b_enc.dtype,
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """All but b_dec."""
        return self.W_enc, self.b_enc, self.W_dec

    @torch.no_grad()
    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of W_dec along the directions, of the mean norm; of W_enc a fifth as long as the mean one; b_enc = 0."""
        norm = torch.linalg.vector_norm(self.W_dec, dim=1).mean()
        restart_(self.W_enc, self.b_enc, self.W_dec, latents, directions)
        self.W_dec[latents] *= norm

    def sparse_form(self) -> None:
        """None: the penalty also moves the decoder, which the sparse form does not know."""
        return
