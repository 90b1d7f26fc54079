"""Which single latent, sign and threshold detects each label best: chosen on validation, exactly, over all of them.

The rows of every (latent, sign, level) are counted once, label by label, as one product of a sparse 0/1 matrix with the
labels: hits[slot, label] = sum over rows of [row's latent is at that level] [label holds]. Sums over the levels above a
threshold then give the true positives of all thresholds at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.sparse
from jaxtyping import Float32, Float64, Int64, Integer, UInt, UInt8
from torch import Tensor

from monosemy.evaluation.label_data import LabelData
from monosemy.evaluation.tables import distinct_masks

RATIOS = (1.0, 0.8, 0.65, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)
"""A candidate threshold for each: the value which this share of the candidates' values lies above, the lowest first."""

N_SAMPLE_ROWS = 16_384
"""Thresholds are quantiles of about so many rows, evenly spaced over all of them."""

N_LEVELS = len(RATIOS)
# The product counts in the smallest integers that hold a block's rows: dense codes in bytes, whose rows of counts are
# half as long, sparse ones in longer blocks of two bytes, as their product costs less than going over its outcome.
_DENSE_BLOCK_ROWS, _SPARSE_BLOCK_ROWS = 255, 4096
_GROUP_LATENTS = 128  # whose counts stay in the cache
_CACHED_ROWS = 256
_DENSE = 0.3


@runtime_checkable
class Codes(Protocol):
    """Latents of all rows (of every n-th), in blocks; the same whenever asked. `DictionaryCodes` is one."""

    def __call__(self, every: int = 1) -> Iterator[Tensor]: ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Detectors:
    """One detector a label: it says yes where sign * z[latent] > threshold.

    thresholds `[labels levels]` ascending are the candidates, level `[labels]` counts from 1 up to the chosen one.
    latent is None where the scores had one column a label. f1: on the validation rows; why_not: why a label has no
    detector, or "" (its other fields then mean nothing). of_latents: the other way round.
    """

    latent: Int64[np.ndarray, " labels"] | None
    sign: Int64[np.ndarray, " labels"]
    thresholds: Float32[np.ndarray, "labels levels"]
    level: Int64[np.ndarray, " labels"]
    f1: Float64[np.ndarray, " labels"]
    why_not: tuple[str, ...]
    of_latents: "BestLabels | None" = None

    @property
    def threshold(self) -> Float32[np.ndarray, " labels"]:
        """The chosen threshold of each label."""
        return self.thresholds[np.arange(len(self.level)), self.level - 1]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BestLabels:
    """For each latent the label, sign and threshold of highest F1, and that F1, on the validation rows.

    label: number in the list of labels, -1 where the latent detects none (it is silent, or no label has enough rows).
    """

    label: Int64[np.ndarray, " n_latents"]
    sign: Int64[np.ndarray, " n_latents"]
    threshold: Float32[np.ndarray, " n_latents"]
    f1: Float64[np.ndarray, " n_latents"]


