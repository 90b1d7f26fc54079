"""Predicted activations as detectors: average precision, F1, and questions about whole fragments and marked tokens.

What is to be detected is binary: a latent's activation lies above its threshold. All figures are functions of counts a
unit, so that they can be resampled; two thresholds for the prediction are chosen on the fitting split (`Cutoffs`).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

N_LEVELS = 32
"""Predictions are rounded down to so many levels at most before average precision is taken."""

N_MARKED = 200
"""Marked tokens are judged on at most so many fragments a latent."""

CHANCE_BALANCED = 0.5


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Cutoffs:
    """From which predicted value on a token counts as active, and from which mean on marked tokens they as right."""

    token: float
    marks: float


def choose_cutoffs(
    predicted: Float32[np.ndarray, "n_fragments position"],
    active: Bool[np.ndarray, "n_fragments position"],
    mask: Bool[np.ndarray, "n_fragments position"],
    weight: Float64[np.ndarray, " n_fragments"],
) -> Cutoffs:
    """The cutoffs on a weighted sample of the fitting split.

    token: of the predicted values the one from which on F1 is highest (of equals the highest); marks: half way between
    the mean prediction on active tokens and on silent ones. Both infinite where the sample has no active token.
    """
    p, truth = predicted[mask].astype(np.float64), active[mask]
    w = np.broadcast_to(weight[:, None], mask.shape)[mask]
    if not truth.any():
        return Cutoffs(token=np.inf, marks=np.inf)
    order = np.argsort(-p, kind="stable")
    p_sorted, hit = p[order], np.cumsum(np.where(truth, w, 0.0)[order])
    called = np.cumsum(w[order])
    last = np.append(p_sorted[1:] != p_sorted[:-1], True)  # of a group of equal predictions
    f1 = 2 * hit[last] / (called[last] + hit[-1])
    on_active = float(np.average(p[truth], weights=w[truth]))
    on_silent = on_active if truth.all() else float(np.average(p[~truth], weights=w[~truth]))
    return Cutoffs(token=float(p_sorted[last][int(f1.argmax())]), marks=(on_active + on_silent) / 2)


def level_counts(
    predicted: Float32[np.ndarray, "n_fragments position"],
    active: Bool[np.ndarray, "n_fragments position"],
    mask: Bool[np.ndarray, "n_fragments position"],
    unit: Int64[np.ndarray, " n_fragments"],
    n_units: int,
) -> Int32[np.ndarray, "n_units n_levels 2"]:
    """How many silent and active tokens of each unit are predicted at each level, levels ascending.

    With more than `N_LEVELS` distinct predictions they are rounded down to quantiles, above which lies a share of the
    tokens from 2^-1 to 2^-15, in equal ratios.
    """
    edges = _edges(predicted[mask])
    level = np.zeros(predicted.shape, dtype=np.uint8)
    for edge in edges[1:]:
        level += (predicted >= edge).view(np.uint8)
    cell = (unit[:, None] * N_LEVELS + level) * 2 + active
    counts = np.bincount(cell[mask], minlength=n_units * N_LEVELS * 2)
    return counts.reshape(n_units, N_LEVELS, 2).astype(np.int32)


def ap_lift(counts: np.ndarray) -> Float64[np.ndarray, "*rows"]:
    """(AP - b) / (1 - b) of each row of counts [... levels 2] (silent, active); b the share of active tokens.

    AP = sum over levels, from the highest, of the gain in recall times the precision down to there: tokens of one level
    are called together (as scikit-learn has it). NaN where all tokens are active or none is.
    """
    silent, active = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    hit, called = (np.cumsum(values[..., ::-1], axis=-1) for values in (active, silent + active))
    n_active, n = hit[..., -1], called[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(called > 0, hit / called, 0.0)
        average_precision = (active[..., ::-1] * precision).sum(axis=-1) / n_active
        base = n_active / n
        lift = (average_precision - base) / (1.0 - base)
    return np.where((n_active > 0) & (n_active < n), lift, np.nan)


def confusion(
    called: Bool[np.ndarray, "n_fragments ..."],
    truth: Bool[np.ndarray, "n_fragments ..."],
    counted: Bool[np.ndarray, "n_fragments ..."],
    unit: Int64[np.ndarray, " n_fragments"],
    n_units: int,
) -> Int32[np.ndarray, "n_units 4"]:
    """Of each unit how many counted items are called rightly, missed, called wrongly, left rightly (tp, fn, fp, tn).

    The items are fragments, or their tokens.
    """
    called, truth = called & counted, truth & counted
    tp, n_called, n_true, n = (
        np.bincount(unit, weights=items.sum(axis=tuple(range(1, items.ndim))), minlength=n_units)
        for items in (called & truth, called, truth, counted)
    )
    return np.stack([tp, n_true - tp, n_called - tp, n - n_called - n_true + tp], axis=1).astype(np.int32)


def f1(counts: np.ndarray) -> Float64[np.ndarray, "*rows"]:
    """2 tp / (2 tp + fp + fn) of each row of counts [... 4]; NaN where nothing is true."""
    tp, fn, fp, _ = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(tp + fn > 0, 2 * tp / (2 * tp + fp + fn), np.nan)


def balanced_accuracy(counts: np.ndarray) -> Float64[np.ndarray, "*rows"]:
    """(tp / (tp + fn) + tn / (tn + fp)) / 2 of each row of counts [... 4]; NaN where one of the two has no items."""
    tp, fn, fp, tn = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((tp / (tp + fn) + tn / (tn + fp)) / 2)


def draw_marks(
    active: Bool[np.ndarray, "n_fragments position"],
    mask: Bool[np.ndarray, "n_fragments position"],
    generator: np.random.Generator,
) -> tuple[Int64[np.ndarray, " n_marked"], Bool[np.ndarray, "n_marked position"], Bool[np.ndarray, " n_marked"]]:
    """Which fragments are marked, on which tokens, and whether rightly: at most `N_MARKED` of those that can be.

    A fragment can be marked when it has active and silent tokens. Of those drawn, half (rounded up) are marked on their
    active tokens, the others on as many random silent ones (on all of them where there are fewer).
    """
    able = np.flatnonzero((active & mask).any(axis=1) & (~active & mask).any(axis=1))
    chosen = generator.permutation(able)[:N_MARKED]
    right = np.arange(len(chosen)) % 2 == 0
    is_active = active[chosen] & mask[chosen]
    key = np.where(mask[chosen] & ~is_active, generator.random(is_active.shape), np.inf)
    rank = key.argsort(axis=1).argsort(axis=1)
    wrong = (rank < is_active.sum(axis=1, keepdims=True)) & np.isfinite(key)
    return chosen.astype(np.int64), np.where(right[:, None], is_active, wrong), right


def mean_on_marks(
    predicted: Float32[np.ndarray, "n_marked position"], marks: Bool[np.ndarray, "n_marked position"]
) -> Float64[np.ndarray, " n_marked"]:
    """The mean prediction over the marked tokens of each fragment, each of which has some."""
    return np.where(marks, predicted, 0.0).sum(axis=1, dtype=np.float64) / marks.sum(axis=1)


def _edges(values: Float32[np.ndarray, " n_tokens"]) -> Float32[np.ndarray, " n_edges"]:
    """The lower edges of the levels, ascending, at most `N_LEVELS`."""
    distinct = np.unique(values)
    if len(distinct) <= N_LEVELS:
        return distinct
    ordered = np.sort(values)
    above = (len(values) * np.geomspace(2.0**-1, 2.0**-15, N_LEVELS - 1)).astype(np.int64)
    return np.unique(np.append(ordered[0], ordered[len(values) - np.maximum(above, 1)]))
