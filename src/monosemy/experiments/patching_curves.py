"""What a patching artifact holds, and the figures of its curves with intervals over prompts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from monosemy.causal import Area, KLCurve
from monosemy.core import Interval, bootstrap
from monosemy.experiments.patching import ABOUT_FILE, CURVE_FIELDS, CURVE_FILE

N_RESAMPLES = 2000
Split = Literal["held_out", "selection"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Patched:
    """One patching artifact: about.json, the arrays of single pairs, and its curves by split (several of a sweep)."""

    path: Path
    about: dict[str, Any]
    per_pair: dict[str, np.ndarray]
    curves: dict[Split, tuple[KLCurve, ...]]

    @property
    def width(self) -> int:
        """The width of the site, up to which areas are taken."""
        return int(self.about["d_site"])

    def curve(self, split: Split) -> KLCurve:
        """The curve of a split; of several sweeps their mean, at all numbers of latents that any of them has."""
        curves = self.curves[split]
        if len(curves) == 1:
            return curves[0]
        numbers = np.unique(np.concatenate([curve.n_patched for curve in curves]))
        kl, edit, entries = (
            np.mean([_at(numbers, curve.n_patched, getattr(curve, name)) for curve in curves], axis=0)
            for name in ("kl", "edit", "entries")
        )
        return KLCurve(order=curves[0].order, n_patched=numbers, kl=kl, edit=edit, entries=entries)


def read_patched(path: Path) -> Patched:
    """The content of a patching artifact."""
    about = json.loads((path / ABOUT_FILE).read_text(encoding="utf-8"))
    with np.load(path / CURVE_FILE, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    splits: tuple[Split, ...] = ("held_out", "selection")
    return Patched(
        path=path,
        about=about,
        per_pair={name: array for name, array in arrays.items() if "/" not in name},
        curves={split: _curves(arrays, split) for split in splits if f"{split}/0/kl" in arrays},
    )


def _curves(arrays: dict[str, np.ndarray], split: Split) -> tuple[KLCurve, ...]:
    found = []
    while f"{split}/{len(found)}/kl" in arrays:
        own = {name: arrays[f"{split}/{len(found)}/{name}"] for name in CURVE_FIELDS}
        found.append(KLCurve(**own))
    return tuple(found)


def log_numbers(n: Int64[np.ndarray, " points"]) -> Float64[np.ndarray, " points"]:
    """log2(1 + n): the axis over which areas are taken."""
    return np.log2(1.0 + n)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CurveFigures:
    """A curve over some pairs: means with intervals by point, its area, and what half of the way takes.

    half_n, half_edit: the number of latents, and the edit norm, at which KL first is half of KL(0); where it never is
    (`reaches_half` False), what the largest number takes. A bound of half_n that equals that number is open.
    """

    kl: tuple[Interval, ...]
    edit: tuple[Interval, ...]
    entries: tuple[Interval, ...]
    area: Interval
    half_n: Interval
    half_edit: Interval
    reaches_half: bool
    lowest: float


def curve_figures(
    curve: KLCurve,
    area: Area,
    pairs: Bool[np.ndarray, " pairs"],
    generator: np.random.Generator,
) -> CurveFigures:
    """Figures over the pairs that are True, resampled by pair. Raises ValueError where none is."""
    n_points = len(curve.n_patched)
    columns = [
        curve.kl.T,
        curve.edit.T,
        curve.entries.T,
        np.stack([area.numerator, area.denominator, np.ones(len(pairs))], axis=1),
    ]
    sums = np.concatenate(columns, axis=1)[pairs]
    statistic: Callable[[np.ndarray], np.ndarray] = partial(_statistics, curve.n_patched)
    found = bootstrap(sums, statistic, generator, N_RESAMPLES)
    each = [
        Interval(value=float(value), low=float(low), high=float(high))
        for value, low, high in zip(found.value, found.low, found.high, strict=True)
    ]
    kl = each[:n_points]
    return CurveFigures(
        kl=tuple(kl),
        edit=tuple(each[n_points : 2 * n_points]),
        entries=tuple(each[2 * n_points : 3 * n_points]),
        area=each[-3],
        half_n=each[-2],
        half_edit=each[-1],
        reaches_half=min(point.value for point in kl) <= kl[0].value / 2,
        lowest=min(point.value for point in kl),
    )


def half_edit_difference(a: KLCurve, b: KLCurve, generator: np.random.Generator) -> Interval | None:
    """Edit norm at half of KL(0) of a minus that of b, over the same prompts; None where one never comes so far."""
    parts, widths = [], []
    for curve in (a, b):
        if 2 * curve.kl.mean(axis=1).min() > curve.kl[0].mean():
            return None
        ones = np.ones((curve.kl.shape[1], 3))  # no area is asked for
        parts.append(np.concatenate([curve.kl.T, curve.edit.T, curve.entries.T, ones], axis=1))
        widths.append(parts[-1].shape[1])

    def statistic(totals: np.ndarray) -> np.ndarray:
        ours, theirs = np.split(totals, [widths[0]], axis=1)
        return _statistics(a.n_patched, ours)[:, -1:] - _statistics(b.n_patched, theirs)[:, -1:]

    found = bootstrap(np.concatenate(parts, axis=1), statistic, generator, N_RESAMPLES)
    return Interval(value=float(found.value[0]), low=float(found.low[0]), high=float(found.high[0]))


def _statistics(n_patched: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Of totals [resamples 3 points + 3]: the means at every point, the area, n and edit norm at half of KL(0)."""
    n_points = len(n_patched)
    means = totals[:, : 3 * n_points] / totals[:, -1:]
    kl, edit = means[:, :n_points], means[:, n_points : 2 * n_points]
    area = totals[:, -3] / totals[:, -2]
    half = kl[:, :1] / 2
    is_below = kl <= half
    rows = np.arange(len(kl))
    after = np.where(is_below.any(axis=1), is_below.argmax(axis=1), n_points - 1)
    before = np.maximum(after - 1, 0)
    drop = kl[rows, before] - kl[rows, after]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((kl[rows, before] - half[:, 0]) / drop, 0.0, 1.0)
    share = np.where(is_below.any(axis=1), share, 1.0)
    x = log_numbers(n_patched)
    half_n = np.exp2(x[before] + share * (x[after] - x[before])) - 1.0
    half_edit = edit[rows, before] + share * (edit[rows, after] - edit[rows, before])
    return np.concatenate([means, area[:, None], half_n[:, None], half_edit[:, None]], axis=1)


def _at(numbers: np.ndarray, n_patched: np.ndarray, values: np.ndarray) -> Float64[np.ndarray, "points pairs"]:
    """Values [points pairs] at other numbers of latents: linear in log2(1 + n) between those that were measured."""
    x, wanted = log_numbers(n_patched), log_numbers(numbers)
    after = np.clip(np.searchsorted(x, wanted), 1, len(x) - 1)
    share = np.clip((wanted - x[after - 1]) / (x[after] - x[after - 1]), 0.0, 1.0)[:, None]
    return (1.0 - share) * values[after - 1] + share * values[after]
