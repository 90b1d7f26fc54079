"""The autoencoder with ReLU, L1 penalty, and an encoder and a decoder of its own."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import l1, mean_squared_error, squared_error, unit_rows
from monosemy.dictionaries.sparse_form import SparseForm
from monosemy.dictionaries.sparsifiers import ReLU
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary
from monosemy.dictionaries.untied import fold, restart_, unit_directions


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ReLUL1Config:
    """coefficient: weight of the L1 term under this reduction of the squared error over dimensions.

    decoder_bias: whether there is a b_dec, and the data come centered; without it, neither.
    """

    coefficient: float
    reduction: Literal["sum", "mean"] = "sum"
    decoder_bias: bool = True

    def __post_init__(self) -> None:
        if self.coefficient < 0:
            raise ValueError(f"coefficient must be at least 0, got {self.coefficient}")

    @property
    def centered(self) -> bool:
        """Whether the mean of the data is subtracted from its inputs; b_dec starts at 0, where that mean then is."""
        return self.decoder_bias

    @property
    def sparsity(self) -> str:
        """The short text for cards and tables."""
        return f"l1={self.coefficient:g}"

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "ReLUL1":
        """A new dictionary: unit directions drawn uniformly, the encoder their copy, biases 0."""
        W_dec = unit_directions(n_latents, d_in, generator)
        b_dec = torch.zeros(d_in) if self.decoder_bias else None
        return ReLUL1(self, W_dec.clone(), torch.zeros(n_latents), W_dec, b_dec)


@final
class ReLUL1(TrainableDictionary):
    """Sparse autoencoder with an untied encoder and unit rows in the decoder.

        z     = ReLU(W_enc x + b_enc)
        x_hat = z W_dec + b_dec                        rows of W_dec of unit norm
        loss  = |x - x_hat|^2 + coefficient ||z||_1    mean over the batch

    The rows are normalized in the forward pass, which takes from the gradient its part along them, and set back to unit
    norm after each step. Without `decoder_bias` it is Cunningham et al. 2023 (arXiv 2309.08600), appendix C.3, eq. 5-6;
    with it Bricken et al. 2023 ("Towards Monosemanticity"). What differs: the encoder starts as a copy of the decoder;
    from the first, a correct Adam and the named reduction; from the second, b_dec is not subtracted before the encoder
    (the data come centered, and b_enc learns the rest), and its moments are not projected.
    """

    def __init__(
        self,
        config: ReLUL1Config,
        W_enc: Float[Tensor, "n_latents d"],
        b_enc: Float[Tensor, " n_latents"],
        W_dec: Float[Tensor, "n_latents d"],
        b_dec: Float[Tensor, " d"] | None,
    ) -> None:
        super().__init__()
        self.config = config
        self.W_enc = nn.Parameter(W_enc)
        self.b_enc = nn.Parameter(b_enc)
        self.W_dec = nn.Parameter(W_dec)
        self.b_dec = nn.Parameter(b_dec) if b_dec is not None else None

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """z = ReLU(W_enc x + b_enc)."""
        pre_acts = torch.addmm(self.b_enc, x, self.W_enc.T)
        return Encoding(pre_acts, pre_acts.relu())

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """z W_dec + b_dec."""
        rows = unit_rows(self.W_dec)
        return encoding.values @ rows if self.b_dec is None else torch.addmm(self.b_dec, encoding.values, rows)

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction` and `l1`."""
        error = squared_error if self.config.reduction == "sum" else mean_squared_error
        coefficient = self.config.coefficient * context.sparsity_factor
        return {"reconstruction": error(x, x_hat), "l1": coefficient * l1(encoding.values)}

    @torch.no_grad()
    def after_step_(self, encoding: Encoding) -> None:
        """Rows of W_dec back to unit norm."""
        del encoding
        self.W_dec.copy_(unit_rows(self.W_dec))

    @torch.no_grad()
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """W_enc / scale, b_enc - W_enc mean / scale, scale W_dec, scale b_dec + mean."""
        return fold(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=unit_rows(self.W_dec.double()),
            b_dec=torch.zeros_like(mean) if self.b_dec is None else self.b_dec,
            mean=mean,
            scale=scale,
            sparsifier=ReLU(),
            dtype=self.b_enc.dtype,
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """All but b_dec."""
        return self.W_enc, self.b_enc, self.W_dec

    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of W_dec along the directions, rows of W_enc a fifth as long as the mean one, b_enc = 0."""
        restart_(self.W_enc, self.b_enc, self.W_dec, latents, directions)

    def sparse_form(self) -> SparseForm:
        """All that are positive, and their L1 penalty."""
        return SparseForm(
            W_enc=self.W_enc,
            b_enc=self.b_enc,
            W_dec=self.W_dec,
            b_dec=self.b_dec,
            error_weight=1 if self.config.reduction == "sum" else 1 / self.W_enc.shape[1],
            penalty=self.config.coefficient,
        )
