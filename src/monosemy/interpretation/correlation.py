"""Pearson correlation of predicted and true activations, from sums a unit that can be resampled."""

from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from numpy.typing import ArrayLike

N_SUMS = 6
"""A row of sums: n, sum p, sum t, sum p p, sum t t, sum p t over tokens; p predicted, t true, each less a constant."""

ROUNDING = 1e-12
"""A variance below this share of the mean square is what rounding leaves of a constant."""

CorrelationStatus = Literal["ok", "constant", "not_applicable"]


@final
class UnitSums:
    """Sums a unit of a truth with any prediction of it, in float64.

    What is subtracted from all p, and from all t, is their mean (a constant's own value): it changes no correlation,
    and nothing is lost to cancellation where values lie far from zero. mask: which tokens count.
    """

    def __init__(
        self,
        truth: Float[np.ndarray, "n_fragments position"],
        mask: Bool[np.ndarray, "n_fragments position"],
        unit: Int64[np.ndarray, " n_fragments"],
        n_units: int,
    ) -> None:
        self._mask, self._unit, self._n_units = mask, unit, n_units
        self._truth = _centered(truth, mask)
        self._n = mask.sum(axis=1).astype(np.float64)
        self._t, self._tt = self._truth.sum(axis=1), _products(self._truth, self._truth)

    def of(self, predicted: Float[np.ndarray, "n_fragments position"]) -> Float64[np.ndarray, "n_units 6"]:
        """For each unit the sums over the tokens under the mask of its fragments, as `N_SUMS` names them."""
        p = _centered(predicted, self._mask)
        of_fragment = (self._n, p.sum(axis=1), self._t, _products(p, p), self._tt, _products(p, self._truth))
        return np.stack([np.bincount(self._unit, weights=w, minlength=self._n_units) for w in of_fragment], axis=1)


def pearson(sums: Float64[np.ndarray, "*rows 6"]) -> Float64[np.ndarray, "*rows"]:
    """The Pearson correlation of each row of sums.

    (n spt - sp st) / sqrt((n spp - sp^2) (n stt - st^2));  0 where the prediction is constant and the truth is not, NaN
    where the truth is constant (or nothing was summed).
    """
    n, p, t, pp, tt, pt = np.moveaxis(sums, -1, 0)
    predicted, truth = _variation(n, p, pp), _variation(n, t, tt)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (n * pt - p * t) / np.sqrt(predicted * truth)
    value = np.where(predicted > 0, np.clip(value, -1.0, 1.0), 0.0)
    return np.where(truth > 0, value, np.nan)


def is_constant(sums: Float64[np.ndarray, "*rows 6"]) -> Bool[np.ndarray, "*rows"]:
    """Whether the prediction of each row of sums is constant."""
    n, p, _, pp, _, _ = np.moveaxis(sums, -1, 0)
    return np.asarray(_variation(n, p, pp) == 0)


def correlation_status(sums: Float64[np.ndarray, " 6"]) -> CorrelationStatus:
    """ok; constant where the prediction is, so that the correlation counts as 0; not_applicable where the truth is."""
    n, _, t, _, tt, _ = sums
    if _variation(n, t, tt) == 0:
        return "not_applicable"
    return "constant" if is_constant(sums) else "ok"


def _centered(
    values: Float[np.ndarray, "n_fragments position"], mask: Bool[np.ndarray, "n_fragments position"]
) -> Float64[np.ndarray, "n_fragments position"]:
    """The values less their mean over the mask, in float64; 0 beyond the mask, and everywhere of a constant."""
    inside = values[mask]
    if len(inside) == 0:
        return np.zeros(values.shape)
    lowest = inside.min()
    shift = lowest if lowest == inside.max() else inside.mean(dtype=np.float64)
    centered = values.astype(np.float64)
    centered -= shift
    centered *= mask
    return centered


def _products(
    a: Float64[np.ndarray, "row column"], b: Float64[np.ndarray, "row column"]
) -> Float64[np.ndarray, " row"]:
    return np.einsum("ij,ij->i", a, b)


def _variation(n: ArrayLike, total: ArrayLike, square: ArrayLike) -> np.ndarray:
    """n sum v^2 - (sum v)^2, 0 where it is nothing but rounding."""
    n, total, square = np.asarray(n), np.asarray(total), np.asarray(square)
    variation = n * square - total**2
    return np.where(variation > ROUNDING * n * square, variation, 0.0)
