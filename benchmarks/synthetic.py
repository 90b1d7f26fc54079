"""The stream that both sides learn from: sparse non-negative combinations of known directions, plus noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

MEAN_L0 = 24
NOISE = 0.05  # standard deviation a dimension, where a direction's coefficient is near 1


@dataclass(frozen=True)
class Stream:
    """Batches by their number: the same number gives the same batch, whoever asks and in whatever order.

        x = (sum_j s_j a_j f_j + noise) c      s_j in {0, 1} with power-law frequencies, a_j = |N(1, .25)|

    f: `[n_features d]`, unit rows. The frequencies are j^-0.8, capped at .5, with a sum of 24; c makes E|x|^2 = d. The
    mean stays in: a code that is not negative explains it, and not every peer has a bias in its decoder.
    """

    features: Tensor
    frequencies: Tensor
    scale: float
    batch_size: int
    seed: int

    @staticmethod
    def make(d: int = 512, n_features: int = 2048, batch_size: int = 1024, seed: int = 0) -> "Stream":
        """Directions drawn from the seed; the scale measured on 16 batches that nobody trains on."""
        generator = torch.Generator().manual_seed(seed)
        features = torch.randn(n_features, d, generator=generator)
        features /= features.norm(dim=1, keepdim=True)
        frequencies = torch.arange(1, n_features + 1, dtype=torch.float32) ** -0.8
        for _ in range(50):
            frequencies = (frequencies * MEAN_L0 / frequencies.sum()).clamp_max(0.5)
        raw = Stream(features, frequencies, 1.0, batch_size, seed)
        sample = torch.cat([raw.batch(-1 - i) for i in range(16)])
        scale = float((d / sample.square().sum(dim=1).mean()).sqrt())
        return Stream(features, frequencies, scale, batch_size, seed)

    def planted(self, n_latents: int) -> Tensor:
        """Unit rows `[n_latents d]`: the true directions, most frequent first, then random ones."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        rows = torch.randn(n_latents, self.features.shape[1], generator=generator)
        rows /= rows.norm(dim=1, keepdim=True)
        n_true = min(n_latents, len(self.features))
        rows[:n_true] = self.features[:n_true]
        return rows

    def batch(self, number: int) -> Tensor:
        """Batch `number` `[batch_size d]`; numbers below 0 are other batches than those from 0."""
        n_features, d = self.features.shape
        # One seed a batch: far apart for neighboring numbers, and below 2^63.
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + number + 2**40) * 7919)
        active = torch.rand(self.batch_size, n_features, generator=generator) < self.frequencies
        row, column = active.nonzero(as_tuple=True)
        values = (1 + 0.25 * torch.randn(len(row), generator=generator)).abs()
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), active.sum(dim=1).cumsum(0)[:-1]])
        x = torch.nn.functional.embedding_bag(column, self.features, offsets, mode="sum", per_sample_weights=values)
        x += NOISE * torch.randn(self.batch_size, d, generator=generator)
        return x * self.scale
