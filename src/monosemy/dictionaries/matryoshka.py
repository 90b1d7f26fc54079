"""Nested dictionaries in one: every prefix of the latents has to reconstruct by itself."""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosemy.core import UserError
from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import auxk, mean_squared_error, unit_rows
from monosemy.dictionaries.sparsifiers import JumpReLU, keep, largest_in_batch
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary
from monosemy.dictionaries.untied import (
    NOT_CALIBRATED,
    calibrated,
    check_k,
    check_k_fits,
    fold,
    restart_,
    unit_directions,
)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MatryoshkaConfig:
    """k: latents kept, mean over the batch; auxk_coefficient, k_aux: of the auxiliary loss, k_aux None = d // 2.

    prefix_fractions: rising, the last 1: a prefix has that share of the latents. prefix_weights: of their squared
    errors; None: all 1 / number of prefixes, so that their sum is a mean.
    """

    k: int
    prefix_fractions: tuple[float, ...] = (1 / 32, 3 / 32, 7 / 32, 15 / 32, 1.0)
    prefix_weights: tuple[float, ...] | None = None
    auxk_coefficient: float = 1 / 32
    k_aux: int | None = None

    def __post_init__(self) -> None:
        check_k(self.k, self.auxk_coefficient, self.k_aux)
        fractions = self.prefix_fractions
        rising = all(low < high for low, high in pairwise((0.0, *fractions)))
        if not fractions or not rising or fractions[-1] != 1:
            raise ValueError(f"prefix_fractions must rise from above 0 to 1, got {fractions}")
        weights = self.prefix_weights
        if weights is not None and (len(weights) != len(fractions) or min(weights) < 0 or max(weights) == 0):
            raise ValueError(f"prefix_weights must be {len(fractions)} numbers of at least 0, not all 0, got {weights}")

    @property
    def centered(self) -> bool:
        """Whether the mean of the data is subtracted from its inputs; b_dec starts at 0, where that mean then is."""
        return True

    @property
    def sparsity(self) -> str:
        """The short text for cards and tables."""
        return f"k={self.k}"

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each prefix."""
        n_prefixes = len(self.prefix_fractions)
        return (1 / n_prefixes,) * n_prefixes if self.prefix_weights is None else self.prefix_weights

    def prefixes(self, n_latents: int) -> tuple[int, ...]:
        """How many latents each prefix has, rounded; raises UserError when two are equal or one is empty."""
        found = tuple(round(fraction * n_latents) for fraction in self.prefix_fractions)
        if not all(low < high for low, high in pairwise((0, *found))):
            raise UserError(
                f"{n_latents} latents are too few for the prefixes {found}; choose more of them, or fewer fractions"
            )
        return found

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "MatryoshkaAutoencoder":
        """A new dictionary: unit directions drawn uniformly, the encoder their copy, biases 0, no threshold yet.

        Raises UserError when k > n_latents or the prefixes do not fit.
        """
        check_k_fits(self.k, n_latents)
        self.prefixes(n_latents)
        W_dec = unit_directions(n_latents, d_in, generator)
        return MatryoshkaAutoencoder(self, W_dec.clone(), torch.zeros(n_latents), W_dec, torch.zeros(d_in))


@final
class MatryoshkaAutoencoder(TrainableDictionary):
    """BatchTopK whose first m_1 < m_2 < ... < m_G = n_latents latents each reconstruct the activation by themselves.

        z       = ReLU(W_enc x + b_enc) on the k * batch largest of the batch, else 0; ties go to the lowest flat index
        x_hat_g = sum_{i < m_g} z_i W_dec_i + b_dec             rows of W_dec of unit norm
        loss    = sum_g w_g mean (x - x_hat_g)^2 + coefficient auxk(x - x_hat_G)    mean over the batch and dimensions

    One code serves all prefixes; it is not selected for each of them. The weights w_g are the configuration's and
    nothing else divides the sum. Source: Bussmann, Nabeshima, Karvonen and Nanda 2025 (arXiv 2503.17547). What differs:
    all that differs in `BatchTopKAutoencoder`, and w_g = 1/G in place of 1, so that the auxiliary loss weighs as much
    beside them as in TopK.
    """

    def __init__(
        self,
        config: MatryoshkaConfig,
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
        self.threshold: Tensor
        self.register_buffer("threshold", torch.tensor(NOT_CALIBRATED))

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """The kept latents of the batch."""
        pre_acts = torch.addmm(self.b_enc, x, self.W_enc.T)
        kept = largest_in_batch(pre_acts, self.config.k * len(x))
        return Encoding(pre_acts, keep(pre_acts, kept, positive=True))

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """x_hat_G = z W_dec + b_dec."""
        return torch.addmm(self.b_dec, encoding.values, unit_rows(self.W_dec))

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction`, of all prefixes, and `auxk`."""
        rows = unit_rows(self.W_dec)
        *smaller, _ = self.config.prefixes(len(rows))
        by_prefix = [*nested_reconstructions(encoding.values, rows, self.b_dec, tuple(smaller)), x_hat]
        errors = [
            weight * mean_squared_error(x, each) for weight, each in zip(self.config.weights, by_prefix, strict=True)
        ]
        dead = auxk(x - x_hat, encoding.pre_acts, rows, context.is_dead, self._k_aux)
        return {"reconstruction": torch.stack(errors).sum(), "auxk": self.config.auxk_coefficient * dead}

    @torch.no_grad()
    def after_step_(self, encoding: Encoding) -> None:
        """Rows of W_dec back to unit norm."""
        del encoding
        self.W_dec.copy_(unit_rows(self.W_dec))

    @torch.no_grad()
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """W_enc / scale, b_enc - W_enc mean / scale, scale W_dec, scale b_dec + mean; JumpReLU at the threshold.

        Raises UserError when the threshold was not calibrated.
        """
        return fold(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=unit_rows(self.W_dec.double()),
            b_dec=self.b_dec,
            mean=mean,
            scale=scale,
            sparsifier=JumpReLU(calibrated(self.threshold, len(self.b_enc))),
            dtype=self.b_enc.dtype,
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """All but b_dec."""
        return self.W_enc, self.b_enc, self.W_dec

    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of W_dec along the directions, rows of W_enc a fifth as long as the mean one, b_enc = 0."""
        restart_(self.W_enc, self.b_enc, self.W_dec, latents, directions)

    def sparse_form(self) -> None:
        """None: the gradient of a latent depends on the residuals of all prefixes that hold it."""
        return

    @property
    def _k_aux(self) -> int:
        return self.W_enc.shape[1] // 2 if self.config.k_aux is None else self.config.k_aux


def nested_reconstructions(
    z: Float[Tensor, "batch n_latents"],
    directions: Float[Tensor, "n_latents d"],
    bias: Float[Tensor, " d"],
    prefixes: tuple[int, ...],
) -> list[Float[Tensor, "batch d"]]:
    """What the first m latents reconstruct, for each m of the rising `prefixes`; each latent is decoded once."""
    found: list[Tensor] = []
    for start, stop in pairwise((0, *prefixes)):
        before = found[-1] if found else bias.expand(len(z), -1)
        found.append(torch.addmm(before, z[:, start:stop], directions[start:stop]))
    return found
