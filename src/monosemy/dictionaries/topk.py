"""The k-sparse autoencoder, with the auxiliary loss that brings dead latents back."""

from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import auxk, mean_squared_error, unit_rows
from monosemy.dictionaries.sparse_form import AuxKForm, SparseForm
from monosemy.dictionaries.sparsifiers import JumpReLU, TopK, largest
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
class TopKConfig:
    """k: latents kept a token; auxk_coefficient: weight of the auxiliary loss; k_aux: its latents, None = d // 2.

    frozen_decoder: the directions stay those drawn at random, only the encoder and b_dec are trained; a control (the
    variant `frozen_decoder`).
    """

    k: int
    auxk_coefficient: float = 1 / 32
    k_aux: int | None = None
    frozen_decoder: bool = False

    def __post_init__(self) -> None:
        check_k(self.k, self.auxk_coefficient, self.k_aux)

    @property
    def centered(self) -> bool:
        """Whether the mean of the data is subtracted from its inputs; b_dec starts at 0, where that mean then is."""
        return True

    @property
    def sparsity(self) -> str:
        """The short text for cards and tables."""
        return f"k={self.k}"

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "TopKAutoencoder":
        """A new dictionary: unit directions drawn uniformly, the encoder their copy, biases 0.

        Raises UserError when k > n_latents.
        """
        check_k_fits(self.k, n_latents)
        W_dec = unit_directions(n_latents, d_in, generator)
        return TopKAutoencoder(self, W_dec.clone(), torch.zeros(n_latents), W_dec, torch.zeros(d_in))


@final
class TopKAutoencoder(TrainableDictionary):
    """Sparse autoencoder that keeps the k largest pre-activations of each token.

        z     = ReLU(W_enc x + b_enc) on the k largest, else 0; ties go to the lowest index
        x_hat = z W_dec + b_dec                                 rows of W_dec of unit norm
        loss  = mean (x - x_hat)^2 + coefficient auxk           mean over the batch and over dimensions

    The rows of W_dec are set to unit norm after each step; normalizing them in the forward pass too changes no value
    then, and takes from the gradient its part along the rows. A frozen decoder keeps its rows to the bit. `threshold`:
    of the JumpReLU form, in the unit of the pre-activations; below 0 until it is calibrated. Source: Gao et al. 2024
    (arXiv 2406.04093), sec. 2.3 and appendix A.2. What differs: no bias is subtracted before the encoder (the data come
    centered; on export their mean is absorbed in b_enc), inputs are scaled by one number and not token by token, no
    weight averaging; `auxk` says how the auxiliary loss differs.
    """

    def __init__(
        self,
        config: TopKConfig,
        W_enc: Float[Tensor, "n_latents d"],
        b_enc: Float[Tensor, " n_latents"],
        W_dec: Float[Tensor, "n_latents d"],
        b_dec: Float[Tensor, " d"],
    ) -> None:
        super().__init__()
        self.config = config
        self.W_enc = nn.Parameter(W_enc)
        self.b_enc = nn.Parameter(b_enc)
        self.W_dec = nn.Parameter(W_dec, requires_grad=not config.frozen_decoder)
        self.b_dec = nn.Parameter(b_dec)
        self.threshold: Tensor
        self.register_buffer("threshold", torch.tensor(NOT_CALIBRATED))

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """The k kept latents of each row; at inference `TopK` does the same."""
        pre_acts = torch.addmm(self.b_enc, x, self.W_enc.T)
        kept = largest(pre_acts, self.config.k)
        values = pre_acts.reshape(-1).gather(0, kept).relu()
        shape = (len(x), self.config.k)
        return Encoding(pre_acts, values.reshape(shape), kept.reshape(shape) % len(self.b_enc))

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """z W_dec + b_dec, as sums of k rows: a tenth of the time of the dense product at k = 16 of 640."""
        assert encoding.index is not None
        directions = unit_rows(self.W_dec)
        return self.b_dec + F.embedding_bag(encoding.index, directions, per_sample_weights=encoding.values, mode="sum")

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction` and `auxk`."""
        dead = auxk(x - x_hat, encoding.pre_acts, unit_rows(self.W_dec), context.is_dead, self._k_aux)
        return {"reconstruction": mean_squared_error(x, x_hat), "auxk": self.config.auxk_coefficient * dead}

    @torch.no_grad()
    def after_step_(self, encoding: Encoding) -> None:
        """Rows of W_dec back to unit norm, where they are trained."""
        del encoding
        if not self.config.frozen_decoder:
            self.W_dec.copy_(unit_rows(self.W_dec))

    def export(self, mean: Float[Tensor, " d"], scale: float, *, threshold: bool = False) -> Dictionary:
        """W_enc / scale, b_enc - W_enc mean / scale, scale W_dec, scale b_dec + mean.

        threshold: with JumpReLU at the calibrated threshold in place of TopK, which activates k latents in the mean and
        not on each token; raises UserError when it was not calibrated.
        """
        n_latents = len(self.b_enc)
        return fold(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=unit_rows(self.W_dec.double()),
            b_dec=self.b_dec,
            mean=mean,
            scale=scale,
            sparsifier=JumpReLU(calibrated(self.threshold, n_latents)) if threshold else TopK(self.config.k),
            dtype=self.b_enc.dtype,
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """All but b_dec and what is frozen."""
        trained = (self.W_enc, self.b_enc, self.W_dec)
        return trained[:2] if self.config.frozen_decoder else trained

    @torch.no_grad()
    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of W_dec along the directions; along their own, where these are frozen."""
        if self.config.frozen_decoder:
            directions = self.W_dec[latents]
        W_dec = self.W_dec.clone() if self.config.frozen_decoder else self.W_dec
        restart_(self.W_enc, self.b_enc, W_dec, latents, directions)

    def sparse_form(self) -> SparseForm:
        """k of each row, and the auxiliary loss."""
        return SparseForm(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=self.W_dec,
            b_dec=self.b_dec,
            error_weight=1 / self.W_enc.shape[1],
            k=self.config.k,
            auxk=AuxKForm(coefficient=self.config.auxk_coefficient, k=self._k_aux),
            trains_decoder=not self.config.frozen_decoder,
        )

    @property
    def _k_aux(self) -> int:
        return self.W_enc.shape[1] // 2 if self.config.k_aux is None else self.config.k_aux
