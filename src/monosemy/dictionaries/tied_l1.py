"""The paper's autoencoder: one matrix for encoder and decoder, ReLU, L1 penalty."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from monosemy.core import UserError
from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import l1, mean_squared_error, squared_error, unit_rows
from monosemy.dictionaries.sparse_form import SparseForm
from monosemy.dictionaries.sparsifiers import ReLU
from monosemy.dictionaries.trainable import Encoding, LossContext, TrainableDictionary
from monosemy.dictionaries.untied import fold

EIGENVALUE_FLOOR = 1e-4
"""Eigenvalues of the covariance below this share of their mean are raised to it before they are divided by."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TiedL1Config:
    """coefficient: weight of the L1 term under this reduction; reduction: of the squared error over dimensions.

    "sum" is the paper's equation 4, "mean" the paper's code: alpha_sum = d alpha_mean (`paper_coefficient`).
    centering: what is subtracted before the encoder and added after the decoder. "none": nothing, as in the paper's
    results. "mean": the mean of the data. "learned": the same to begin with, then a parameter. "whitened": the mean,
    and the rest is whitened, so that code and error are of a space in which every direction varies as much.
    """

    coefficient: float
    reduction: Literal["sum", "mean"] = "sum"
    centering: Literal["none", "mean", "learned", "whitened"] = "none"

    def __post_init__(self) -> None:
        if self.coefficient < 0:
            raise ValueError(f"coefficient must be at least 0, got {self.coefficient}")

    @property
    def centered(self) -> bool:
        """Whether the mean of the data is subtracted from its inputs; the paper does not."""
        return self.centering != "none"

    @property
    def whitened(self) -> bool:
        """Whether `build` wants the covariance of the normalized activations."""
        return self.centering == "whitened"

    @property
    def sparsity(self) -> str:
        """The short text for cards and tables."""
        return f"l1={self.coefficient:g}"

    def build(
        self,
        d_in: int,
        n_latents: int,
        generator: torch.Generator,
        covariance: Float64[Tensor, "d_in d_in"] | None = None,
    ) -> "TiedL1":
        """A new dictionary: Xavier-uniform M (Glorot and Bengio 2010, as the paper's code), b = 0, center = 0.

        covariance: of the normalized activations, for `whitened`; raises UserError when it is missing there, or has no
        positive eigenvalue.
        """
        bound = (6 / (d_in + n_latents)) ** 0.5
        M = torch.empty(n_latents, d_in).uniform_(-bound, bound, generator=generator)
        if not self.whitened:
            return TiedL1(self, M, torch.zeros(n_latents))
        if covariance is None:
            raise UserError("whitening needs the covariance of the normalized activations; give it to `build`")
        return TiedL1(self, M, torch.zeros(n_latents), whitening(covariance))


