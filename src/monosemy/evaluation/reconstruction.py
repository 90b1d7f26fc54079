"""Reconstruction and sparsity of a dictionary: fvu, l0, density, dead_eval, alive_paper."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float64, Real

from monosemy.core import Interval, Intervals, Result, bootstrap, bootstrap_ratio, bootstrap_ratios
from monosemy.evaluation.metric import EvaluationBatch, Metric, Subject, Sums, add_by_unit_

ALIVE_FIRINGS = 10
"""A latent is alive by the paper's count when it is not zero on more tokens than this."""


@final
class Reconstruction(Metric):
    """For each unit: tokens, sums of x and of |x|^2, of |x - x_hat|^2, of non-zero latents, and firings a latent.

    x counts from `center`, any vector near the data (the train split's mean): fvu does not depend on it, while sums of
    raw squares of activations far from the origin would lose the digits that the variance stands in.
    """

    def __init__(self, n_units: int, n_latents: int, center: Real[np.ndarray, " d_site"]) -> None:
        self._center = center.astype(np.float64)
        self._n_tokens = np.zeros(n_units)
        self._x = np.zeros((n_units, len(center)))
        self._square = np.zeros(n_units)
        self._square_error = np.zeros(n_units)
        self._fired = np.zeros((n_units, n_latents))

    def update(self, batch: EvaluationBatch) -> None:
        x, unit = batch.x.to(torch.float64), batch.unit
        deviation = x - torch.from_numpy(self._center).to(x.device)
        error = x - batch.x_hat.to(torch.float64)
        self._n_tokens += np.bincount(unit, minlength=len(self._n_tokens))
        add_by_unit_(self._x, unit, deviation)
        add_by_unit_(self._square, unit, (deviation**2).sum(dim=1))
        add_by_unit_(self._square_error, unit, (error**2).sum(dim=1))
        for number in np.unique(unit):  # in text order a batch holds few units
            rows = torch.from_numpy(unit == number).to(batch.z.device)
            self._fired[number] += torch.count_nonzero(batch.z[rows], dim=0).cpu().numpy()

    def sums(self) -> dict[str, np.ndarray]:
        """n_tokens, square, square_error, n_nonzero `[units]`, x `[units d_site]`, fired `[units n_latents]`."""
        return {
            "n_tokens": self._n_tokens,
            "x": self._x,
            "square": self._square,
            "square_error": self._square_error,
            "n_nonzero": self._fired.sum(axis=1),
            "fired": self._fired,
        }


def fvu(sums: Sums, generator: np.random.Generator) -> Interval:
    """Fraction of variance unexplained, its interval by bootstrap over units; 0 perfect, 1 predicting the mean.

    fvu = sum |x - x_hat|^2 / (sum |x|^2 - |sum x|^2 / n); the mean is that of the resampled tokens themselves.
    Raises ValueError when the activations do not vary.
    """
    table = np.concatenate(
        [np.stack([sums["n_tokens"], sums["square_error"], sums["square"]], axis=1), sums["x"]], axis=1
    )
    intervals = bootstrap(table[_seen(sums)], _fvu, generator)
    value, low, high = (float(part[0]) for part in (intervals.value, intervals.low, intervals.high))
    if np.isnan(value):
        raise ValueError("fvu is undefined: the activations do not vary")
    return Interval(value=value, low=low, high=high)


def l0(sums: Sums, generator: np.random.Generator) -> Interval:
    """Mean number of non-zero latents a token."""
    seen = _seen(sums)
    return bootstrap_ratio(sums["n_nonzero"][seen], sums["n_tokens"][seen], generator)


def density(sums: Sums) -> Float64[np.ndarray, " n_latents"]:
    """Of each latent, the fraction of tokens on which it is not zero."""
    return sums["fired"].sum(axis=0) / sums["n_tokens"].sum()


def density_intervals(sums: Sums, generator: np.random.Generator) -> Intervals:
    """`density` of each latent with its own interval."""
    seen = _seen(sums)
    n_tokens = np.broadcast_to(sums["n_tokens"][seen, None], sums["fired"][seen].shape)
    return bootstrap_ratios(sums["fired"][seen], n_tokens, generator)


def dead_eval(sums: Sums) -> int:
    """How many latents fired on no token."""
    return int((sums["fired"].sum(axis=0) == 0).sum())


def alive_paper(n_firings: Real[np.ndarray, " n_latents"]) -> int:
    """How many latents are not zero on more than 10 tokens (the paper counts on about 2.1 million tokens)."""
    return int((n_firings > ALIVE_FIRINGS).sum())


def reconstruction_results(sums: Sums, subject: Subject, generator: np.random.Generator) -> list[Result]:
    """fvu, l0 and dead_eval of one dictionary."""
    n_units, n_tokens = int(_seen(sums).sum()), int(sums["n_tokens"].sum())
    return [
        subject.measured("fvu", fvu(sums, generator), "fraction", n=n_units),
        subject.measured("l0", l0(sums, generator), "latents a token", n=n_units),
        subject.measured("dead_eval", dead_eval(sums), "latents", n=n_tokens, n_unit="tokens"),
    ]


def alive_paper_result(n_firings: Real[np.ndarray, " n_latents"], n_tokens: int, subject: Subject) -> Result:
    """alive_paper with the number of tokens that it was counted on."""
    return subject.measured("alive_paper", alive_paper(n_firings), "latents", n=n_tokens, n_unit="tokens")


def _fvu(totals: np.ndarray) -> np.ndarray:
    """[resamples (n, square error, square, *x)] -> [resamples 1]; NaN where nothing varies."""
    n, error, square, x = totals[:, 0], totals[:, 1], totals[:, 2], totals[:, 3:]
    variation = square - (x**2).sum(axis=1) / n
    return np.where(variation > 0, error / variation, np.nan)[:, None]


def _seen(sums: Sums) -> np.ndarray:
    """Units of which a token was read: the others are no part of the sample, and are not resampled."""
    return sums["n_tokens"] > 0
