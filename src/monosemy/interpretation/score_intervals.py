"""Intervals of mean scores: units of text and latents are resampled together, from counts a latent and unit.

A resample draws as many units as there are, and as many latents of the dictionary, with replacement; each latent's
score is taken anew from the sums over the units drawn, then the mean over the latents drawn. All in float64.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int64, Real

from monosemy.core import Interval
from monosemy.interpretation.correlation import is_constant, pearson

N_RESAMPLES = 1000
_BLOCK_ENTRIES = 1 << 22  # totals held at once: 32 MiB

Counts = Real[np.ndarray, "n_latents n_units ..."]
UnitCounts = Int64[np.ndarray, "n_resamples n_units"]
LatentCounts = Int64[np.ndarray, "n_resamples n_latents"]
PerLatent = Callable[[np.ndarray], np.ndarray]


def resamples(
    n_units: int, n_latents: int, generator: np.random.Generator, n: int = N_RESAMPLES
) -> tuple[UnitCounts, LatentCounts]:
    """How often each unit and each latent is drawn in each of n resamples.

    The units are drawn first: from a stream of equal seed they are the same whatever the number of latents, so that
    two dictionaries are compared on the same resampled text.
    """
    units, latents = (
        generator.multinomial(of, np.full(of, 1 / of), size=n) if of else np.zeros((n, 0))
        for of in (n_units, n_latents)
    )
    return units.astype(np.int64), latents.astype(np.int64)


def mean_statistic(
    counts: Counts,
    statistic: PerLatent,
    unit_counts: UnitCounts,
    latent_counts: LatentCounts,
) -> Float64[np.ndarray, " n_resamples"]:
    """For each resample the mean over its latents of the statistic of their resampled sums.

    statistic maps totals [... sums] to [...]; where it is NaN the latent has no score in that resample and is left out
    of the mean, which is NaN where none has one. Of `pearson`: a prediction that is constant on all units counts as 0
    in every resample; one that is constant on the units drawn alone leaves its latent out, for a few fragments less say
    nothing against it (as 0 it would draw the interval of the scores of few fragments below their value).
    """
    if statistic is pearson:
        statistic = _pearson_of(is_constant(counts.sum(axis=1)))
    n_latents, n_units = counts.shape[:2]
    shape = counts.shape[2:]
    columns = np.moveaxis(counts, 1, 0).reshape(n_units, -1).astype(np.float64)
    rows = max(1, _BLOCK_ENTRIES // max(1, columns.shape[1]))
    means = np.empty(len(unit_counts))
    for start in range(0, len(means), rows):
        block = slice(start, start + rows)
        totals = (unit_counts[block].astype(np.float64) @ columns).reshape(-1, n_latents, *shape)
        value, weight = statistic(totals), latent_counts[block]
        defined = ~np.isnan(value)
        n = (weight * defined).sum(axis=1)
        total = (weight * np.where(defined, value, 0.0)).sum(axis=1)
        means[block] = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return means


def mean_pearson(
    sums: Float64[np.ndarray, "n_latents n_units 6"], unit_counts: UnitCounts, latent_counts: LatentCounts
) -> Float64[np.ndarray, " n_resamples"]:
    """For each resample the mean over its latents of the Pearson correlation of their resampled sums.

    As `mean_statistic` has it; a latent whose true activation is constant on the units drawn, or that has no fragment
    there, is left out.
    """
    return mean_statistic(sums, pearson, unit_counts, latent_counts)


def value_and_interval(
    counts: Counts,
    statistic: PerLatent,
    unit_counts: UnitCounts,
    latent_counts: LatentCounts,
    level: float = 0.95,
) -> Interval | None:
    """The mean score over the latents that have one, with its percentile interval; None where none has one."""
    n_latents, n_units = counts.shape[:2]
    if n_latents == 0:
        return None
    once = (np.ones((1, n), dtype=np.int64) for n in (n_units, n_latents))
    value = float(mean_statistic(counts, statistic, *once)[0])
    if np.isnan(value):
        return None
    return interval_around(value, mean_statistic(counts, statistic, unit_counts, latent_counts), level)


def interval_around(value: float, resampled: Float64[np.ndarray, " n_resamples"], level: float = 0.95) -> Interval:
    """The percentile interval, of the resamples that have a value, widened to hold the value itself."""
    defined = resampled[~np.isnan(resampled)]
    if len(defined) == 0:
        return Interval(value=value, low=value, high=value)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))


def _pearson_of(constant: Bool[np.ndarray, " n_latents"]) -> PerLatent:
    """The correlation, 0 of latents whose prediction is constant everywhere, NaN of those where it is so by chance."""

    def statistic(totals: np.ndarray) -> np.ndarray:
        return np.where(is_constant(totals) & ~constant, np.nan, pearson(totals))

    return statistic


def _draws(of: int, generator: np.random.Generator, n: int) -> Int64[np.ndarray, "n_resamples of"]:
    """How often each of so many is drawn, in each of n resamples."""
    if of == 0:
        return np.zeros((n, 0), dtype=np.int64)
    return generator.multinomial(of, np.full(of, 1 / of), size=n).astype(np.int64)