@final
class TiedL1(TrainableDictionary):
    """Sparse autoencoder with tied, normalized rows.

        y     = P (x - center)                   center and P are 0 and 1 but where `centering` says otherwise
        c     = ReLU(M y + b)                    rows of M of unit norm
        y_hat = M^T c                            x_hat = P^-1 y_hat + center
        loss  = |y - y_hat|^2 + alpha ||c||_1    mean over the batch

    The rows are normalized inside the forward pass, as in the paper's code: the gradient is then tangent to the sphere
    by itself, and Adam's steps mean what they meant there; on 1,024 rows it costs 3 % of a step. No bias in the
    decoder but the center. P is the symmetric root of the inverse covariance (`whitening`); on export it is absorbed in
    the weights. Source: Cunningham et al. 2023 (arXiv 2309.08600), eq. 1-4; the three centerings are variants in the
    paper's code. What differs from their code: a correct Adam (theirs never advances its step count), the reduction is
    named, and whitening is symmetric (theirs, meant to rotate to principal components, did not give white data).
    """

    def __init__(
        self,
        config: TiedL1Config,
        M: Float[Tensor, "n_latents d"],
        b: Float[Tensor, " n_latents"],
        roots: tuple[Float64[Tensor, "d d"], Float64[Tensor, "d d"]] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.M = nn.Parameter(M)
        self.b = nn.Parameter(b)
        if config.centering == "learned":
            self.center = nn.Parameter(torch.zeros(M.shape[1]))
        if roots is not None:
            self.whiten: Tensor
            self.unwhiten: Tensor
            self.register_buffer("whiten", roots[0])
            self.register_buffer("unwhiten", roots[1])

    def encode_train(self, x: Float[Tensor, "batch d"]) -> Encoding:
        """c = ReLU(M y + b)."""
        pre_acts = torch.addmm(self.b, self._to_code_space(x), unit_rows(self.M).T)
        return Encoding(pre_acts, pre_acts.relu())

    def decode_train(self, encoding: Encoding) -> Float[Tensor, "batch d"]:
        """x_hat = P^-1 M^T c + center."""
        y_hat = encoding.values @ unit_rows(self.M)
        match self.config.centering:
            case "learned":
                return y_hat + self.center
            case "whitened":
                return y_hat @ self.unwhiten.to(y_hat.dtype)
            case "none" | "mean":
                return y_hat

    def loss(
        self, x: Float[Tensor, "batch d"], encoding: Encoding, x_hat: Float[Tensor, "batch d"], context: LossContext
    ) -> dict[str, Float[Tensor, ""]]:
        """`reconstruction` and `l1`; a center cancels in the error, a whitening does not."""
        if self.config.whitened:
            x, x_hat = self._to_code_space(x), self._to_code_space(x_hat)
        error = squared_error if self.config.reduction == "sum" else mean_squared_error
        coefficient = self.config.coefficient * context.sparsity_factor
        return {"reconstruction": error(x, x_hat), "l1": coefficient * l1(encoding.values)}

    def after_step_(self, encoding: Encoding) -> None:
        """Nothing: the rows are normalized where they are used."""
        del encoding

    @torch.no_grad()
    def export(self, mean: Float[Tensor, " d"], scale: float) -> Dictionary:
        """W_enc = M P / scale, W_dec = scale M P^-1, b_enc = b - M P (mean / scale + center), b_dec of both centers."""
        M = unit_rows(self.M.double())
        encoder, decoder, center = M, M, torch.zeros_like(mean.double())
        if self.config.whitened:
            encoder, decoder = M @ self.whiten, M @ self.unwhiten
        elif self.config.centering == "learned":
            center = self.center.double()
        return fold(
            W_enc=encoder,
            b_enc=self.b.double() - encoder @ center,
            W_dec=decoder,
            b_dec=center,
            mean=mean,
            scale=scale,
            sparsifier=ReLU(),
            dtype=self.b.dtype,
        )

    def latent_parameters(self) -> tuple[nn.Parameter, ...]:
        """M and b."""
        return self.M, self.b

    @torch.no_grad()
    def reset_latents_(self, latents: Int64[Tensor, " n"], directions: Float[Tensor, "n d"]) -> None:
        """Rows of M of the mean norm of all, b = 0; whitened, along P directions, so that W_dec is along these."""
        if self.config.whitened:
            directions = directions @ self.whiten.to(directions.dtype)
        norm = torch.linalg.vector_norm(self.M, dim=1).mean()
        self.M[latents] = unit_rows(directions) * norm
        self.b[latents] = 0.0

    def sparse_form(self) -> SparseForm | None:
        """Tied, without a decoder's bias; none with a learned center or whitened."""
        if self.config.centering in ("learned", "whitened"):
            return None
        return SparseForm(
            W_enc=self.M,
            b_enc=self.b,
            W_dec=None,
            b_dec=None,
            error_weight=1 if self.config.reduction == "sum" else 1 / self.M.shape[1],
            penalty=self.config.coefficient,
        )

    def _to_code_space(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        """y = P (x - center)."""
        match self.config.centering:
            case "learned":
                return x - self.center
            case "whitened":
                return x @ self.whiten.to(x.dtype)
            case "none" | "mean":
                return x


def whitening(covariance: Float64[Tensor, "d d"]) -> tuple[Float64[Tensor, "d d"], Float64[Tensor, "d d"]]:
    """P = C^-1/2 and its inverse, both symmetric, by eigenvalues in float64.

    Eigenvalues below EIGENVALUE_FLOOR of their mean count as that: no direction is stretched more than a hundredfold
    against the mean one, and P has an inverse whatever the rank of C. Raises UserError when C is not finite or has no
    positive eigenvalue.
    """
    if not torch.isfinite(covariance).all() or not covariance.diagonal().sum() > 0:
        raise UserError("the covariance is zero or not finite, nothing can be whitened; harvest activations that vary")
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(EIGENVALUE_FLOOR * float(values.mean()))
    return (vectors * values.rsqrt()) @ vectors.T, (vectors * values.sqrt()) @ vectors.T


def paper_coefficient(code: float, d: int) -> float:
    """The coefficient of the paper's formula ("sum") that does what this one does in the paper's code ("mean")."""
    return d * code


def code_coefficient(paper: float, d: int) -> float:
    """The coefficient of the paper's code ("mean") that does what this one does in the paper's formula ("sum")."""
    return paper / d
