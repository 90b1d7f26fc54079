"""The ridge probe: a linear classifier of each label on all dimensions, the ceiling for a single direction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Integer
from torch import Tensor

from monosemy.core import UserError
from monosemy.evaluation.label_data import LabelData
from monosemy.evaluation.label_selection import select_thresholds
from monosemy.evaluation.tables import distinct_masks

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Penalties tried, in the unit of the mean variance of a dimension; F1 hardly differs below 0.01."""

_ROUNDING = 1e-12  # a standard deviation below this share of the mean is what rounding leaves of a constant

PerRow = Bool[np.ndarray, "rows labels"]
Masks = Bool[np.ndarray, "rows masks"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LinearProbe:
    """scores = (x - mean) W + b, a column a label: the predicted share of positives, not confined to [0, 1]."""

    mean: Float64[np.ndarray, " d_site"]
    W: Float64[np.ndarray, "d_site labels"]
    b: Float64[np.ndarray, " labels"]
    penalty: float

    def scores(self, x: Float[Tensor, "rows d_site"]) -> Float32[np.ndarray, "rows labels"]:
        """The scores of activations; raises UserError on another width than the probe was fitted on."""
        _check_width(x, len(self.mean))
        return ((x.detach().cpu().to(torch.float64).numpy() - self.mean) @ self.W + self.b).astype(np.float32)


@final
class ProbeSums:
    """The sums of a stream of activations and labels from which probes of any penalty follow, in float64.

    A label is fitted on exactly the rows on which it is scored. Labels share few distinct masks of such rows
    (`tables.distinct_masks`), and each mask has its own moments:

        n_g, sum x, sum x x^T, sum x y_l over the rows of mask g, for its labels l

    Where a batch has few rows outside of a mask, the sum over all rows minus that over the others is used, as it costs
    less. `mask_of_label`: for each label the column of `masks` that says where it is scored.
    """

    def __init__(self, d_site: int, mask_of_label: Integer[np.ndarray, " labels"]) -> None:
        self.mask_of_label = mask_of_label.astype(np.int64)
        n_masks, n_labels = int(self.mask_of_label.max(initial=-1)) + 1, len(mask_of_label)
        self._shift: Float64[np.ndarray, " d_site"] | None = None  # subtracted first: the mean may dwarf the spread
        self._n_rows = np.zeros(n_masks + 1)  # the last mask is "all rows", which gives mean and scale
        self._sum_x = np.zeros((n_masks + 1, d_site))
        self._sum_xx = np.zeros((n_masks + 1, d_site, d_site))
        self._sum_xy = np.zeros((d_site, n_labels))
        self._sum_y = np.zeros(n_labels)

    def update(self, x: Float[Tensor, "rows d_site"], values: PerRow, masks: Masks) -> None:
        """Take in a batch: raw activations, whether each label holds, the masks; raises UserError when not finite."""
        _check_width(x, self._sum_x.shape[1])
        if len(x) == 0:
            return
        x64 = x.detach().cpu().to(torch.float64).numpy()
        if not np.isfinite(x64).all():
            raise UserError("an activation holds a NaN or an infinity; harvest the site anew, in bfloat16")
        if self._shift is None:
            self._shift = x64.mean(axis=0)
        x64 = x64 - self._shift  # not in place: it may be the caller's own memory
        all_xx, all_x = x64.T @ x64, x64.sum(axis=0)
        for mask, rows in enumerate([*masks.T, np.ones(len(x64), dtype=bool)]):
            n = int(rows.sum())
            self._n_rows[mask] += n
            most = 2 * n >= len(x64)
            some = x64[~rows] if most else x64[rows]
            some_xx, some_x = some.T @ some, some.sum(axis=0)
            self._sum_xx[mask] += all_xx - some_xx if most else some_xx
            self._sum_x[mask] += all_x - some_x if most else some_x
        y = (values & masks[:, self.mask_of_label]).astype(np.float64)
        self._sum_xy += x64.T @ y
        self._sum_y += y.sum(axis=0)

    def solve(self, penalties: Sequence[int | float] = PENALTIES) -> tuple[LinearProbe, ...]:
        """The probe of each penalty: for a label with n scored rows, w and b that minimize

            1/n sum (y - b - w.(x - mean) / scale)^2 + penalty |w|^2,   scale^2 = mean over dimensions of the variance

        mean and scale are those of all rows seen, so one penalty means the same for every label and site; b has none.
        One eigendecomposition a mask serves all penalties. A label without a scored row scores 0 everywhere.
        Raises UserError when nothing was seen or nothing varies, and unless every penalty is above 0.
        """
        if not penalties or min(penalties) <= 0:
            raise UserError(f"the penalties of a probe are {list(penalties)}; give one or more, all above 0")
        n_all = self._n_rows[-1]
        shifted_mean = self._sum_x[-1] / max(n_all, 1.0)
        scale2 = float((np.diagonal(self._sum_xx[-1]) / max(n_all, 1.0) - shifted_mean**2).mean())
        if self._shift is None or not scale2 > float(((_ROUNDING * self._shift) ** 2).mean()):
            raise UserError("the activations of the probe do not vary; fit it on a site and a text where they do")
        d_site, n_labels = self._sum_xy.shape
        W, b = np.zeros((len(penalties), d_site, n_labels)), np.zeros((len(penalties), n_labels))
        for mask in np.flatnonzero(self._n_rows[:-1] > 0):
            labels, n = np.flatnonzero(self.mask_of_label == mask), self._n_rows[mask]
            mean_x, mean_y = self._sum_x[mask] / n, self._sum_y[labels] / n
            values, vectors = np.linalg.eigh(self._sum_xx[mask] / n - np.outer(mean_x, mean_x))
            along = vectors.T @ (self._sum_xy[:, labels] / n - np.outer(mean_x, mean_y))
            for number, penalty in enumerate(penalties):
                W[number][:, labels] = vectors @ (along / (values + penalty * scale2)[:, None])
                b[number][labels] = mean_y - (mean_x - shifted_mean) @ W[number][:, labels]
        mean = self._shift + shifted_mean
        return tuple(
            LinearProbe(mean=mean, W=W[number], b=b[number], penalty=float(penalty))
            for number, penalty in enumerate(penalties)
        )


def fit_probes(
    batches: Iterable[Float[Tensor, "_ d_site"]],
    values: PerRow,
    scored: PerRow,
    penalties: Sequence[int | float] = PENALTIES,
) -> tuple[LinearProbe, ...]:
    """Probes of each penalty (`ProbeSums`) of a site's activations, whose rows come in the order of the labels' rows.

    Raises UserError as `ProbeSums`, and ValueError when activations and labels differ in rows.
    """
    masks, mask_of_label = distinct_masks(scored)
    sums: ProbeSums | None = None
    start = 0
    for x in batches:
        sums = sums or ProbeSums(x.shape[1], mask_of_label)
        stop = start + len(x)
        if stop > len(values):
            raise ValueError(f"activations of more than the {len(values)} labelled rows")
        sums.update(x, values[start:stop], masks[start:stop])
        start = stop
    if sums is None or start != len(values):
        raise ValueError(f"activations of {start} rows for {len(values)} labelled ones")
    return sums.solve(penalties)


def best_probe(
    probes: Sequence[LinearProbe], x: Float[Tensor, "rows d_site"], labels: LabelData
) -> tuple[LinearProbe, tuple[float, ...]]:
    """The probe with the highest mean F1 on validation, and that mean for each; of equals the first.

    F1 of a label is that of its best threshold on these rows (`select_thresholds`, what `label_f1` is chosen by); the
    mean is over the labels of which there are enough. Raises UserError when there is none.
    """
    counted = np.array([reason == "" for reason in labels.why_not], dtype=bool)
    if not counted.any():
        raise UserError("no label has enough positive tokens on validation to choose a penalty by; give more rows")
    means = tuple(float(select_thresholds(probe.scores(x), labels).f1[counted].mean()) for probe in probes)
    return probes[int(np.argmax(means))], means


def _check_width(x: Tensor, d_site: int) -> None:
    if x.shape[1] != d_site:
        raise UserError(f"the probe is of a site of width {d_site} and was given width {x.shape[1]}; use the same site")
