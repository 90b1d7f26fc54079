"""Principal components: the orthonormal directions of largest variance, of centered data."""

import numpy as np
import torch
from jaxtyping import Float64

from monosemy.baselines.moments import Batches, SecondMoments, check_n_latents, float32, oriented, second_moments
from monosemy.dictionaries import Dictionary, Identity, ReLU


def fit_pca(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:  # noqa: ARG001
    """z = V (x - mean), x_hat = mean + V^T z; the rows of V are eigenvectors of the covariance, by falling variance.

    Orthonormal rows, so all d_site of them reconstruct exactly, and the k of largest |z| are the best k of these
    directions for every single token: the top-k form ranks plain coefficients. The sign of a component is that of its
    entry of largest magnitude. Nothing is drawn. Raises UserError as `second_moments`, and when n_latents > d_site.
    Source: Pearson 1901. The paper's code does not subtract the mean; here it is part of the dictionary.
    """
    return pca_from_moments(second_moments(batches), n_latents)


def fit_pca_nonneg(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:  # noqa: ARG001
    """z = max([V; -V] (x - mean), 0), x_hat = mean + z [V; -V]: each component and its negative, positive responses.

    max(a, 0) - max(-a, 0) = a, so it reconstructs what `fit_pca` with n_latents / 2 components does, with at most one
    of each pair active. Latent i + n_latents / 2 is the negative of latent i. Raises UserError as `second_moments`, and
    when n_latents is odd or above 2 d_site.
    """
    return pca_nonneg_from_moments(second_moments(batches), n_latents)


def pca_from_moments(moments: SecondMoments, n_latents: int) -> Dictionary:
    """`fit_pca` of activations with these moments."""
    d_site = moments.d_site
    check_n_latents("PCA", n_latents, range(1, d_site + 1), "a site has as many components as dimensions")
    return _dictionary(_components(moments)[:n_latents], moments.mean, Identity())


def pca_nonneg_from_moments(moments: SecondMoments, n_latents: int) -> Dictionary:
    """`fit_pca_nonneg` of activations with these moments."""
    allowed = range(2, 2 * moments.d_site + 1, 2)
    check_n_latents("non-negative PCA", n_latents, allowed, "two latents a component")
    components = _components(moments)[: n_latents // 2]
    return _dictionary(np.concatenate([components, -components]), moments.mean, ReLU())


def _components(moments: SecondMoments) -> Float64[np.ndarray, "d_site d_site"]:
    """The eigenvectors of the covariance as rows, by falling eigenvalue."""
    components = np.linalg.eigh(moments.covariance).eigenvectors.T[::-1]
    return components * oriented(components)[:, None]


def _dictionary(
    components: Float64[np.ndarray, "n_latents d_site"],
    mean: Float64[np.ndarray, " d_site"],
    sparsifier: Identity | ReLU,
) -> Dictionary:
    return Dictionary(
        W_enc=float32(components),
        b_enc=float32(-components @ mean),
        W_dec=float32(components),
        b_dec=float32(mean),
        sparsifier=sparsifier,
    )
