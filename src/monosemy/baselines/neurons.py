"""The default basis: every coordinate of the activation is a latent."""

import torch

from monosemy.baselines.moments import Batches, check_n_latents, site_width
from monosemy.dictionaries import Dictionary, Identity, ReLU


def fit_neurons(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:  # noqa: ARG001
    """z = x, x_hat = z: the coordinates themselves, signed; exact.

    Nothing is fitted; the first batch tells the width, and n_latents has to be that width, else UserError. Not
    centered: the top-k form ranks raw magnitudes |x_i|, so coordinates of large mean are chosen on every token.
    """
    return _identity(batches, n_latents, Identity())


def fit_neurons_relu(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:  # noqa: ARG001
    """z = max(x, 0), x_hat = z: the positive parts of the coordinates; what is negative is lost.

    Raises UserError as `fit_neurons`. Source: `identity_relu` of Cunningham et al. 2023 (arXiv 2309.08600), 3.2.
    """
    return _identity(batches, n_latents, ReLU())


def _identity(batches: Batches, n_latents: int, sparsifier: Identity | ReLU) -> Dictionary:
    d_site = site_width(batches)
    check_n_latents("neurons", n_latents, range(d_site, d_site + 1), "one a dimension of the site")
    return Dictionary(
        W_enc=torch.eye(d_site),
        b_enc=torch.zeros(d_site),
        W_dec=torch.eye(d_site),
        b_dec=torch.zeros(d_site),
        sparsifier=sparsifier,
    )
