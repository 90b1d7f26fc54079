"""The autoencoder that keeps the largest pre-activations of a whole batch, k a token on average."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import auxk, mean_squared_error, unit_rows
from monosemy.dictionaries.sparse_form import AuxKForm, SparseForm
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
class BatchTopKConfig:
    """k: latents kept, mean over the batch; auxk_coefficient, k_aux: of the auxiliary loss, k_aux None = d // 2."""

    k: int
    auxk_coefficient: float = 1 / 32
    k_aux: int | None = None

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

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "BatchTopKAutoencoder":
        """A new dictionary: unit directions drawn uniformly, the encoder their copy, biases 0, no threshold yet.

        Raises UserError when k > n_latents.
        """
        check_k_fits(self.k, n_latents)
        W_dec = unit_directions(n_latents, d_in, generator)
        return BatchTopKAutoencoder(self, W_dec.clone(), torch.zeros(n_latents), W_dec, torch.zeros(d_in))


@final
class BatchTopKAutoencoder(TrainableDictionary):
    """Sparse autoencoder that keeps the k * batch largest pre-activations of the batch, on whichever of its tokens.

        z     = ReLU(W_enc x + b_enc) on the k * batch largest of the batch, else 0; ties go to the lowest flat index
        x_hat = z W_dec + b_dec                                 rows of W_dec of unit norm
        loss  = mean (x - x_hat)^2 + coefficient auxk           mean over the batch and over dimensions

    Training depends on the batch; the exported dictionary does not: JumpReLU, one `threshold` for all latents, in the
    unit of the pre-activations, below 0 until it is calibrated. Source: Bussmann, Leask and Nanda 2024 (arXiv
    2412.06410). What differs: the threshold is calibrated to a mean L0 of k on validation tokens (theirs is the mean of
    the batches' smallest kept values, which depends on the batch size), the selection does not weight latents by their
    rows' norms (these are 1), no bias is subtracted before the encoder; `auxk` says how the auxiliary loss differs.
    """

    def __init__(
        self,
        config: BatchTopKConfig,
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
        """z W_dec + b_dec."""
        return torch.addmm(self.b_dec, encoding.values, unit_rows(self.W_dec))

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction` and `auxk`."""
        dead = auxk(x - x_hat, encoding.pre_acts, unit_rows(self.W_dec), context.is_dead, self._k_aux)
        return {"reconstruction": mean_squared_error(x, x_hat), "auxk": self.config.auxk_coefficient * dead}

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

    def sparse_form(self) -> SparseForm:
        """k times the rows of the batch, and the auxiliary loss."""
        return SparseForm(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=self.W_dec,
            b_dec=self.b_dec,
            error_weight=1 / self.W_enc.shape[1],
            k=self.config.k,
            selected_in="batch",
            auxk=AuxKForm(coefficient=self.config.auxk_coefficient, k=self._k_aux),
        )

    @property
    def _k_aux(self) -> int:
        return self.W_enc.shape[1] // 2 if self.config.k_aux is None else self.config.k_aux
