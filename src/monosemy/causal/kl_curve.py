"""The curve of KL(patched || target) against the number of patched latents, and the area under it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from monosemy.causal.patching import Patching, PerPair
from monosemy.core import UserError

Order = Int64[np.ndarray, " n"]
PointsOfPairs = Float64[np.ndarray, "points pairs"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KLCurve:
    """KL of each pair when the first n latents of an order are patched.

    order: latents, in the order in which they are patched. n_patched: ascending, the first is 0. kl: KL(patched ||
    target), nats. edit: mean over real positions of |x' - x|. entries: (latent, position) entries that were changed.
    Raises ValueError when n_patched does not ascend from 0, or goes beyond the order.
    """

    order: Order
    n_patched: Int64[np.ndarray, " points"]
    kl: PointsOfPairs
    edit: PointsOfPairs
    entries: PointsOfPairs

    def __post_init__(self) -> None:
        n = self.n_patched
        if len(n) == 0 or n[0] != 0 or (np.diff(n) <= 0).any() or n[-1] > len(self.order):
            raise ValueError(f"the numbers of patched latents ascend from 0 to at most {len(self.order)}, got {n}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Area:
    """The area under a curve, as a ratio of sums over pairs: sum(numerator) / sum(denominator).

    numerator: each pair's integral of KL. denominator: each pair's KL with nothing patched. So that an interval over
    prompts is `core.bootstrap_ratio` of the two.
    """

    numerator: PerPair
    denominator: PerPair

    @property
    def value(self) -> float:
        """The area; 1 where nothing is ever gained. NaN where the pairs do not differ at all."""
        total = float(self.denominator.sum())
        return float(self.numerator.sum()) / total if total > 0 else float("nan")


def patch_counts(n_latents: int, d_model: int) -> Int64[np.ndarray, " points"]:
    """Numbers of latents to measure at: 0, 1, 2, 3, 4, 6, 8, 12 ... and d_model, n_latents, none above n_latents."""
    counts = {0, d_model, n_latents}
    step = 1
    while step <= n_latents:
        counts |= {step, step + step // 2}
        step *= 2
    return np.array(sorted(n for n in counts if n <= n_latents), dtype=np.int64)


def curve_along(patching: Patching, order: Order, n_patched: Sequence[int] | Int64[np.ndarray, " points"]) -> KLCurve:
    """The curve of these pairs along an order, which may come from other pairs.

    Raises UserError when the order names a latent twice or one that does not exist.
    """
    if len(np.unique(order)) < len(order) or (len(order) and not 0 <= order.min() <= order.max() < patching.n_latents):
        raise UserError(
            f"an order names each latent at most once, from 0 to {patching.n_latents - 1}; give the order of latents "
            "of this dictionary"
        )
    counts = np.asarray(n_patched, dtype=np.int64)
    sets = np.zeros((len(counts), patching.n_latents), dtype=bool)
    for row, n in zip(sets, counts.tolist(), strict=True):
        row[order[:n]] = True
    return KLCurve(
        order=order,
        n_patched=counts,
        kl=patching.kl_of_sets(sets),
        edit=np.stack([patching.edit_norm(latents) for latents in sets]),
        entries=np.stack([patching.entries(latents) for latents in sets]),
    )


def area(curve: KLCurve, d_model: int) -> Area:
    """The area under mean KL(n) / mean KL(0) over log2(1 + n), from n = 0 to n = d_model, of the whole width.

        area = sum_p integral_0^1 KL_p(u) du / sum_p KL_p(0)        u = log2(1 + n) / log2(1 + d_model)

    By trapezoids between the measured n; where d_model lies between two, the KL there is interpolated linearly in u. A
    curve that ends before d_model goes on at its last value. 1: nothing is ever gained; below 0.5 / log2(1 + d_model)
    no curve can come, which is one latent doing it all (the trapezoid from 0 to 1). Raises ValueError for d_model < 1.
    """
    if d_model < 1:
        raise ValueError(f"the area needs a width of at least 1, got {d_model}")
    u = np.log2(1.0 + curve.n_patched) / np.log2(1.0 + d_model)
    inside = u < 1.0
    ends = np.stack([np.interp(1.0, u, kl) for kl in curve.kl.T])  # the last value where the curve ends before
    points = np.append(u[inside], 1.0)
    kl = np.vstack([curve.kl[inside], ends])
    numerator = (np.diff(points)[:, None] * (kl[1:] + kl[:-1]) / 2).sum(axis=0)
    return Area(numerator=numerator, denominator=curve.kl[0].copy())
