"""Edits of a forward pass: replace, add to or ablate the activation at a site, everywhere or at chosen positions."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monosemy.lm.sites import Site


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """Replace x at `site` by fn(x) at the positions `at`, everywhere when None.

    at: a boolean mask [batch seq], or one position for each example as integers [batch], negative from the end.
    fn: [batch seq d_site] -> the same shape and dtype. Where the mask is False, x stays as it is, bit for bit. At a
    centered site fn sees x - mean(x) and the mean is added back to what it returns. Several edits of one site act in
    the order in which they are given.
    """

    site: Site
    fn: Callable[[Tensor], Tensor]
    at: Tensor | None = None

    def __call__(self, x: Float[Tensor, "batch seq d_site"]) -> Float[Tensor, "batch seq d_site"]:
        """The edited activation. Raises ValueError when fn changes shape or dtype, or `at` does not fit x."""
        y = self.fn(x)
        if y.shape != x.shape or y.dtype != x.dtype:
            raise ValueError(
                f"the edit at {self.site} must keep shape and dtype: it got {tuple(x.shape)} {x.dtype} and returned"
                f" {tuple(y.shape)} {y.dtype}"
            )
        if self.at is None or y is x:
            return y
        return torch.where(_mask(self.at.to(x.device), x.shape[0], x.shape[1]).unsqueeze(-1), y, x)


def replace(site: Site, values: Tensor, at: Tensor | None = None) -> Edit:
    """x -> values: [batch seq d_site], or [batch d_site] or [d_site] for the same at every position."""
    return Edit(site, lambda x: _like(values, x).expand_as(x), at)


def add(site: Site, values: Tensor, at: Tensor | None = None) -> Edit:
    """x -> x + values: [batch seq d_site], or [batch d_site] or [d_site] for the same at every position."""
    return Edit(site, lambda x: x + _like(values, x), at)


def ablate(site: Site, mean: Float[Tensor, " d_site"] | None = None, at: Tensor | None = None) -> Edit:
    """x -> mean, or zero when it is None."""
    return Edit(site, torch.zeros_like, at) if mean is None else replace(site, mean, at)


def _like(values: Tensor, x: Tensor) -> Tensor:
    """`values` on x's device and dtype, with [batch d_site] read as [batch 1 d_site]."""
    values = values.to(device=x.device, dtype=x.dtype)
    return values.unsqueeze(1) if values.ndim == 2 else values


def _mask(at: Tensor, n_batch: int, n_seq: int) -> Bool[Tensor, "batch seq"]:
    if at.dtype == torch.bool:
        if at.shape != (n_batch, n_seq):
            raise ValueError(f"the mask of an edit is {tuple(at.shape)}; it must be [batch seq] = {(n_batch, n_seq)}")
        return at
    if at.is_floating_point() or at.shape != (n_batch,) or bool(((at < -n_seq) | (at >= n_seq)).any()):
        raise ValueError(
            f"the positions of an edit must be integers [batch] = {(n_batch,)}, each in -{n_seq}..{n_seq - 1}"
        )
    return torch.arange(n_seq, device=at.device) == (at % n_seq).unsqueeze(1)
