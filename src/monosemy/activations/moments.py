"""Moments of a stream of activations in one pass: mean, covariance, and the third and fourth powers per dimension."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

ROUNDING = 1e-12
"""A standard deviation below this share of the mean is what rounding leaves of a constant."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moments:
    """Count, mean and sums of powers of deviations from the mean of `n` activations, all in float64.

        comoment = sum (x - mean)(x - mean)^T       third_i = sum (x_i - mean_i)^3       fourth_i = sum (x_i - mean_i)^4

    Sums of deviations, not of raw powers: a residual stream's mean can be hundreds of times its spread, and the
    difference of raw powers would have lost the digits that matter. Quotients by n - 1 are nowhere taken: these are the
    moments of the activations seen, not estimates. What is undefined is NaN: everything when n is 0, and skewness and
    kurtosis of a dimension that does not vary.
    """

    n: int
    mean: Float64[np.ndarray, " d_site"]
    comoment: Float64[np.ndarray, "d_site d_site"]
    third: Float64[np.ndarray, " d_site"]
    fourth: Float64[np.ndarray, " d_site"]

    @property
    def covariance(self) -> Float64[np.ndarray, "d_site d_site"]:
        """E (x - E x)(x - E x)^T."""
        return self.comoment / (self.n or np.nan)

    @property
    def variance(self) -> Float64[np.ndarray, " d_site"]:
        """E (x_i - E x_i)^2."""
        return np.diagonal(self.comoment) / (self.n or np.nan)

    @property
    def mean_square(self) -> Float64[np.ndarray, " d_site"]:
        """E x_i^2."""
        return self.variance + self.mean**2

    @property
    def skewness(self) -> Float64[np.ndarray, " d_site"]:
        """E (x_i - E x_i)^3 / variance_i^1.5; 0 for a normal distribution."""
        return self.third / (self.n or np.nan) / self._spread**1.5

    @property
    def excess_kurtosis(self) -> Float64[np.ndarray, " d_site"]:
        """E (x_i - E x_i)^4 / variance_i^2 - 3; 0 for a normal distribution, large where few values are far out."""
        return self.fourth / (self.n or np.nan) / self._spread**2 - 3.0

    @property
    def _spread(self) -> Float64[np.ndarray, " d_site"]:
        """The variance; NaN where it is no more than the rounding of a constant."""
        variance = self.variance
        return np.where(variance > (ROUNDING * self.mean) ** 2, variance, np.nan)


def no_moments(d_site: int) -> Moments:
    """The moments of no activation, from which a stream starts."""
    zeros = np.zeros(d_site)
    return Moments(n=0, mean=zeros, comoment=np.zeros((d_site, d_site)), third=zeros, fourth=zeros)


def moments_of(x: Float[Tensor, "batch d_site"]) -> Moments:
    """The moments of one batch, computed on its device in float64 (on the CPU where the device has none)."""
    if len(x) == 0:
        return no_moments(x.shape[1])
    x64 = (x.cpu() if x.device.type == "mps" else x).to(torch.float64)
    mean = x64.mean(dim=0)
    deviation = x64 - mean
    square = deviation**2
    return Moments(
        n=len(x),
        mean=mean.cpu().numpy(),
        comoment=(deviation.T @ deviation).cpu().numpy(),
        third=(square * deviation).sum(dim=0).cpu().numpy(),
        fourth=(square**2).sum(dim=0).cpu().numpy(),
    )


def merged(a: Moments, b: Moments) -> Moments:
    """The moments of the activations of `a` and `b` together; associative and commutative up to rounding.

    With delta = mean_b - mean_a and n = n_a + n_b:

        comoment = C_a + C_b + delta delta^T n_a n_b / n
        third    = T_a + T_b + delta^3 n_a n_b (n_a - n_b) / n^2 + 3 delta (n_a V_b - n_b V_a) / n
        fourth   = F_a + F_b + delta^4 n_a n_b (n_a^2 - n_a n_b + n_b^2) / n^3
                   + 6 delta^2 (n_a^2 V_b + n_b^2 V_a) / n^2 + 4 delta (n_a T_b - n_b T_a) / n

    where V is the diagonal of C. Source: Pebay 2008 (Sandia report SAND2008-6212), equations 1.5 to 1.7 and 2.1.
    """
    if a.n == 0 or b.n == 0:
        return b if a.n == 0 else a
    n = a.n + b.n
    weight_a, weight_b = a.n / n, b.n / n
    delta = b.mean - a.mean
    squares_a, squares_b = np.diagonal(a.comoment), np.diagonal(b.comoment)
    between = n * weight_a * weight_b
    return Moments(
        n=n,
        mean=a.mean + weight_b * delta,
        comoment=a.comoment + b.comoment + between * np.outer(delta, delta),
        third=a.third
        + b.third
        + between * (weight_a - weight_b) * delta**3
        + 3.0 * delta * (weight_a * squares_b - weight_b * squares_a),
        fourth=a.fourth
        + b.fourth
        + between * (weight_a**2 - weight_a * weight_b + weight_b**2) * delta**4
        + 6.0 * delta**2 * (weight_a**2 * squares_b + weight_b**2 * squares_a)
        + 4.0 * delta * (weight_a * b.third - weight_b * a.third),
    )
