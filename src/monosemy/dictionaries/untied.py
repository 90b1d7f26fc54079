"""What architectures with an encoder and a decoder have in common, as functions of their tensors."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from monosemy.core import UserError
from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.losses import unit_rows
from monosemy.dictionaries.sparsifiers import Sparsifier

NOT_CALIBRATED = -1.0  # a threshold of latents that are not negative is at least 0


def unit_directions(n_latents: int, d: int, generator: torch.Generator) -> Float[Tensor, "n_latents d"]:
    """Directions drawn uniformly from the sphere."""
    return unit_rows(torch.empty(n_latents, d).normal_(generator=generator))


def check_k(k: int, auxk_coefficient: int | float, k_aux: int | None) -> None:
    """Raises ValueError on settings of a k-sparse architecture that cannot be."""
    if k < 1 or auxk_coefficient < 0 or (k_aux is not None and k_aux < 1):
        raise ValueError(
            f"k and k_aux must be at least 1 and auxk_coefficient at least 0, got {k}, {k_aux} and {auxk_coefficient}"
        )


def check_k_fits(k: int, n_latents: int) -> None:
    """Raises UserError when k > n_latents."""
    if k > n_latents:
        raise UserError(f"k is {k} and there are only {n_latents} latents; choose k of at most {n_latents}")


def calibrated(threshold: Float[Tensor, ""], n_latents: int) -> Float[Tensor, " n_latents"]:
    """One threshold for all latents; raises UserError when it was not calibrated."""
    if threshold < 0:
        raise UserError(
            "the threshold of this dictionary was not calibrated; calibrate it on validation activations before export"
        )
    return threshold.detach().repeat(n_latents)


@torch.no_grad()
def fold(
    *,
    W_enc: Float[Tensor, "n_latents d"],
    b_enc: Float[Tensor, " n_latents"],
    W_dec: Float[Tensor, "n_latents d"],
    b_dec: Float[Tensor, " d"],
    mean: Float[Tensor, " d"],
    scale: int | float,
    sparsifier: Sparsifier,
    dtype: torch.dtype,
) -> Dictionary:
    """The Dictionary of raw activations that does what these weights do to (x - mean) / scale; its latents are theirs.

        W_enc / scale      b_enc - W_enc mean / scale      scale W_dec      scale b_dec + mean

    Computed in float64, given in the precision `dtype`.
    """
    encoder, mean = W_enc.double(), mean.double()
    return Dictionary(
        W_enc=(encoder / scale).to(dtype),
        b_enc=(b_enc.double() - encoder @ mean / scale).to(dtype),
        W_dec=(W_dec.double() * scale).to(dtype),
        b_dec=(b_dec.double() * scale + mean).to(dtype),
        sparsifier=sparsifier,
    )


@torch.no_grad()
def restart_(
    W_enc: Float[Tensor, "n_latents d"],
    b_enc: Float[Tensor, " n_latents"],
    W_dec: Float[Tensor, "n_latents d"],
    latents: Int64[Tensor, " n"],
    directions: Float[Tensor, "n d"],
) -> None:
    """Unit rows of W_dec along the directions, rows of W_enc a fifth as long as the mean one, b_enc = 0."""
    norm = torch.linalg.vector_norm(W_enc, dim=1).mean()
    rows = unit_rows(directions)
    W_dec[latents] = rows
    W_enc[latents] = rows * norm / 5
    b_enc[latents] = 0.0
