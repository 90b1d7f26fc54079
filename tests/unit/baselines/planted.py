"""Activations to fit baselines on, and the ways to hand them over."""

import numpy as np
import torch
from torch import Tensor

from monosemy.baselines import Batches


def skewed(n: int = 600, d: int = 6, seed: int = 0, offset: int | float = 30.0) -> Tensor:
    """Heavy-tailed, correlated, and far from zero compared with their spread; float32."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(6, size=(n, d)) @ rng.normal(size=(d, d)) + offset * rng.normal(size=d)
    return torch.from_numpy(x.astype(np.float32))


def batches_of(x: Tensor, size: int = 100) -> Batches:
    """The rows in batches of this size, the last one shorter."""
    return lambda: iter(x.split(size))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fvu(x: Tensor, x_hat: Tensor) -> float:
    """sum |x - x_hat|^2 / sum |x - mean(x)|^2 in float64, from its definition."""
    a, b = x.double(), x_hat.double()
    return float((a - b).square().sum() / (a - a.mean(dim=0)).square().sum())
