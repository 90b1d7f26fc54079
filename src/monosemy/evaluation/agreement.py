"""How far two dictionaries have the same directions, and how far random ones would."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from monosemy.core import UserError, numpy_generator

_ROWS_AT_ONCE = 1024

DirectionsA = Float[Tensor, "n_a d"]
DirectionsB = Float[Tensor, "n_b d_b"]  # another letter, so that another width is told in words


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomNull:
    """Mean of `mmcs` and of `matched_cosine` over pairs of random dictionaries, and their standard deviations (n - 1).

    The deviations are those of a single pair, so of what is to be compared with; NaN with one repeat.
    """

    mmcs: float
    mmcs_sd: float
    matched_cosine: float
    matched_cosine_sd: float


def mcs(a: DirectionsA, b: DirectionsB) -> Float64[np.ndarray, " directions"]:
    """Of each direction of `a` (rows of norm 0 left out): the largest cosine between it and any direction of `b`.

        mcs_i = max_j a_i.b_j / |a_i| |b_j|

    Signed: a direction and its negative have cosine -1. Raises UserError when a dictionary has no direction, a row that
    is not finite, or another width than the other. Source: Sharkey et al. 2022, whose mean over i is `mmcs`.
    """
    unit_a, unit_b = _both(a, b)
    blocks = np.split(unit_a, range(_ROWS_AT_ONCE, len(unit_a), _ROWS_AT_ONCE))
    return np.concatenate([(block @ unit_b.T).max(axis=1) for block in blocks])


def mmcs(a: DirectionsA, b: DirectionsB) -> float:
    """The mean of `mcs` over the directions of `a`: greedy, two of them may choose the same one, so not symmetric."""
    return float(mcs(a, b).mean())


def matched_cosine(a: DirectionsA, b: DirectionsB) -> float:
    """The mean cosine over the pairs of the one-to-one assignment that maximizes it (Hungarian method); symmetric.

    Rows of norm 0 are left out; with unequal numbers the smaller dictionary is assigned whole. At most the mean of
    `mcs` over the smaller one. Raises UserError as `mcs`. Holds n_a x n_b cosines.
    """
    unit_a, unit_b = _both(a, b)
    cosines = unit_a @ unit_b.T
    return float(cosines[linear_sum_assignment(cosines, maximize=True)].mean())


def random_null(n_a: int, n_b: int, d: int, seed: int, repeats: int = 10) -> RandomNull:
    """Agreement by chance: `mmcs` and `matched_cosine` between directions drawn uniformly on the sphere.

    A pair of dictionaries `[n_a d]`, `[n_b d]` is drawn for each repeat, from the stream (seed, "agreement-null",
    repeat). Give the numbers of directions that are not 0. Raises UserError unless all numbers are at least 1.
    """
    if min(n_a, n_b, d, repeats) < 1:
        raise UserError(f"a null of {n_a} and {n_b} directions in {d} dimensions, {repeats} times; all must be >= 1")
    values = np.empty((repeats, 2))
    for repeat in range(repeats):
        generator = numpy_generator(seed, "agreement-null", rank=repeat)
        a, b = (torch.from_numpy(generator.standard_normal((n, d))) for n in (n_a, n_b))
        values[repeat] = mmcs(a, b), matched_cosine(a, b)
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if repeats > 1 else np.full(2, np.nan)
    return RandomNull(
        mmcs=float(mean[0]),
        mmcs_sd=float(spread[0]),
        matched_cosine=float(mean[1]),
        matched_cosine_sd=float(spread[1]),
    )


def _both(
    a: DirectionsA, b: DirectionsB
) -> tuple[Float64[np.ndarray, "directions_a d"], Float64[np.ndarray, "directions_b d"]]:
    if a.shape[1] != b.shape[1]:
        raise UserError(
            f"directions of {a.shape[1]} and of {b.shape[1]} dimensions have no cosine; give dictionaries of one site"
        )
    return _unit(a), _unit(b)


def _unit(directions: Tensor) -> Float64[np.ndarray, "directions d"]:
    """The rows of norm above 0, each divided by it."""
    rows = directions.detach().cpu().to(torch.float64).numpy()
    norms = np.linalg.norm(rows, axis=1)
    if not np.isfinite(norms).all():
        raise UserError("a direction holds a NaN or an infinity; train or convert the dictionary anew")
    if not (norms > 0).any():
        raise UserError("the dictionary has no direction of norm above 0, so nothing to compare")
    return rows[norms > 0] / norms[norms > 0, None]
