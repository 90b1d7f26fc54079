"""Pearson correlation of predicted and true activations, from sums a unit that can be resampled."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

N_SUMS = 6
"""A row of sums: n, sum p, sum t, sum p p, sum t t, sum p t over tokens; p predicted, t true, each less a constant."""

ROUNDING = 1e-12
"""A variance below this share of the mean square is what rounding leaves of a constant."""

CorrelationStatus = Literal["ok", "constant", "not_applicable"]


def unit_sums(
    predicted: Float[np.ndarray, "n_fragments position"],
    truth: Float[np.ndarray, "n_fragments position"],
    mask: Bool[np.ndarray, "n_fragments position"],
    unit: Int64[np.ndarray, " n_fragments"],
    n_units: int,
) -> Float64[np.ndarray, "n_units 6"]:
    """For each unit the sums over the tokens under the mask of its fragments (`N_SUMS`), in float64.

    What is subtracted from all p, and from all t, is their mean (a constant's own value): it changes no correlation,
    and nothing is lost to cancellation where values lie far from zero.
    """
    p, t = _centered(predicted, mask), _centered(truth, mask)
    of_fragment = np.stack(
        [
            mask.sum(axis=1).astype(np.float64),
            p.sum(axis=1),
            t.sum(axis=1),
            np.einsum("ij,ij->i", p, p),
            np.einsum("ij,ij->i", t, t),
            np.einsum("ij,ij->i", p, t),
        ],
        axis=1,
    )
    sums = np.zeros((n_units, N_SUMS))
    np.add.at(sums, unit, of_fragment)
    return sums


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


def correlation_status(sums: Float64[np.ndarray, " 6"]) -> CorrelationStatus:
    """ok; constant where the prediction is, so that the correlation counts as 0; not_applicable where the truth is."""
    n, p, t, pp, tt, _ = sums
    if _variation(n, t, tt) == 0:
        return "not_applicable"
    return "ok" if _variation(n, p, pp) > 0 else "constant"


def _centered(
    values: Float[np.ndarray, "n_fragments position"], mask: Bool[np.ndarray, "n_fragments position"]
) -> Float64[np.ndarray, "n_fragments position"]:
    """The values less their mean over the mask, in float64; 0 beyond the mask, and everywhere of a constant."""
    values = np.where(mask, values, 0).astype(np.float64)
    n = int(mask.sum())
    if n == 0:
        return values
    inside = values[mask]
    lowest = inside.min()
    shift = lowest if lowest == inside.max() else inside.mean()
    return np.where(mask, values - shift, 0.0)


def _variation(n: np.ndarray, total: np.ndarray, square: np.ndarray) -> np.ndarray:
    """n sum v^2 - (sum v)^2, 0 where it is nothing but rounding."""
    variation = n * square - total**2
    return np.where(variation > ROUNDING * n * square, variation, 0.0)
