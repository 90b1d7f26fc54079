"""How well single latents (or tables, or probes) detect exact labels on held-out rows: F1 and average precision."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from monosemy.core import Interval, Result, bootstrap, smallest_detectable_difference
from monosemy.corpus import FrozenLabel
from monosemy.evaluation.label_data import LabelData
from monosemy.evaluation.label_selection import N_LEVELS, Codes, Detectors
from monosemy.evaluation.metric import Subject

LABEL_METRICS = ("label_f1", "label_f1_contextual", "label_ap_lift", "label_ap_lift_contextual")
_STATISTIC_BLOCK = 128  # resamples whose histograms are held at once


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelScores:
    """What scoring left: for each unit and label how many rows were at each level of the label's detector.

    positives, negatives `[units labels levels + 1]` count scored rows with and without the label; level 0 lies below
    the lowest candidate threshold. From them follow tp, fp and fn at the chosen level, and average precision. `split`
    is the one scored; why_not: the reason why a label has no score (too few rows for choosing or for scoring), or "".
    """

    detectors: Detectors
    positives: Float64[np.ndarray, "units labels levels"]
    negatives: Float64[np.ndarray, "units labels levels"]
    units: tuple[str, ...]
    labels: tuple[FrozenLabel, ...]
    why_not: tuple[str, ...]

    @property
    def applicable(self) -> Bool[np.ndarray, " labels"]:
        """Which labels have a score."""
        return np.array([reason == "" for reason in self.why_not], dtype=bool)

    @property
    def contextual(self) -> Bool[np.ndarray, " labels"]:
        """Which labels the token alone does not tell."""
        return np.array([label.contextual for label in self.labels], dtype=bool)


def detector_scores(codes: Codes, detectors: Detectors) -> Iterator[Float32[np.ndarray, "_ labels"]]:
    """sign * z[latent] of every label's detector, block by block; raises ValueError where detectors have no latents."""
    if detectors.latent is None:
        raise ValueError("these detectors read scores of one column a label, not latents")
    for z in codes():
        block: Tensor = z[:, torch.from_numpy(detectors.latent)]
        yield block.cpu().numpy() * detectors.sign.astype(np.float32)


def score(blocks: Iterable[Float32[np.ndarray, "_ labels"]], labels: LabelData, detectors: Detectors) -> LabelScores:
    """Count the rows of a split at every level of the detectors that were chosen on another one.

    blocks: scores of all rows in order, one column a label (`detector_scores`, or a matrix in one block). Raises
    ValueError when scores and labels differ in rows.
    """
    n_units, n_labels, n_bins = len(labels.units), len(labels.labels), N_LEVELS + 1
    counts = np.zeros(n_units * n_labels * n_bins * 2, dtype=np.int64)
    start = 0
    for block in blocks:
        rows = slice(start, start + len(block))
        start += len(block)
        if start > labels.n_rows:
            break
        level = np.zeros(block.shape, dtype=np.uint8)
        for thresholds in detectors.thresholds.T:
            level += (block > thresholds).view(np.uint8)
        first_cell = (labels.unit[rows, None] * n_labels + np.arange(n_labels)) * (2 * n_bins)
        cell = first_cell + (2 * level + labels.values[rows].view(np.uint8))
        counts += np.bincount(cell[labels.scored[rows]], minlength=len(counts))
    if start != labels.n_rows:
        raise ValueError(f"scores of {start} rows or more for {labels.n_rows} labelled ones")
    negatives, positives = np.moveaxis(counts.reshape(n_units, n_labels, n_bins, 2), -1, 0).astype(np.float64)
    reasons = zip(detectors.why_not, labels.why_not, strict=True)
    return LabelScores(
        detectors=detectors,
        positives=positives,
        negatives=negatives,
        units=labels.units,
        labels=labels.labels,
        why_not=tuple(chosen or scored for chosen, scored in reasons),
    )


def f1_counts(scores: LabelScores) -> dict[str, Float64[np.ndarray, "units labels"]]:
    """tp, fp and fn of every unit and label at the chosen thresholds."""
    says_yes = np.arange(N_LEVELS + 1) >= scores.detectors.level[:, None]
    tp = (scores.positives * says_yes).sum(axis=2)
    return {
        "tp": tp,
        "fp": (scores.negatives * says_yes).sum(axis=2),
        "fn": scores.positives.sum(axis=2) - tp,
    }


def f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """2 tp / (2 tp + fp + fn), element by element; NaN where the label has no positive row."""
    with np.errstate(invalid="ignore"):
        return np.where(tp + fn > 0, 2 * tp / (2 * tp + fp + fn), np.nan)


