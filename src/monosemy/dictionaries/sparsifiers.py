"""What turns pre-activations into latents: one small class each, the same for training and inference.

Ties go to the lowest index everywhere. NaN counts as the largest number, so that it is seen and never silently dropped.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from monosemy.core import UserError

_BLOCK_ROWS = 256  # so many rows of a few hundred latents stay in the cache during the selection's four passes


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """z = pre."""

    def __call__(self, pre: Float[Tensor, "*batch n_latents"]) -> Float[Tensor, "*batch n_latents"]:
        """Latents of pre-activations."""
        return pre


@final
@dataclass(frozen=True, slots=True)
class ReLU:
    """z = max(pre, 0)."""

    def __call__(self, pre: Float[Tensor, "*batch n_latents"]) -> Float[Tensor, "*batch n_latents"]:
        """Latents of pre-activations."""
        return pre.relu()


@final
@dataclass(frozen=True, slots=True)
class TopK:
    """z = max(pre, 0) on the k largest of each row, else 0: k active latents, fewer where fewer are positive.

    Raises UserError when k < 1 or k > n_latents. Source: Makhzani and Frey 2013; Gao et al. 2024 (arXiv 2406.04093).
    """

    k: int

    def __post_init__(self) -> None:
        _check_k(self.k)

    def __call__(self, pre: Float[Tensor, "*batch n_latents"]) -> Float[Tensor, "*batch n_latents"]:
        """Latents of pre-activations."""
        return keep(pre, largest(pre, self.k), positive=True)


@final
@dataclass(frozen=True, slots=True)
class AbsTopK:
    """z = pre on the k largest |pre| of each row, else 0; the signs are kept.

    Raises UserError when k < 1 or k > n_latents.
    """

    k: int

    def __post_init__(self) -> None:
        _check_k(self.k)

    def __call__(self, pre: Float[Tensor, "*batch n_latents"]) -> Float[Tensor, "*batch n_latents"]:
        """Latents of pre-activations."""
        return keep(pre, largest(pre.abs(), self.k))


@final
@dataclass(frozen=True, slots=True, eq=False)
class JumpReLU:
    """z_i = pre_i where pre_i > theta_i, else 0; theta `[n_latents]`, in the unit of pre-activations.

    Raises UserError when theta is not finite. Source: Rajamanoharan et al. 2024 (arXiv 2407.14435).
    """

    theta: Float[Tensor, " n_latents"]

    def __post_init__(self) -> None:
        theta = self.theta.detach().contiguous()
        if not torch.isfinite(theta).all():
            raise UserError("the thresholds of JumpReLU must be finite; export the dictionary anew")
        object.__setattr__(self, "theta", theta)

    def __call__(self, pre: Float[Tensor, "*batch n_latents"]) -> Float[Tensor, "*batch n_latents"]:
        """Latents of pre-activations."""
        return torch.where(pre <= self.theta, torch.zeros_like(pre), pre)


Sparsifier = Identity | ReLU | TopK | AbsTopK | JumpReLU


def largest(values: Float[Tensor, "*batch n_latents"], k: int) -> Int64[Tensor, " n_kept"]:
    """Where the k largest values of each row are, of equal values the lowest indices.

    Returns: positions in the rows put end to end, ascending, k a row. The definition is the first k of a stable
    descending sort of a row. On the CPU it is found without sorting: the k-th largest value by numpy's partition (about
    twice as fast as torch.topk, which promises nothing about ties), then what is not below it; only rows with a tie
    at that value are sorted. Raises UserError when k > n_latents.
    """
    n_latents = values.shape[-1]
    if k > n_latents:
        raise UserError(f"k is {k} and there are only {n_latents} latents; choose k of at most {n_latents}")
    rows = values.detach().reshape(-1, n_latents)
    if len(rows) == 0 or rows.device.type != "cpu" or rows.dtype not in (torch.float32, torch.float64):
        return _kept_by_sort(rows, k).flatten().nonzero().flatten()
    blocks = np.array_split(rows.numpy(), math.ceil(len(rows) / _BLOCK_ROWS))
    kept = np.empty(len(rows) * k, np.int64)
    n_done = 0
    for block in blocks:
        kept[n_done * k : (n_done + len(block)) * k] = _largest_by_partition(block, k)
        kept[n_done * k : (n_done + len(block)) * k] += n_done * n_latents
        n_done += len(block)
    return torch.from_numpy(kept)


def largest_in_batch(values: Float[Tensor, "batch n_latents"], n_kept: int) -> Int64[Tensor, " n_kept"]:
    """Where the n_kept largest values of the whole batch are, of equal values the lowest flat positions.

    Returns positions in the rows put end to end, ascending, as `largest` does. Raises UserError when there are fewer.
    """
    return largest(values.reshape(1, -1), n_kept)


def keep(
    values: Float[Tensor, "*batch n_latents"], positions: Int64[Tensor, " n_kept"], *, positive: bool = False
) -> Float[Tensor, "*batch n_latents"]:
    """The values at the positions that `largest` gives, 0 elsewhere; differentiable in the values.

    positive: their positive parts, taken of the few that are kept.
    """
    flat = values.reshape(-1)
    kept = flat.gather(0, positions)
    kept = kept.relu() if positive else kept
    return torch.zeros_like(flat).scatter_(0, positions, kept).reshape(values.shape)


def _largest_by_partition(rows: np.ndarray, k: int) -> np.ndarray:
    n_latents = rows.shape[1]
    kth_largest = np.partition(rows, n_latents - k, axis=1)[:, n_latents - k, None]
    kept = ~(rows < kth_largest)  # not >=, which would drop NaN
    positions = np.flatnonzero(kept)
    if len(positions) == len(rows) * k:  # every row has at least k
        return positions
    tied = np.flatnonzero(kept.sum(axis=1) > k)
    kept[tied] = _kept_by_sort(torch.from_numpy(rows[tied]), k).numpy()
    return np.flatnonzero(kept)


def _kept_by_sort(rows: Tensor, k: int) -> Tensor:
    index = rows.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(rows, dtype=torch.bool).scatter_(1, index, True)


def _check_k(k: int) -> None:
    if k < 1:
        raise UserError(f"k is {k}; choose at least 1")
