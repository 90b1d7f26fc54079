"""The paper's autoencoder: one matrix for encoder and decoder, ReLU, L1 penalty."""

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


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TiedL1Config:
    """coefficient: weight of the L1 term under this reduction; reduction: of the squared error over dimensions.

    "sum" is the paper's equation 4, "mean" the paper's code: alpha_sum = d alpha_mean (`paper_coefficient`).
    """

    coefficient: float
    reduction: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.coefficient < 0:
            raise ValueError(f"coefficient must be at least 0, got {self.coefficient}")

    @property
    def centered(self) -> bool:
        """Whether the mean of the data is subtracted from its inputs; the paper does not."""
        return False

    @property
    def sparsity(self) -> str:
        """The short text for cards and tables."""
        return f"l1={self.coefficient:g}"

    def build(self, d_in: int, n_latents: int, generator: torch.Generator) -> "TiedL1":
        """A new dictionary: Xavier-uniform M (Glorot and Bengio 2010, as the paper's code), b = 0."""
        bound = (6 / (d_in + n_latents)) ** 0.5
        M = torch.empty(n_latents, d_in).uniform_(-bound, bound, generator=generator)
        return TiedL1(self, M, torch.zeros(n_latents))


@final
class TiedL1(TrainableDictionary):
    """Sparse autoencoder with tied, normalized rows.

        c     = ReLU(M x + b)                    rows of M of unit norm
        x_hat = M^T c
        loss  = |x - x_hat|^2 + alpha ||c||_1    mean over the batch

    The rows are normalized inside the forward pass, as in the paper's code: the gradient is then tangent to the sphere
    by itself, and Adam's steps mean what they meant there; on 1,024 rows it costs 3 % of a step. No bias in the
    decoder. Source: Cunningham et al. 2023 (arXiv 2309.08600), eq. 1-4. What differs from their code: a correct Adam
    (theirs never advances its step count), and the reduction is named.
    """

    def __init__(self, config: TiedL1Config, M: Float[Tensor, "n_latents d"], b: Float[Tensor, " n_latents"]) -> None:
        super().__init__()
        self.config = config
        self.M = nn.Parameter(M)
        self.b = nn.Parameter(b)

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """c = ReLU(M x + b)."""
        pre_acts = torch.addmm(self.b, x, unit_rows(self.M).T)
        return Encoding(pre_acts, pre_acts.relu())

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """x_hat = M^T c."""
        return encoding.values @ unit_rows(self.M)

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction` and `l1`."""
        error = squared_error if self.config.reduction == "sum" else mean_squared_error
        coefficient = self.config.coefficient * context.sparsity_factor
        return {"reconstruction": error(x, x_hat), "l1": coefficient * l1(encoding.values)}

    def after_step_(self, encoding: Encoding) -> None:
        """Nothing: the rows are normalized where they are used."""
        del encoding

    @torch.no_grad()
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """W_enc = M / scale, W_dec = scale M, b_enc = b - W_enc mean, b_dec = mean."""
        M, mean = unit_rows(self.M.double()), mean.double()
        dtype = self.M.dtype
        return Dictionary(
            W_enc=(M / scale).to(dtype),
            b_enc=(self.b - M @ mean / scale).to(dtype),
            W_dec=(M * scale).to(dtype),
            b_dec=mean.to(dtype, copy=True),
            sparsifier=ReLU(),
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """M and b."""
        return self.M, self.b

    @torch.no_grad()
    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of M of the mean norm of all, b = 0."""
        norm = torch.linalg.vector_norm(self.M, dim=1).mean()
        self.M[latents] = unit_rows(directions) * norm
        self.b[latents] = 0.0

    def sparse_form(self) -> SparseForm:
        """Tied, without a decoder's bias."""
        return SparseForm(
            W_enc=self.M,
            b_enc=self.b,
            W_dec=None,
            b_dec=None,
            error_weight=1 if self.config.reduction == "sum" else 1 / self.M.shape[1],
            penalty=self.config.coefficient,
        )


def paper_coefficient(code: float, d: int) -> float:
    """The coefficient of the paper's formula ("sum") that does what this one does in the paper's code ("mean")."""
    return d * code


def code_coefficient(paper: float, d: int) -> float:
    """The coefficient of the paper's code ("mean") that does what this one does in the paper's formula ("sum")."""
    return paper / d
