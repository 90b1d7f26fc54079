"""LEACE: the smallest affine edit after which no linear classifier can tell a concept from the activation.

    r(x) = x - W+ P W (x - mu)        W = Sigma_xx^(-1/2),  P the orthogonal projector onto col(W Sigma_xz)

Source: Belrose et al. 2023 (arXiv 2306.03819), theorem 4.3. The covariances are the sample's own: the authors' library
shrinks them by default, and bounds the trace of the outcome's, after which its guarantee holds no more on that sample.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from monosemy.core import UserError

RANK_CUT = 1e-9
"""Directions whose variance is below this share of the largest do not vary: the pseudo-inverse leaves them out."""

CORRELATION_CUT = 1e-6
"""A direction whose correlation with the concept is below this carries nothing of it, but rounding."""


@final
class ConceptMoments:
    """Mean and covariances of activations x and a concept z, of a stream of batches, in float64.

    Batches are merged by the formula of Chan, Golub and LeVeque (1983): as exact as if all rows were there at once.
    """

    def __init__(self, d_site: int, d_concept: int = 1) -> None:
        self.n = 0
        self.mean_x = torch.zeros(d_site, dtype=torch.float64)
        self.mean_z = torch.zeros(d_concept, dtype=torch.float64)
        self._xx = torch.zeros(d_site, d_site, dtype=torch.float64)
        self._xz = torch.zeros(d_site, d_concept, dtype=torch.float64)
        self._zz = torch.zeros(d_concept, dtype=torch.float64)

    def update(self, x: Float[Tensor, "batch d_site"], z: Float[Tensor, "batch d_concept"]) -> None:
        """Take in a batch; z of a binary concept is 0 or 1. Raises ValueError on unequal numbers of rows."""
        if len(x) != len(z):
            raise ValueError(f"{len(x)} activations and {len(z)} labels")
        if len(x) == 0:
            return
        x, z = x.detach().cpu().double(), z.detach().cpu().double()
        mean_x, mean_z = x.mean(dim=0), z.mean(dim=0)
        x, z = x - mean_x, z - mean_z
        between_x, between_z = mean_x - self.mean_x, mean_z - self.mean_z
        total = self.n + len(x)
        weight = self.n * len(x) / total
        self._xx += x.T @ x + weight * torch.outer(between_x, between_x)
        self._xz += x.T @ z + weight * torch.outer(between_x, between_z)
        self._zz += (z * z).sum(dim=0) + weight * between_z**2
        self.mean_x = self.mean_x + between_x * (len(x) / total)
        self.mean_z = self.mean_z + between_z * (len(x) / total)
        self.n = total

    @property
    def covariance(self) -> Float64[Tensor, "d_site d_site"]:
        """Sigma_xx, divided by n."""
        return self._xx / max(1, self.n)

    @property
    def cross_covariance(self) -> Float64[Tensor, "d_site d_concept"]:
        """Sigma_xz, divided by n."""
        return self._xz / max(1, self.n)

    @property
    def spread(self) -> Float64[Tensor, " d_concept"]:
        """Standard deviation of each column of z."""
        return (self._zz / max(1, self.n)).sqrt()


def concept_moments(x: Float[Tensor, "rows d_site"], z: Float[Tensor, "rows d_concept"]) -> ConceptMoments:
    """The moments of rows that are all there."""
    moments = ConceptMoments(x.shape[1], z.shape[1])
    moments.update(x, z)
    return moments


@final
@dataclass(frozen=True, slots=True, eq=False)
class AffineEdit:
    """x' = x - (x - mean) R^T L: what the rows of R read of x is taken out along the rows of L.

    An intervention of `monosemy.lm.Edit`, on `[... d_site]`; orthogonal projections have L = R with orthonormal rows.
    Computed in float64 and returned in x's precision, so that what is erased stays erased to rounding.
    """

    read: Float[Tensor, "rank d_site"]
    write: Float[Tensor, "rank d_site"]
    mean: Float[Tensor, " d_site"]

    def __call__(self, x: Float[Tensor, "*rows d_site"]) -> Float[Tensor, "*rows d_site"]:
        """The edited activations."""
        if len(self.read) == 0:
            return x
        read, write, mean = (part.to(x.device) for part in (self.read, self.write, self.mean))
        return (x - ((x.double() - mean) @ read.T) @ write).to(x.dtype)

    @property
    def rank(self) -> int:
        """Number of dimensions that are removed."""
        return len(self.read)


def leace(moments: ConceptMoments) -> AffineEdit:
    """The LEACE edit of the moments' concept, of rank at most the number of its columns.

    Directions without variance (`RANK_CUT`) are left alone, those uncorrelated with the concept too
    (`CORRELATION_CUT`): of a concept that is nowhere, x' = x. Raises UserError unless there are two rows or more and
    the concept varies.
    """
    spread = moments.spread
    if moments.n < 2 or not bool((spread > 0).all()):
        raise UserError(
            f"a concept that is the same in all of {moments.n} rows cannot be erased; give rows of both kinds"
        )
    values, vectors = torch.linalg.eigh(moments.covariance)
    kept = values > RANK_CUT * values[-1].clamp_min(torch.finfo(torch.float64).tiny)
    values, vectors = values[kept], vectors[:, kept]
    whiten = (vectors * values.rsqrt()) @ vectors.T
    cross = moments.cross_covariance / spread
    u, correlation, _ = torch.linalg.svd(whiten @ cross, full_matrices=False)
    read = (whiten @ u[:, correlation > CORRELATION_CUT]).T
    # W+ u spans what Sigma_xz spans; written from that, all covariance goes, however badly W is conditioned.
    write = (cross @ torch.linalg.pinv(read @ cross, rtol=CORRELATION_CUT)).T
    return AffineEdit(read=read.contiguous(), write=write.contiguous(), mean=moments.mean_x)


def affine_projection(
    directions: Float[Tensor, "n d_site"], mean: Float[Tensor, " d_site"], *, tolerance: float = 1e-6
) -> AffineEdit:
    """x' = x - Q Q^T (x - mean), Q an orthonormal basis of the directions' span: what varies along them is removed.

    With a mean of zero it is the projection through the origin, `projected_out`. Directions that depend on the others,
    to `tolerance` of the largest singular value, add nothing.
    """
    directions = directions.detach().cpu().double()
    basis = directions
    if len(directions):
        _, singular, rows = torch.linalg.svd(directions, full_matrices=False)
        basis = rows[singular > tolerance * singular[0].clamp_min(torch.finfo(torch.float64).tiny)]
    return AffineEdit(read=basis, write=basis, mean=mean.detach().cpu().double())
