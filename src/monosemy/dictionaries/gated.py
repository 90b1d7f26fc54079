"""The gated autoencoder: one path decides which latents are active, another how much."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import l1, mean_squared_error, squared_error, unit_rows
from monosemy.dictionaries.sparsifiers import JumpReLU
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary
from monosemy.dictionaries.untied import fold, restart_, unit_directions


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class GatedConfig:
    """coefficient: weight of the L1 term under this reduction of the squared errors over dimensions."""

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

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "GatedAutoencoder":
        """A new dictionary: unit directions drawn uniformly, the encoder their copy, r_mag and biases 0."""
        W_dec = unit_directions(n_latents, d_in, generator)
        return GatedAutoencoder(self, W_dec.clone(), W_dec, torch.zeros(3, n_latents), torch.zeros(d_in))


@final
class GatedAutoencoder(TrainableDictionary):
    """Sparse autoencoder whose L1 penalty acts on the decision to be active and not on how active a latent is.

        gate  = W_enc x + b_gate                          mag = exp(r_mag) * (W_enc x) + b_mag
        z     = ReLU(mag) where gate > 0, else 0          x_hat = z W_dec + b_dec         rows of W_dec of unit norm
        loss  = |x - x_hat|^2 + coefficient ||ReLU(gate)||_1 + |x - x_aux|^2              mean over the batch
        x_aux = ReLU(gate) sg(W_dec) + sg(b_dec)          sg: taken as constants

    Of the first term W_enc has only the gradient through mag, as the step of the gate has none; b_gate learns from the
    other two alone, and those move no part of the decoder. Exported as JumpReLU: with pre = mag, the gate is open where
    mag > b_mag - exp(r_mag) b_gate, and ReLU(mag) = mag where mag > 0, so that theta is the larger of that and 0; an
    open gate over a magnitude of at most 0 is not active in either form. Pre-activations that equal theta up to
    rounding may fall on either side. Source: Rajamanoharan et al. 2024 (arXiv 2404.16014), sec. 3.2. What differs:
    b_dec is not subtracted before the encoder (the data come centered), and Adam has beta_1 = .9 where theirs is 0.
    """

    def __init__(
        self,
        config: GatedConfig,
        W_enc: Float[Tensor, "n_latents d"],
        W_dec: Float[Tensor, "n_latents d"],
        scales_and_biases: Float[Tensor, "3 n_latents"],
        b_dec: Float[Tensor, " d"],
    ) -> None:
        """scales_and_biases: r_mag, b_mag, b_gate."""
        super().__init__()
        r_mag, b_mag, b_gate = scales_and_biases.clone()
        self.config = config
        self.W_enc = nn.Parameter(W_enc)
        self.r_mag = nn.Parameter(r_mag.clone())
        self.b_mag = nn.Parameter(b_mag.clone())
        self.b_gate = nn.Parameter(b_gate.clone())
        self.W_dec = nn.Parameter(W_dec)
        self.b_dec = nn.Parameter(b_dec)

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """The magnitudes behind open gates; `pre_acts` are the gates."""
        product = x @ self.W_enc.T
        gate = product + self.b_gate
        magnitude = (product * self.r_mag.exp() + self.b_mag).relu()
        return Encoding(gate, torch.where(gate <= 0, torch.zeros_like(magnitude), magnitude))

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """z W_dec + b_dec."""
        return torch.addmm(self.b_dec, encoding.values, unit_rows(self.W_dec))

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction`, `l1` and `auxiliary`."""
        error = squared_error if self.config.reduction == "sum" else mean_squared_error
        opened = encoding.pre_acts.relu()
        x_aux = torch.addmm(self.b_dec.detach(), opened, unit_rows(self.W_dec.detach()))
        return {
            "reconstruction": error(x, x_hat),
            "l1": self.config.coefficient * context.sparsity_factor * l1(opened),
            "auxiliary": error(x, x_aux),
        }

    @torch.no_grad()
    def after_step_(self, encoding: Encoding) -> None:
        """Rows of W_dec back to unit norm."""
        del encoding
        self.W_dec.copy_(unit_rows(self.W_dec))

    @torch.no_grad()
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """exp(r_mag) W_enc and b_mag as encoder; theta = max(b_mag - exp(r_mag) b_gate, 0)."""
        factor, b_mag = self.r_mag.double().exp(), self.b_mag.double()
        theta = (b_mag - factor * self.b_gate.double()).clamp_min(0)
        return fold(
            W_enc=factor[:, None] * self.W_enc.double(),
            b_enc=b_mag,
            W_dec=unit_rows(self.W_dec.double()),
            b_dec=self.b_dec,
            mean=mean,
            scale=scale,
            sparsifier=JumpReLU(theta.to(self.b_mag.dtype)),
            dtype=self.b_mag.dtype,
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """All but b_dec."""
        return self.W_enc, self.r_mag, self.b_mag, self.b_gate, self.W_dec

    @torch.no_grad()
    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of W_dec along the directions, of W_enc a fifth as long as the mean one; r_mag and biases 0."""
        restart_(self.W_enc, self.b_gate, self.W_dec, latents, directions)
        self.r_mag[latents] = 0.0
        self.b_mag[latents] = 0.0

    def sparse_form(self) -> None:
        """None: the two paths are active on different latents."""
        return