def ap_lift(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """(AP - b) / (1 - b) from counts `[... levels]` of rows with and without the label; `[...]`.

    AP = sum over levels from the highest of (rise of recall) x precision, where the level and all above it say yes: the
    average precision of the activation rounded down to the candidate thresholds, equal to scikit-learn's of the level.
    b = positives / rows, which is AP of a constant. NaN where the label has no positive row or no negative one.
    """
    tp, fp = (np.cumsum(part[..., ::-1], axis=-1) for part in (positives, negatives))
    n_positive, n_negative = tp[..., -1], fp[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(tp + fp > 0, tp / (tp + fp), 0.0)
        average = (precision * positives[..., ::-1]).sum(axis=-1) / n_positive
        base = n_positive / (n_positive + n_negative)
        return np.where((n_positive > 0) & (n_negative > 0), (average - base) / (1 - base), np.nan)


def label_results(scores: LabelScores, subject: Subject, generator: np.random.Generator) -> list[Result]:
    """The four means over labels, their intervals by bootstrap over units of the mean over labels.

    Labels that are not applicable are left out and counted in the reason; in a resample, so is a label without a
    positive row.
    """
    seen = scores.positives.sum(axis=(1, 2)) + scores.negatives.sum(axis=(1, 2)) > 0
    intervals = _means(scores, seen, generator)
    groups = [np.ones(len(scores.labels), dtype=bool), scores.contextual] * 2
    results: list[Result] = []
    for metric, interval, group in zip(LABEL_METRICS, intervals, groups, strict=True):
        n_used, n_out = int((group & scores.applicable).sum()), int((group & ~scores.applicable).sum())
        if interval is None:
            results.append(subject.not_applicable(metric, "fraction", f"all {n_out} labels have too few tokens"))
            continue
        remark = f"{n_used} labels; {n_out} more have too few tokens" if n_out else ""
        results.append(subject.measured(metric, interval, "fraction", n=int(seen.sum()), remark=remark))
    return results


def label_rows(scores: LabelScores) -> list[dict[str, Any]]:
    """One JSON object a label: what it is, its detector, F1, precision, recall and AP lift, or why there are none."""
    counts = {name: part.sum(axis=0) for name, part in f1_counts(scores).items()}
    totals = scores.positives.sum(axis=0), scores.negatives.sum(axis=0)
    lift, value = ap_lift(*totals), f1(**counts)
    base = totals[0].sum(axis=1) / np.maximum(totals[0].sum(axis=1) + totals[1].sum(axis=1), 1)
    detectors = scores.detectors
    rows = []
    for y, (label, reason) in enumerate(zip(scores.labels, scores.why_not, strict=True)):
        threshold = float(detectors.threshold[y])
        row: dict[str, Any] = {
            "label": label.name,
            "family": label.family,
            "definition": label.definition,
            "contextual": label.contextual,
            "status": "not_applicable" if reason else "ok",
            "reason": reason or None,
            "latent": None,
            "sign": None,
            "threshold": None,
            "f1_validation": None,
            "f1": None,
            "precision": None,
            "recall": None,
            "ap_lift": None,
            "base_rate": float(base[y]),
        }
        if not reason:
            tp, fp, fn = (float(counts[name][y]) for name in ("tp", "fp", "fn"))
            row |= {
                "latent": None if detectors.latent is None else int(detectors.latent[y]),
                "sign": None if detectors.latent is None else int(detectors.sign[y]),
                "threshold": threshold if np.isfinite(threshold) else None,
                "f1_validation": float(detectors.f1[y]),
                "f1": float(value[y]),
                "precision": tp / (tp + fp) if tp + fp else 0.0,
                "recall": tp / (tp + fn),
                "ap_lift": float(lift[y]),
            }
        rows.append(row)
    return rows


def label_arrays(scores: LabelScores) -> dict[str, np.ndarray]:
    """For per_document.npz: label_tp, label_fp, label_fn `[units labels]`; the others by level."""
    counts = {f"label_{name}": part for name, part in f1_counts(scores).items()}
    return counts | {"label_positives": scores.positives, "label_negatives": scores.negatives}


def best_labels(codes: Codes, labels: LabelData, detectors: Detectors) -> list[dict[str, Any] | None]:
    """For each latent the label that it detected best on validation, with its F1 here; None where it detected none.

    {"label", "sign", "threshold", "f1_validation", "f1"}: one JSON object a latent. For people to look at, not for a
    figure: labels that these rows are too few for have an F1 of null.
    """
    chosen = detectors.of_latents
    if chosen is None:
        raise ValueError("these detectors read scores of one column a label, not latents")
    found, start = np.flatnonzero(chosen.label >= 0), 0
    label, sign = chosen.label[found], chosen.sign[found].astype(np.float32)
    hits, fired = np.zeros(len(found), dtype=np.int64), np.zeros(len(found), dtype=np.int64)
    for z in codes():
        rows = slice(start, start + len(z))
        fires = z.cpu().numpy()[:, found] * sign > chosen.threshold[found]
        fired += np.count_nonzero(fires & labels.scored[rows][:, label], axis=0)
        hits += np.count_nonzero(fires & labels.values[rows][:, label], axis=0)
        start += len(z)
    values = 2 * hits / np.maximum(fired + labels.values.sum(axis=0)[label], 1)
    rows_of: list[dict[str, Any] | None] = [None] * len(chosen.label)
    for latent, y, value in zip(found.tolist(), label.tolist(), values.tolist(), strict=True):
        rows_of[latent] = {
            "label": labels.labels[y].name,
            "sign": int(chosen.sign[latent]),
            "threshold": float(chosen.threshold[latent]),
            "f1_validation": float(chosen.f1[latent]),
            "f1": None if labels.why_not[y] else value,
        }
    return rows_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """a - b of one metric with its interval under joint resampling, and the smallest difference it could have seen."""

    metric: str
    interval: Interval
    smallest_detectable: float


def label_differences(a: LabelScores, b: LabelScores, generator: np.random.Generator) -> list[Difference]:
    """The four means of two methods on the same rows, a - b, over the labels that both have, units resampled jointly.

    A metric without a label is left out. Raises ValueError when the two speak of other units, labels or rows.
    """
    same_rows = np.array_equal(a.positives.sum(axis=2), b.positives.sum(axis=2))
    if a.units != b.units or [x.name for x in a.labels] != [x.name for x in b.labels] or not same_rows:
        raise ValueError("the two methods were scored on other units, labels or rows")
    seen = a.positives.sum(axis=(1, 2)) + a.negatives.sum(axis=(1, 2)) > 0
    both = a.applicable & b.applicable
    intervals = _intervals([_table(part, both)[seen] for part in (a, b)], a.contextual[both], generator)
    found = zip(LABEL_METRICS, intervals, strict=True)
    return [
        Difference(metric=metric, interval=interval, smallest_detectable=smallest_detectable_difference(interval))
        for metric, interval in found
        if interval is not None
    ]


def _means(
    scores: LabelScores, seen: Bool[np.ndarray, " units"], generator: np.random.Generator
) -> list[Interval | None]:
    applicable = scores.applicable
    return _intervals([_table(scores, applicable)[seen]], scores.contextual[applicable], generator)


def _table(scores: LabelScores, which: Bool[np.ndarray, " labels"]) -> Float64[np.ndarray, "units columns"]:
    """Everything the statistics need, a row a unit: tp, fp, fn, positives and negatives by level of the labels."""
    counts = f1_counts(scores).values()
    parts = [*(part[:, which, None] for part in counts), scores.positives[:, which], scores.negatives[:, which]]
    return np.concatenate(parts, axis=2).reshape(len(scores.units), -1)


def _intervals(
    tables: list[np.ndarray], contextual: Bool[np.ndarray, " labels"], generator: np.random.Generator
) -> list[Interval | None]:
    """The four means of one table, or of the first minus the second; None where no label gives one."""
    if not contextual.size:
        return [None] * len(LABEL_METRICS)
    n_columns = tables[0].shape[1]

    def statistic(totals: np.ndarray) -> np.ndarray:
        blocks = [totals[start : start + _STATISTIC_BLOCK] for start in range(0, len(totals), _STATISTIC_BLOCK)]
        first = np.concatenate([_label_means(block[:, :n_columns], contextual) for block in blocks])
        if len(tables) == 1:
            return first
        return first - np.concatenate([_label_means(block[:, n_columns:], contextual) for block in blocks])

    found = bootstrap(np.concatenate(tables, axis=1), statistic, generator)
    ends = zip(found.value.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return [None if np.isnan(value) else Interval(value=value, low=low, high=high) for value, low, high in ends]


def _label_means(totals: np.ndarray, contextual: Bool[np.ndarray, " labels"]) -> np.ndarray:
    """[resamples columns] of `_table` -> [resamples 4], in the order of LABEL_METRICS."""
    table = totals.reshape(len(totals), len(contextual), -1)
    values = f1(table[..., 0], table[..., 1], table[..., 2])
    positives, negatives = np.split(table[..., 3:], 2, axis=2)
    lifts = ap_lift(positives, negatives)
    return np.stack([_mean(each[:, group]) for each in (values, lifts) for group in (slice(None), contextual)], axis=1)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of each row over what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    return np.where(defined, values, 0.0).sum(axis=1) / np.where(defined.any(axis=1), defined.sum(axis=1), np.nan)