def select_latents(codes: Codes, labels: LabelData, *, n_sample_rows: int = N_SAMPLE_ROWS) -> Detectors:
    """For each label the latent, sign and threshold of highest F1 = 2 tp / (2 tp + fp + fn) on its scored rows.

    Candidates: both signs where a latent of the sampled rows is negative, else the positive one; thresholds at the
    quantiles of `RATIOS` among the latent's values of that sign, the lowest being 0. Ties go to the lowest latent, then
    to the positive sign, then to the lowest threshold. Raises ValueError when codes and labels differ in rows.
    """
    every = max(1, -(-labels.n_rows // n_sample_rows))
    sample = np.concatenate([block.cpu().numpy() for block in codes(every)])
    block_rows = _DENSE_BLOCK_ROWS if np.count_nonzero(sample) > _DENSE * sample.size else _SPARSE_BLOCK_ROWS
    thresholds = latent_thresholds(sample)
    n_latents, n_signs, _ = thresholds.shape
    masks, mask_of_label = distinct_masks(labels.scored)
    targets = np.concatenate([labels.values, masks], axis=1)
    targets = targets.astype(np.uint8 if block_rows <= 255 else np.uint16)
    hits = np.zeros((n_latents, n_signs * N_LEVELS + 1, targets.shape[1]), dtype=np.int32)
    for z, rows in _row_blocks(codes(), labels.n_rows, block_rows):
        _add_hits_(hits, levels_of(z, thresholds), targets[rows])
    best, f1, best_of_latent, f1_of_latent = _best_slots(hits, n_signs, labels, mask_of_label)
    latent, sign, level = np.unravel_index(best, thresholds.shape)
    label, sign_of_latent, threshold = _unravel_latents(best_of_latent, thresholds, len(labels.labels))
    of_latents = BestLabels(
        label=np.where(f1_of_latent > 0, label, -1), sign=sign_of_latent, threshold=threshold, f1=f1_of_latent
    )
    return Detectors(
        latent=latent.astype(np.int64),
        sign=1 - 2 * sign.astype(np.int64),
        thresholds=thresholds[latent, sign],
        level=level.astype(np.int64) + 1,
        f1=f1,
        why_not=labels.why_not,
        of_latents=of_latents,
    )


def select_thresholds(scores: Float32[np.ndarray, "rows labels"], labels: LabelData) -> Detectors:
    """For scores with one column a label (a table of tokens, a probe): the threshold of highest F1 on the scored rows.

    Candidates: the quantiles of `RATIOS` among the label's scored rows, the lowest being -inf (always yes). Ties go to
    the lowest threshold. Raises ValueError when scores and labels differ in shape.
    """
    if scores.shape != labels.values.shape:
        raise ValueError(f"scores {scores.shape} for labels {labels.values.shape}")
    columns = range(scores.shape[1])
    thresholds = np.stack([_quantiles(np.sort(scores[labels.scored[:, y], y])[None])[0] for y in columns])
    thresholds[:, 0] = -np.inf
    f1 = np.stack([_f1_of_column(scores[:, y], thresholds[y], labels, y) for y in columns])
    best = f1.argmax(axis=1)
    return Detectors(
        latent=None,
        sign=np.ones(len(best), dtype=np.int64),
        thresholds=thresholds,
        level=best.astype(np.int64) + 1,
        f1=f1[np.arange(len(best)), best],
        why_not=labels.why_not,
    )


def latent_thresholds(z: Float32[np.ndarray, "rows n_latents"]) -> Float32[np.ndarray, "n_latents signs levels"]:
    """Candidate thresholds of every latent and sign from a sample of rows; the negative sign only where z has one.

    Level j: the quantile 1 - RATIOS[j], linearly interpolated, of sign * z where that is positive; 0 at the lowest
    level, so that it holds for every value of that sign; infinite where the sample has none.
    """
    ordered = np.sort(z.T, axis=1)
    sides = [ordered, -ordered[:, ::-1]] if (ordered[:, :1] < 0).any() else [ordered]
    thresholds = np.stack([_quantiles(side, above=0.0) for side in sides], axis=1)
    thresholds[:, :, 0] = 0.0
    return thresholds


def levels_of(
    z: Float32[np.ndarray, "rows n_latents"], thresholds: Float32[np.ndarray, "n_latents signs levels"]
) -> UInt8[np.ndarray, "rows n_latents"]:
    """Slot of each value: 0 silent, j for z above j positive thresholds, levels + j for -z above j negative ones."""
    n_signs, n_levels = thresholds.shape[1:]
    columns = np.ascontiguousarray(thresholds.transpose(1, 2, 0))
    slots, above = np.zeros(z.shape, dtype=np.uint8), np.empty(z.shape, dtype=bool)
    for start in range(0, len(z), _CACHED_ROWS):
        rows = slice(start, start + _CACHED_ROWS)
        z_rows, above_rows, count = z[rows], above[rows], above[rows].view(np.uint8)
        for threshold in columns[0]:
            np.greater(z_rows, threshold, out=above_rows)
            slots[rows] += count
        for level, threshold in enumerate(columns[1] if n_signs == 2 else ()):
            np.less(z_rows, -threshold, out=above_rows)
            slots[rows] += count if level else count * np.uint8(n_levels + 1)
    return slots


def _add_hits_(
    hits: Integer[np.ndarray, "n_latents slots targets"],
    slots: UInt8[np.ndarray, "rows n_latents"],
    targets: UInt[np.ndarray, "rows targets"],
) -> None:
    """hits[latent, slot, target] += rows at that slot for which the target is 1; nobody reads slot 0.

    Counted in the targets' integers, which must hold the number of rows.
    """
    n_latents, n_slots, n_targets = hits.shape
    for start in range(0, n_latents, _GROUP_LATENTS):
        group = slots[:, start : start + _GROUP_LATENTS]
        n_rows, width = group.shape
        column = group + np.arange(width, dtype=np.int32) * n_slots
        n_firing = np.count_nonzero(group, axis=1)
        if n_firing.sum() > _DENSE * group.size:  # then the silent ones are counted too: finding the others costs more
            n_firing = np.full(n_rows, width)
            column = column.ravel()
        else:
            column = column[group > 0]
        row_start = np.concatenate([[0], np.cumsum(n_firing)]).astype(np.int32)
        ones = np.ones(len(column), dtype=targets.dtype)
        indicator = scipy.sparse.csr_matrix((ones, column, row_start), shape=(n_rows, width * n_slots))
        hits[start : start + width] += (indicator.T @ targets).reshape(width, n_slots, n_targets)


def _best_slots(
    hits: Integer[np.ndarray, "n_latents slots targets"],
    n_signs: int,
    labels: LabelData,
    mask_of_label: Int64[np.ndarray, " labels"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each label the (latent, sign, level) of highest F1, as one number, and that F1; for each latent the
    (sign, level, label), among labels with enough rows, likewise. Ties to the first."""
    n_labels, n_positive = labels.values.shape[1], labels.values.sum(axis=0)
    columns, enough = np.arange(n_labels), np.array([reason == "" for reason in labels.why_not], dtype=bool)
    best, best_f1 = np.zeros(n_labels, dtype=np.int64), np.full(n_labels, -1.0)
    of_latents, f1_of_latents = [], []
    for start in range(0, len(hits), _GROUP_LATENTS):
        # Slot 0 is the silent one; then slots run from the lowest level of a sign to its highest.
        group = hits[start : start + _GROUP_LATENTS, 1:]
        by_level = group.reshape(len(group), n_signs, N_LEVELS, -1)
        above = np.cumsum(by_level[:, :, ::-1], axis=2, dtype=np.int64)[:, :, ::-1].reshape(-1, hits.shape[2])
        f1 = 2 * above[:, :n_labels] / np.maximum(above[:, n_labels:][:, mask_of_label] + n_positive, 1)
        slot = f1.argmax(axis=0)
        better = f1[slot, columns] > best_f1
        best = np.where(better, slot + start * n_signs * N_LEVELS, best)
        best_f1 = np.maximum(best_f1, f1[slot, columns])
        by_latent = np.where(enough, f1, 0.0).reshape(len(group), -1)
        of_latents.append(by_latent.argmax(axis=1))
        f1_of_latents.append(by_latent.max(axis=1))
    return best, best_f1, np.concatenate(of_latents), np.concatenate(f1_of_latents)


def _unravel_latents(
    best: Int64[np.ndarray, " n_latents"], thresholds: Float32[np.ndarray, "n_latents signs levels"], n_labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(label, sign, threshold) of each latent."""
    sign, level, label = np.unravel_index(best, (*thresholds.shape[1:], n_labels))
    threshold = thresholds[np.arange(len(best)), sign, level]
    return label.astype(np.int64), 1 - 2 * sign.astype(np.int64), threshold


def _row_blocks(blocks: Iterator[Tensor], n_rows: int, block_rows: int) -> Iterator[tuple[np.ndarray, slice]]:
    """The latents in blocks of at most `block_rows` rows, and which rows they are."""
    start = 0
    for block in blocks:
        z = block.cpu().numpy()
        if start + len(z) > n_rows:
            raise ValueError(f"more latents than the {n_rows} labelled rows")
        for offset in range(0, len(z), block_rows):
            part = z[offset : offset + block_rows]
            yield part, slice(start + offset, start + offset + len(part))
        start += len(z)
    if start != n_rows:
        raise ValueError(f"latents of {start} rows for {n_rows} labelled ones")


def _quantiles(
    ordered: Float32[np.ndarray, "columns values"], above: float = -np.inf
) -> Float32[np.ndarray, "columns levels"]:
    """Of each ascending row, the quantiles 1 - RATIOS among its values > `above`; inf where there are none."""
    n_columns, n_values = ordered.shape
    n_above = (ordered > above).sum(axis=1, keepdims=True)
    position = (n_values - n_above) + np.maximum(n_above - 1, 0) * (1 - np.array(RATIOS))
    low = np.minimum(np.floor(position).astype(np.int64), max(n_values - 1, 0))
    high = np.minimum(low + 1, max(n_values - 1, 0))
    if n_values == 0:
        return np.full((n_columns, N_LEVELS), np.inf, dtype=np.float32)
    below, beyond = (np.take_along_axis(ordered, place, axis=1).astype(np.float64) for place in (low, high))
    values = below + (position - low) * (beyond - below)
    return np.where(n_above > 0, values, np.inf).astype(np.float32)


def _f1_of_column(
    scores: Float32[np.ndarray, " rows"], thresholds: Float32[np.ndarray, " levels"], labels: LabelData, y: int
) -> Float64[np.ndarray, " levels"]:
    """F1 on the scored rows at each threshold."""
    scored = labels.scored[:, y]
    level, value = np.searchsorted(thresholds, scores[scored]), labels.values[scored, y]
    counts = np.bincount(level * 2 + value, minlength=2 * (N_LEVELS + 1)).reshape(-1, 2)
    negatives, positives = np.cumsum(counts[::-1], axis=0)[::-1].T
    return 2 * positives[1:] / np.maximum(positives[1:] + negatives[1:] + positives[0], 1)
