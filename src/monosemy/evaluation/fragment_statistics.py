"""Counts, histogram and moments of every latent of a stream, from its non-zero activations."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

BINS_PER_OCTAVE = 4
LOWEST_LOG2, HIGHEST_LOG2 = -16, 16
N_BINS = (HIGHEST_LOG2 - LOWEST_LOG2) * BINS_PER_OCTAVE
"""Bin i of a histogram holds 2^(-16 + i/4) <= |z| < 2^(-16 + (i+1)/4); the first and the last what lies beyond, too."""

ROUNDING = 1e-12
"""A standard deviation below this share of the mean is what rounding leaves of a constant."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LatentStatistics:
    """Of each latent over all n_tokens recorded tokens (those in no fragment too) and all n_fragments fragments.

    n_firing_tokens: z is not 0. n_firing_fragments: it is not 0 somewhere in it. histogram: counts of |z| in the bins
    of `N_BINS`, of positive z and of negative. Then the mean of z, E (z - mean)^2, and the third and fourth
    standardized moments (of a normal distribution both are 0 as given here), NaN for a latent that is constant.
    """

    n_tokens: int
    n_fragments: int
    n_firing_tokens: Int64[np.ndarray, " n_latents"]
    n_firing_fragments: Int64[np.ndarray, " n_latents"]
    histogram: Int64[np.ndarray, "n_latents sign=2 n_bins"]
    mean: Float64[np.ndarray, " n_latents"]
    variance: Float64[np.ndarray, " n_latents"]
    skewness: Float64[np.ndarray, " n_latents"]
    excess_kurtosis: Float64[np.ndarray, " n_latents"]


@final
class StatisticsSum:
    """The running sums behind `LatentStatistics`.

    Moments come from sums of (z - c)^p, p = 1..4, in float64, c the mean of the first batch: as that batch is part of
    the whole, |mean - c| is at most sqrt(n / n_first) standard deviations, and little is lost to cancellation, however
    far from zero a latent lies. Only non-zero z are summed; each zero adds (-c)^p in the end.
    """

    def __init__(self, n_latents: int) -> None:
        self._n_tokens = self._n_fragments = 0
        self._firing = np.zeros((2, n_latents), dtype=np.int64)  # tokens, fragments
        self._histogram = np.zeros((n_latents, 2, N_BINS), dtype=np.int64)
        self._shift: Float64[np.ndarray, " n_latents"] | None = None
        self._powers = np.zeros((4, n_latents))

    @property
    def n_bytes(self) -> int:
        """The size of the state."""
        return self._firing.nbytes + self._histogram.nbytes + 5 * self._powers[0].nbytes

    def add(
        self,
        z: Float32[np.ndarray, "position n_latents"],
        n_tokens: int,
        fires: Bool[np.ndarray, "fragment n_latents"],
        n_fragments: int,
    ) -> None:
        """Take in positions, n_tokens of them recorded (0 on the others), and on which fragments each latent fires."""
        n_latents = z.shape[1]
        at = np.flatnonzero(z != 0)
        value, latent = z.ravel()[at].astype(np.float64), at % n_latents
        if self._shift is None and n_tokens > 0:
            self._shift = np.bincount(latent, weights=value, minlength=n_latents) / n_tokens
        self._n_tokens += n_tokens
        self._n_fragments += n_fragments
        self._firing[0] += np.bincount(latent, minlength=n_latents)
        self._firing[1] += fires.sum(axis=0)
        log2 = np.floor((np.log2(np.abs(value)) - LOWEST_LOG2) * BINS_PER_OCTAVE)
        bins = (latent * 2 + (value < 0)) * N_BINS + np.clip(log2, 0, N_BINS - 1).astype(np.int64)
        self._histogram += np.bincount(bins, minlength=self._histogram.size).reshape(self._histogram.shape)
        if self._shift is not None:
            deviation = value - self._shift[latent]
            power = np.ones_like(deviation)
            for total in self._powers:
                power *= deviation
                total += np.bincount(latent, weights=power, minlength=n_latents)

    def total(self) -> LatentStatistics:
        """The statistics of all that was added."""
        n_firing = self._firing[0]
        shift = np.zeros(len(n_firing)) if self._shift is None else self._shift
        zeros = (self._n_tokens - n_firing) * (-shift) ** np.arange(1, 5)[:, None]
        first, second, third, fourth = (self._powers + zeros) / (self._n_tokens or np.nan)
        mean, variance = shift + first, np.maximum(second - first**2, 0.0)
        spread = np.where(variance > (ROUNDING * mean) ** 2, variance, np.nan)
        return LatentStatistics(
            n_tokens=self._n_tokens,
            n_fragments=self._n_fragments,
            n_firing_tokens=n_firing.copy(),
            n_firing_fragments=self._firing[1].copy(),
            histogram=self._histogram.copy(),
            mean=mean,
            variance=variance,
            skewness=(third - 3 * first * second + 2 * first**3) / spread**1.5,
            excess_kurtosis=(fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4) / spread**2 - 3.0,
        )
