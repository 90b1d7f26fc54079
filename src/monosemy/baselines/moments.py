"""What a baseline learns from the activations of one site: their mean and covariance, or the first rows themselves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from monosemy.core import UserError

Batches = Callable[[], Iterator[Tensor]]
"""Gives the activations of one site anew at each call: tensors `[batch d_site]`, raw, rows in a shuffled order."""

_ROUNDING = 1e-12  # a standard deviation below this share of the mean is what rounding leaves of a constant


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SecondMoments:
    """Number, mean and covariance E (x - E x)(x - E x)^T of activations, in float64; in their unit and its square."""

    n_rows: int
    mean: Float64[np.ndarray, " d_site"]
    covariance: Float64[np.ndarray, "d_site d_site"]

    @property
    def d_site(self) -> int:
        """The width of the site."""
        return len(self.mean)


def second_moments(batches: Batches) -> SecondMoments:
    """Mean and covariance of all rows in one pass; batch boundaries change them by rounding only.

    Sums of deviations from the mean are merged (Chan, Golub and LeVeque 1979), not raw products: a residual stream's
    mean can be hundreds of times its spread. Raises UserError when a row is not finite, when nothing varies, and when
    there are fewer rows than dimensions.
    """
    n, mean, comoment = 0, np.zeros(0), np.zeros((0, 0))
    for x in _finite(batches()):
        x64 = x.to(torch.float64)
        batch_mean = x64.mean(dim=0)
        deviation = x64 - batch_mean
        products = (deviation.T @ deviation).numpy()
        if n == 0:
            n, mean, comoment = len(x), batch_mean.numpy(), products
            continue
        delta = batch_mean.numpy() - mean
        total = n + len(x)
        comoment = comoment + products + np.outer(delta, delta) * (n * len(x) / total)
        mean = mean + delta * (len(x) / total)
        n = total
    moments = SecondMoments(n_rows=n, mean=mean, covariance=comoment / max(n, 1))
    _check(n, mean, np.diagonal(moments.covariance))
    return moments


def first_rows(batches: Batches, n_rows: int) -> Float[Tensor, "rows d_site"]:
    """The first `n_rows` rows, or all where there are fewer, on the CPU; raises UserError as `second_moments` does."""
    parts: list[Tensor] = []
    missing = n_rows
    for x in _finite(batches()):
        parts.append(x[:missing])
        missing -= len(parts[-1])
        if missing == 0:
            break
    rows = torch.cat(parts) if parts else torch.empty(0, 0)
    x64 = rows.to(torch.float64).numpy()
    _check(len(rows), x64.mean(axis=0) if len(rows) else np.zeros(0), x64.var(axis=0) if len(rows) else np.zeros(0))
    return rows


def site_width(batches: Batches) -> int:
    """The number of dimensions of the site, from the first batch; raises UserError when there is none."""
    for x in batches():
        return x.shape[1]
    raise UserError("there are no activations to fit a baseline on; harvest at least as many rows as dimensions")


def check_n_latents(name: str, n_latents: int, allowed: range, why: str) -> None:
    """Raise UserError unless a baseline can have so many latents."""
    if n_latents not in allowed:
        numbers = f"{allowed[0]}" if len(allowed) == 1 else f"{allowed[0]} to {allowed[-1]}"
        step = f" in steps of {allowed.step}" if len(allowed) > 1 and allowed.step > 1 else ""
        raise UserError(f"{name} cannot have {n_latents} latents; allowed here: {numbers}{step}, {why}")


def oriented(directions: Float64[np.ndarray, "n_latents d_site"]) -> Float64[np.ndarray, " n_latents"]:
    """+1 or -1 for each direction, so that its entry of largest magnitude (the first of equals) becomes positive.

    Principal and independent components are defined up to a sign; this makes them the same whatever rounding chose.
    """
    largest = np.abs(directions).argmax(axis=1)
    return np.where(np.take_along_axis(directions, largest[:, None], axis=1)[:, 0] < 0, -1.0, 1.0)


def float32(array: Float64[np.ndarray, "..."]) -> Float[Tensor, "..."]:
    """A float32 tensor of its own of a float64 array."""
    return torch.from_numpy(array.astype(np.float32, order="C"))


def _finite(batches: Iterator[Tensor]) -> Iterator[Tensor]:
    """The batches on the CPU, empty ones left out; UserError at the first row that is not finite."""
    n_rows = 0
    for batch in batches:
        x = batch.detach().cpu()
        if len(x) == 0:
            continue
        if not torch.isfinite(x).all():
            row = n_rows + int((~torch.isfinite(x)).any(dim=1).nonzero()[0, 0])
            raise UserError(f"activation {row} holds a NaN or an infinity; harvest the site anew, in bfloat16")
        n_rows += len(x)
        yield x


def _check(n_rows: int, mean: Float64[np.ndarray, " d_site"], variance: Float64[np.ndarray, " d_site"]) -> None:
    d_site = len(mean)
    if n_rows == 0 or n_rows < d_site:
        raise UserError(
            f"{n_rows} activations of {d_site} dimensions are too few to fit a baseline; give at least as many rows as"
            " dimensions, better a hundred times as many"
        )
    if not (variance > (_ROUNDING * mean) ** 2).any():
        raise UserError("the activations are all the same, there is nothing to fit; choose another site or other text")
