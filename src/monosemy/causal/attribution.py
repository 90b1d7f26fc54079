"""The order in which latents are patched, estimated from gradients: no latent is run on its own."""

import numpy as np
import torch
from jaxtyping import Float64

from monosemy.causal.kl_curve import Order
from monosemy.causal.patching import LatentMask, Patching

ORDER_POINTS = 8
"""Gradients on the path from nothing patched to everything patched; 0: only the one at its beginning."""


def attributions(patching: Patching, n_points: int = ORDER_POINTS) -> Float64[np.ndarray, " n_latents"]:
    """First-order estimate of the change of the mean KL that patching each latent brings, in nats; negative is good.

        a_j = mean_p sum_s g_ps . d_j (z_target,jps - z_base,jps)

    g is the gradient of KL(patched || target) by the activation: at the base run for n_points = 0, else its mean over
    the n_points midpoints of the straight path from nothing patched to all latents patched, on which the a_j sum up to
    the KL's whole change as n_points grows. Sources: attribution patching (Nanda 2023), integrated gradients
    (Sundararajan et al. 2017, as in Marks et al. 2024, arXiv 2403.19647).
    """
    if n_points == 0:
        gradient = patching.gradient(0.0)
    else:
        gradient = sum(patching.gradient((i + 0.5) / n_points) for i in range(n_points)) / n_points
        assert isinstance(gradient, torch.Tensor)
    return _projected(patching, gradient)


def attributions_with(patching: Patching, latents: LatentMask) -> Float64[np.ndarray, " n_latents"]:
    """The same with the gradient taken where the latents of the set are patched already."""
    return _projected(patching, patching.gradient_with(latents))


def attribution_order(patching: Patching, n_points: int = ORDER_POINTS) -> Order:
    """All latents by the estimated decrease of the mean KL, the largest first; ties by their number."""
    return np.argsort(attributions(patching, n_points), kind="stable").astype(np.int64)


def _projected(patching: Patching, gradient: torch.Tensor) -> Float64[np.ndarray, " n_latents"]:
    along = gradient.to(patching.dictionary.W_dec.dtype) @ patching.dictionary.W_dec.T
    per_latent = (along * patching.difference).sum(dim=1)  # over positions, in each pair
    return per_latent.double().mean(dim=0).cpu().numpy()
