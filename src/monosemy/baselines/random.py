"""Random unit directions: the floor that the best of many latents stands on."""

import numpy as np
import torch
from jaxtyping import Float64

from monosemy.baselines.moments import Batches, SecondMoments, check_n_latents, first_rows, float32, second_moments
from monosemy.baselines.rescaled import N_ROWS, rescaled
from monosemy.dictionaries import Dictionary, Identity, ReLU

_MANY = 1 << 20  # more latents than this are a slip of the pen


def fit_random(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:
    """z = U (x - mean), signed; x_hat = mean + z W_dec, W_dec the linear decoder that minimizes E |x - x_hat|^2.

    The rows of U are uniform on the sphere. With C the covariance of the data,

        W_dec = (U C U^T)^+ U C

    is the least-squares solution of smallest norm, without a ridge. Decoding with U itself would not invert an
    overcomplete frame (U^T U is not 1). From n_latents = d_site on, W_dec is the pseudo-inverse of U, whatever the
    data, and the reconstruction exact. Raises UserError as `second_moments`, and when n_latents < 1.
    """
    return random_from_moments(second_moments(batches), n_latents, generator)


def random_from_moments(moments: SecondMoments, n_latents: int, generator: torch.Generator) -> Dictionary:
    """`fit_random` of activations with these moments."""
    directions = _unit_directions(n_latents, moments.d_site, generator)
    root = _square_root(moments.covariance)
    W_dec = np.linalg.pinv(directions @ root).T @ root  # (A A^T)^+ A C^1/2 with A = U C^1/2, at its condition number
    return Dictionary(
        W_enc=float32(directions),
        b_enc=float32(-directions @ moments.mean),
        W_dec=float32(W_dec),
        b_dec=float32(moments.mean),
        sparsifier=Identity(),
    )


def fit_random_relu(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:
    """z = max(U (x - mean), 0); x_hat = mean(x) + s (z - mean(z)) U, s minimizing E |x - x_hat|^2.

    The decoder keeps the directions: its rows are parallel to the encoder's. The mean is subtracted, as otherwise its
    sign along a direction would decide whether a latent is always on or never. Means and s are those of the first
    `rescaled.N_ROWS` rows. Raises UserError as `second_moments`, and when n_latents < 1.
    Source: `random` of Cunningham et al. 2023 (arXiv 2309.08600), section 3.2, which neither centers nor scales.
    """
    mean = first_rows(batches, N_ROWS).to(torch.float64).numpy().mean(axis=0)
    directions = _unit_directions(n_latents, len(mean), generator)
    unscaled = Dictionary(
        W_enc=float32(directions),
        b_enc=float32(-directions @ mean),
        W_dec=float32(directions),
        b_dec=float32(mean),
        sparsifier=ReLU(),
    )
    return rescaled(unscaled, batches)


def _unit_directions(
    n_latents: int, d_site: int, generator: torch.Generator
) -> Float64[np.ndarray, "n_latents d_site"]:
    check_n_latents("a random dictionary", n_latents, range(1, _MANY), "any number of directions")
    normal = torch.randn(n_latents, d_site, generator=generator, dtype=torch.float64, device=generator.device).cpu()
    return (normal / normal.norm(dim=1, keepdim=True)).numpy()


def _square_root(covariance: Float64[np.ndarray, "d_site d_site"]) -> Float64[np.ndarray, "d_site d_site"]:
    """The symmetric positive semi-definite root; eigenvalues that rounding made negative count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
