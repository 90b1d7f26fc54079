"""Intervals: bootstrap over documents (or other units), paired differences, proportions. All in float64.

What a metric leaves is one row of sums for each document; every function here is a pure function of those rows. A
resample draws as many documents as there are, with replacement; the interval is the percentile interval of the
statistic over the resamples (Efron and Tibshirani 1993, ch. 13), widened where needed to hold the value itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Real
from scipy.special import ndtri

MIN_UNITS = 40
"""With fewer resampled units than this an interval is too narrow to be trusted, and the report says so."""

PerDocument = Real[np.ndarray, " documents"]
_CHUNK_ENTRIES = 1 << 22  # counts held at once: 32 MiB


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A value and its confidence interval, in the value's unit; low <= value <= high."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervals:
    """Many values and their confidence intervals, each computed alone; NaN where the statistic is undefined."""

    value: Float64[np.ndarray, " statistics"]
    low: Float64[np.ndarray, " statistics"]
    high: Float64[np.ndarray, " statistics"]


def bootstrap(
    sums: Real[np.ndarray, "documents sums"],
    statistic: Callable[[np.ndarray], np.ndarray],
    generator: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Intervals:
    """Intervals of any statistic that is a function of sums over documents.

    `statistic` maps totals [resamples sums] to [resamples statistics], row by row; a NaN says "undefined for this
    resample", and such resamples are left out. Raises ValueError without documents or with sums that are not finite.
    """
    sums = np.asarray(sums, dtype=np.float64)
    if sums.ndim != 2 or len(sums) == 0 or not np.isfinite(sums).all():
        raise ValueError(f"bootstrap needs finite sums [documents sums] with at least one document, got {sums.shape}")
    if n_resamples < 1 or not 0 < level < 1:
        raise ValueError(f"bootstrap needs n_resamples >= 1 and 0 < level < 1, got {n_resamples} and {level}")
    with np.errstate(divide="ignore", invalid="ignore"):
        value = statistic(sums.sum(axis=0, keepdims=True))[0]
        resampled = np.concatenate(
            [statistic(counts @ sums) for counts in _resample_counts(len(sums), n_resamples, generator)]
        )
    low, high = _quantiles(resampled, level)
    return Intervals(value=value, low=np.minimum(low, value), high=np.maximum(high, value))


def bootstrap_ratio(
    numerator: PerDocument,
    denominator: PerDocument,
    generator: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """The ratio sum(numerator) / sum(denominator) over documents, resampled by document.

    Resamples whose denominator is zero are left out. Raises ValueError when the value itself is undefined.
    """
    return _single(bootstrap(np.stack([numerator, denominator], axis=1), _ratios, generator, n_resamples, level))


def bootstrap_ratios(
    numerator: Real[np.ndarray, "documents statistics"],
    denominator: Real[np.ndarray, "documents statistics"],
    generator: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Intervals:
    """`bootstrap_ratio` of many statistics at once (a density for each latent), under the same resamples.

    NaN where a sum of denominators is zero. Holds n_resamples x statistics numbers in memory.
    """
    return bootstrap(np.concatenate([numerator, denominator], axis=1), _ratios, generator, n_resamples, level)


def bootstrap_difference(
    numerator_a: PerDocument,
    denominator_a: PerDocument,
    numerator_b: PerDocument,
    denominator_b: PerDocument,
    generator: np.random.Generator,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """The difference of two ratios, a - b, of two methods on the same documents in the same order, resampled jointly.

    Raises ValueError when one of the two ratios is undefined.
    """
    sums = np.stack([numerator_a, numerator_b, denominator_a, denominator_b], axis=1)
    return _single(bootstrap(sums, _ratio_difference, generator, n_resamples, level))


def bootstrap_mean(
    values: Real[np.ndarray, " units"], generator: np.random.Generator, n_resamples: int = 2000, level: float = 0.95
) -> Interval:
    """The mean over units that weigh alike (latents of one dictionary, items), resampled by unit."""
    return bootstrap_ratio(values, np.ones(len(values)), generator, n_resamples, level)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """A proportion successes / n with Wilson's score interval (1927), for independent trials.

    center = (p + z^2 / 2n) / (1 + z^2 / n), half = z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n)

    Raises ValueError unless 0 <= successes <= n and n > 0.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"wilson needs 0 <= successes <= n and n > 0, got {successes} of {n}")
    z, p = _z(0.5 + level / 2), successes / n
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low, high = max(0.0, center - half), min(1.0, center + half)
    return Interval(value=p, low=float(min(low, p)), high=float(max(high, p)))  # at p = 0 and 1 up to rounding


def smallest_detectable_difference(difference: Interval, level: float = 0.95, power: float = 0.8) -> float:
    """The smallest true difference that this comparison would have found, with probability `power`, at this level.

    (z_a + z_power) standard errors with a = (1 + level) / 2, the standard error being the interval's width / (2 z_a).
    `level` is the one the interval was made with. In the interval's unit.
    """
    z = _z(0.5 + level / 2)
    return (z + _z(power)) * (difference.high - difference.low) / (2 * z)


def _resample_counts(n: int, n_resamples: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Chunks [resamples n] of how often each of n documents is drawn when n are drawn with replacement."""
    chunk = max(1, _CHUNK_ENTRIES // n)
    for start in range(0, n_resamples, chunk):
        rows = min(chunk, n_resamples - start)
        drawn = generator.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _ratios(totals: np.ndarray) -> np.ndarray:
    """Left half over right half of the columns; NaN where the denominator is zero."""
    numerator, denominator = np.split(totals, 2, axis=1)
    return np.where(denominator == 0, np.nan, numerator / denominator)


def _ratio_difference(totals: np.ndarray) -> np.ndarray:
    ratios = _ratios(totals)
    return ratios[:, :1] - ratios[:, 1:]


def _quantiles(resampled: np.ndarray, level: float) -> np.ndarray:
    """The two ends [2 statistics] of the percentile interval over resamples, those that are NaN left out."""
    ends = [0.5 - level / 2, 0.5 + level / 2]
    undefined = np.isnan(resampled)
    quantiles = np.quantile(resampled, ends, axis=0)
    for column in np.flatnonzero(undefined.any(axis=0) & ~undefined.all(axis=0)):
        quantiles[:, column] = np.quantile(resampled[~undefined[:, column], column], ends)
    return quantiles


def _single(intervals: Intervals) -> Interval:
    value, low, high = (float(array[0]) for array in (intervals.value, intervals.low, intervals.high))
    if np.isnan(value):
        raise ValueError("the ratio is undefined: its denominator is zero over all documents")
    return Interval(value=value, low=low, high=high)


def _z(probability: float) -> float:
    """The quantile of the standard normal distribution."""
    return float(ndtri(probability))
