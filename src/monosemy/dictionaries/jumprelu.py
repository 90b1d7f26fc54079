"""The autoencoder with a learned threshold for each latent."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import off_target, saturating, squared_error, unit_rows
from monosemy.dictionaries.sparsifiers import JumpReLU
from monosemy.dictionaries.straight_through import jump, step
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary
from monosemy.dictionaries.untied import fold, restart_, unit_directions


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class JumpReLUConfig:
    """coefficient: weight of the penalty beside |x - x_hat|^2, which is summed over dimensions.

    penalty: "step": L0. "tanh": sum_i tanh(sharpness z_i). "quadratic": (L0 / target_l0 - 1)^2, the L0 of the batch;
    only there target_l0 is given. bandwidth, initial_theta: in the unit of the pre-activations, of spread about 1.
    """

    coefficient: float
    penalty: Literal["step", "tanh", "quadratic"] = "step"
    target_l0: float | None = None
    sharpness: float = 4.0
    bandwidth: float = 0.5
    initial_theta: float = 0.1

    def __post_init__(self) -> None:
        if self.coefficient < 0 or self.bandwidth <= 0 or self.initial_theta < 0 or self.sharpness <= 0:
            raise ValueError(
                "coefficient and initial_theta must be at least 0, bandwidth and sharpness above 0, got "
                f"{self.coefficient}, {self.initial_theta}, {self.bandwidth} and {self.sharpness}"
            )
        target, wanted = self.target_l0, self.penalty == "quadratic"
        if (target is not None) != wanted or (target is not None and target <= 0):
            raise ValueError(
                f"target_l0 is above 0 with the penalty 'quadratic' and None with the others, got {self.target_l0} "
                f"with {self.penalty!r}"
            )

    @property
    def centered(self) -> bool:
        """Whether the mean of the data is subtracted from its inputs; b_dec starts at 0, where that mean then is."""
        return True

    @property
    def sparsity(self) -> str:
        """The short text for cards and tables."""
        if self.penalty == "quadratic":
            return f"l0={self.target_l0:g}"
        return f"{self.penalty}={self.coefficient:g}"

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "JumpReLUAutoencoder":
        """A new dictionary: unit directions drawn uniformly, the encoder their copy, biases 0, one theta for all."""
        W_dec = unit_directions(n_latents, d_in, generator)
        theta = torch.full((n_latents,), self.initial_theta)
        return JumpReLUAutoencoder(self, W_dec.clone(), torch.zeros(n_latents), theta, W_dec, torch.zeros(d_in))


@final
class JumpReLUAutoencoder(TrainableDictionary):
    """Sparse autoencoder in which a latent is 0 up to its threshold and untouched above it.

        pre   = W_enc x + b_enc
        z_i   = pre_i where pre_i > theta_i, else 0                      theta >= 0
        x_hat = z W_dec + b_dec                                          rows of W_dec of unit norm
        loss  = |x - x_hat|^2 + coefficient penalty                      mean over the batch

    penalty = sum_i H(pre_i - theta_i), sum_i tanh(sharpness z_i), or (mean L0 / target - 1)^2. The steps have the
    gradients of `jump` and `step`. Source: Rajamanoharan et al. 2024 (arXiv 2407.14435); "tanh": Anthropic, Circuits
    Updates, January 2025. What differs: theta itself is trained, not its logarithm, which barely moves under Adam, and
    is set back to 0 where a step took it below; the data come centered and of another scale, and with them the
    bandwidth; from Anthropic's, no gradient of the window to pre and no loss on the pre-activations of dead latents.
    """

    def __init__(
        self,
        config: JumpReLUConfig,
        W_enc: Float[Tensor, "n_latents d"],
        b_enc: Float[Tensor, " n_latents"],
        theta: Float[Tensor, " n_latents"],
        W_dec: Float[Tensor, "n_latents d"],
        b_dec: Float[Tensor, " d"],
    ) -> None:
        super().__init__()
        self.config = config
        self.W_enc = nn.Parameter(W_enc)
        self.b_enc = nn.Parameter(b_enc)
        self.theta = nn.Parameter(theta)
        self.W_dec = nn.Parameter(W_dec)
        self.b_dec = nn.Parameter(b_dec)

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """The latents above their thresholds."""
        pre_acts = torch.addmm(self.b_enc, x, self.W_enc.T)
        return Encoding(pre_acts, jump(pre_acts, self.theta, self.config.bandwidth))

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """z W_dec + b_dec."""
        return torch.addmm(self.b_dec, encoding.values, unit_rows(self.W_dec))

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction` and `sparsity`."""
        coefficient = self.config.coefficient * context.sparsity_factor
        return {"reconstruction": squared_error(x, x_hat), "sparsity": coefficient * self._penalty(encoding)}

    @torch.no_grad()
    def after_step_(self, encoding: Encoding) -> None:
        """Rows of W_dec back to unit norm, theta to at least 0."""
        del encoding
        self.W_dec.copy_(unit_rows(self.W_dec))
        self.theta.clamp_(min=0)

    @torch.no_grad()
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """W_enc / scale, b_enc - W_enc mean / scale, scale W_dec, scale b_dec + mean; theta as it is."""
        return fold(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=unit_rows(self.W_dec.double()),
            b_dec=self.b_dec,
            mean=mean,
            scale=scale,
            sparsifier=JumpReLU(self.theta.detach().clone()),
            dtype=self.b_enc.dtype,
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """All but b_dec."""
        return self.W_enc, self.b_enc, self.theta, self.W_dec

    @torch.no_grad()
    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of W_dec along the directions, of W_enc a fifth as long as the mean one, b_enc = 0, the first theta."""
        restart_(self.W_enc, self.b_enc, self.W_dec, latents, directions)
        self.theta[latents] = self.config.initial_theta

    def sparse_form(self) -> None:
        """None: theta has a gradient from latents near their thresholds that are not active."""
        return

    def _penalty(self, encoding: Encoding) -> Float[Tensor, ""]:
        if self.config.penalty == "tanh":
            return saturating(encoding.values, self.config.sharpness)
        l0 = step(encoding.pre_acts, self.theta, self.config.bandwidth).sum() / len(encoding.pre_acts)
        if self.config.penalty == "step":
            return l0
        assert self.config.target_l0 is not None  # the configuration has looked
        return off_target(l0, self.config.target_l0)
