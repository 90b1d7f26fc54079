"""Which latents of a dictionary to take out so that a linear probe finds least of a concept: greedily, one more a step.

For every latent the outcome is known in closed form: the share of the concept's variance that the best linear probe of
the edited activation explains,

    R^2 = c'^T (C' + l I)^-1 c' / var(y)        C' = Cov(x'), c' = Cov(x', y), y = 1 where the concept holds, else 0

The few with the least are tried: the least-squares probe is fitted to the edited rows of the fit, and the latent kept
after which it does worst on the rows that are for choosing. After Cunningham et al. (the first version of arXiv
2309.08600), who fit a classifier by gradient descent for each latent and choose on the rows that they report.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from monosemy.causal.interventions import Intervention, ablated
from monosemy.causal.leace import affine_projection
from monosemy.core import Advance, UserError, ignore_advance, numpy_generator
from monosemy.dictionaries import Dictionary

Way = Literal["projection", "ablation"]
WAYS: tuple[Way, ...] = ("projection", "ablation")
"""projection: all that lies along the latents' decoder directions goes; ablation: the latents' values become 0."""

_RIDGE = 1e-5  # l, in the unit of the mean variance of a dimension


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ConceptRows:
    """Activations and whether the concept holds; unit: number, in `units`, of the unit of each row."""

    x: Float[Tensor, "rows d_site"]
    holds: Bool[np.ndarray, " rows"]
    unit: Int64[np.ndarray, " rows"]
    units: tuple[str, ...]

    @property
    def mean(self) -> Float64[Tensor, " d_site"]:
        """The mean activation."""
        return self.x.double().mean(dim=0)

    @property
    def mean_difference(self) -> Float64[Tensor, " d_site"]:
        """Mean where the concept holds minus mean where it does not."""
        holds = torch.from_numpy(self.holds)
        return self.x[holds].double().mean(dim=0) - self.x[~holds].double().mean(dim=0)


def split_rows(rows: ConceptRows, n_first: int, seed: int) -> tuple[ConceptRows, ConceptRows]:
    """Two parts without a common row: n_first rows of each kind, drawn at random, and all others."""
    generator = numpy_generator(seed, "split-concept-rows")
    first = np.zeros(len(rows.holds), dtype=bool)
    for kind in (rows.holds, ~rows.holds):
        first[generator.permutation(np.flatnonzero(kind))[:n_first]] = True
    return _part(rows, first), _part(rows, ~first)


def _part(rows: ConceptRows, kept: Bool[np.ndarray, " rows"]) -> ConceptRows:
    x = rows.x[torch.from_numpy(kept)]
    return ConceptRows(x=x, holds=rows.holds[kept], unit=rows.unit[kept], units=rows.units)


def latent_edit(
    dictionary: Dictionary, latents: Sequence[int], way: Way, mean: Float[Tensor, " d_site"]
) -> Intervention:
    """The edit that takes latents out; a projection leaves the mean of the activations where it is."""
    chosen = torch.tensor(list(latents), dtype=torch.int64)
    if way == "ablation":
        return ablated(dictionary, chosen)
    return affine_projection(dictionary.W_dec[chosen], mean)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Choice:
    """Latents in the order in which they are taken out, and the probe's balanced accuracy on the choosing rows after
    each."""

    latents: tuple[int, ...]
    accuracy: tuple[float, ...]


def choose_latents(
    dictionary: Dictionary,
    way: Way,
    fit: ConceptRows,
    choosing: ConceptRows,
    *,
    n_latents: int,
    n_candidates: int = 16,
    advance: Advance = ignore_advance,
) -> Choice:
    """The greedy order of `n_latents` latents, of those that fire on the rows of the fit; `advance` counts latents.

    Raises UserError when fewer fire.
    """
    z = dictionary.encode(fit.x).double()
    fires = (z != 0).any(dim=0)
    if int(fires.sum()) < n_latents:
        raise UserError(
            f"{int(fires.sum())} of {dictionary.n_latents} latents fire on the {len(z)} rows of the fit, not the "
            f"{n_latents} that are to be taken out; ask for fewer"
        )
    z_choosing = dictionary.encode(choosing.x).double()
    residual = _projection_residuals if way == "projection" else _ablation_residuals
    chosen: list[int] = []
    accuracy: list[float] = []
    for _ in range(n_latents):
        left = residual(dictionary, fit, z, chosen)
        left[~fires] = torch.inf
        left[chosen] = torch.inf
        candidates = left.argsort(stable=True)[: min(n_candidates, int(fires.sum()) - len(chosen))].tolist()
        scores = [_accuracy_after(dictionary, way, fit, choosing, (z, z_choosing), [*chosen, c]) for c in candidates]
        best = int(np.argmin(scores))
        chosen.append(candidates[best])
        accuracy.append(scores[best])
        advance(1)
    return Choice(latents=tuple(chosen), accuracy=tuple(accuracy))


Residuals = Callable[[Dictionary, ConceptRows, Tensor, Sequence[int]], Float64[Tensor, " n_latents"]]


def _projection_residuals(
    dictionary: Dictionary, fit: ConceptRows, z: Tensor, chosen: Sequence[int]
) -> Float64[Tensor, " n_latents"]:
    """R^2 after each latent's direction is projected off, besides those of `chosen`, times var(y).

    The best probe is orthogonal to what was projected off; in the coordinates where C is the identity that is

        |g|^2 - (g . h_j)^2 / |h_j|^2        g = C^-1/2 c,  h_j = C^-1/2 d_j, both without what lies along the chosen h
    """
    del z
    covariance, cross = _moments(fit.x.double(), fit.holds)
    values, vectors = torch.linalg.eigh(covariance)
    whiten = (vectors * values.rsqrt()) @ vectors.T
    g, h = whiten @ cross, dictionary.W_dec.double() @ whiten
    if chosen:
        q = torch.linalg.qr(h[list(chosen)].T).Q
        g, h = g - q @ (q.T @ g), h - (h @ q) @ q.T
    size = h.square().sum(dim=1)
    return g @ g - torch.where(size > 1e-12 * size.amax(), (h @ g).square() / size, 0.0)


def _ablation_residuals(
    dictionary: Dictionary, fit: ConceptRows, z: Tensor, chosen: Sequence[int]
) -> Float64[Tensor, " n_latents"]:
    """R^2 after each latent's value becomes 0, besides those of `chosen`, times var(y).

    x' = x - z_j d_j changes the covariance by a matrix of rank two, whose inverse follows from C's (Woodbury):

        C' = C + U M U^T    U = [a d_j],  M = [[0, -1], [-1, var z_j]],  a = Cov(x, z_j);    c' = c - Cov(z_j, y) d_j
    """
    D = dictionary.W_dec.double()
    x = fit.x.double()
    if chosen:
        x = x - z[:, list(chosen)] @ D[list(chosen)]
    covariance, c = _moments(x, fit.holds)
    centered = z - z.mean(dim=0)
    y = _centered(fit.holds)
    A = centered.T @ (x - x.mean(dim=0)) / len(x)
    v, s = centered.square().mean(dim=0), centered.T @ y / len(x)
    inverse = torch.linalg.inv(covariance)
    CA, CD = A @ inverse, D @ inverse
    changed = c - s[:, None] * D
    # K = M^-1 + U^T C^-1 U, M^-1 = -[[v, 1], [1, 0]]
    k_aa, k_ad, k_dd = (A * CA).sum(dim=1) - v, (A * CD).sum(dim=1) - 1, (D * CD).sum(dim=1)
    p, q = (CA * changed).sum(dim=1), (CD * changed).sum(dim=1)
    determinant = k_aa * k_dd - k_ad**2
    lost = (k_dd * p**2 - 2 * k_ad * p * q + k_aa * q**2) / determinant
    return (changed * (changed @ inverse)).sum(dim=1) - lost


def _accuracy_after(
    dictionary: Dictionary,
    way: Way,
    fit: ConceptRows,
    choosing: ConceptRows,
    z: tuple[Tensor, Tensor],
    latents: Sequence[int],
) -> float:
    """Balanced accuracy, on the choosing rows, of the least-squares probe of the edited rows of the fit."""
    if way == "ablation":
        D = dictionary.W_dec.double()[list(latents)]
        edited = [rows.x.double() - each[:, list(latents)] @ D for rows, each in zip((fit, choosing), z, strict=True)]
    else:
        edit = affine_projection(dictionary.W_dec[list(latents)], fit.mean)
        edited = [edit(rows.x.double()) for rows in (fit, choosing)]
    covariance, cross = _moments(edited[0], fit.holds)
    w = torch.linalg.solve(covariance, cross)
    scores = ((edited[1] - edited[0].mean(dim=0)) @ w + float(fit.holds.mean()) - 0.5).numpy()
    right = (scores > 0) == choosing.holds
    return float((right[choosing.holds].mean() + right[~choosing.holds].mean()) / 2)


def _moments(
    x: Float64[Tensor, "rows d_site"], holds: Bool[np.ndarray, " rows"]
) -> tuple[Float64[Tensor, "d_site d_site"], Float64[Tensor, " d_site"]]:
    """C + l I and c."""
    centered = x - x.mean(dim=0)
    covariance = centered.T @ centered / len(x)
    covariance.diagonal().add_(_RIDGE * float(covariance.diagonal().mean()))
    return covariance, centered.T @ _centered(holds) / len(x)


def _centered(holds: Bool[np.ndarray, " rows"]) -> Float64[Tensor, " rows"]:
    y = torch.from_numpy(holds).double()
    return y - y.mean()
