"""What rules are fitted to: the recorded rows of a sample, those that no rule covers yet, and what is held out."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int64

from monosemy.core import numpy_generator
from monosemy.interpretation.candidate_table import CandidateTable
from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.rules_config import RulesConfig

MIN_DOCUMENTS = 8
"""In a sample of fewer documents it is fragments that are held out one by one."""


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FitRows:
    """The recorded rows of a sample: w y and w, what is held out together, and what a bit of description costs.

    place: a random order of the rows, by which conjunctions that hold on many are thinned out when they are extended.
    """

    table: CandidateTable
    y: Float64[np.ndarray, " row"]
    wy_w: Float64[np.ndarray, "2 row"]
    unit: Int64[np.ndarray, " row"]
    place: Int64[np.ndarray, " row"]
    n_units: int
    bit_cost: float  # in weighted squared error
    min_fragments: int
    is_full: bool  # not of the paper's budget

    def unit_sums(self, at: Int64[np.ndarray, " m"]) -> Float64[np.ndarray, "2 unit"]:
        """For each unit the sums of w y and of w over some of the rows."""
        unit, values = self.unit[at], self.wy_w[:, at]
        return np.stack([np.bincount(unit, value, self.n_units) for value in values])


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Uncovered:
    """What no rule covers yet: its rows, their mean and weight, and the sums of the candidates over them."""

    rows: Int64[np.ndarray, " m"]
    sums: Float64[np.ndarray, "3 n_candidates"]
    unit_sums: Float64[np.ndarray, "2 unit"]
    weight: float
    mean: float

    @staticmethod
    def everything(data: FitRows) -> "Uncovered":
        """All rows, before there is a rule."""
        rows = np.arange(data.table.n_rows)
        return _uncovered(rows, data.table.sums(rows, data.wy_w), data.unit_sums(rows))

    def without(self, data: FitRows, rows: Int64[np.ndarray, " k"]) -> "Uncovered":
        """What is left when a rule covers some more rows."""
        return _uncovered(
            self.rows[~np.isin(self.rows, rows, assume_unique=True, kind="table")],
            self.sums - data.table.sums(rows, data.wy_w[:, rows]),
            self.unit_sums - data.unit_sums(rows),
        )


def _uncovered(
    rows: Int64[np.ndarray, " m"],
    sums: Float64[np.ndarray, "3 n_candidates"],
    unit_sums: Float64[np.ndarray, "2 unit"],
) -> Uncovered:
    S, W = (float(total) for total in unit_sums.sum(axis=1))
    return Uncovered(rows=rows, sums=sums, unit_sums=unit_sums, weight=W, mean=S / W if W > 0 else 0.0)


def fit_rows(sample: Sample, config: RulesConfig) -> FitRows | None:
    """The rows of a sample; None where nothing can be learned from them."""
    fragments = sample.text.fragments
    y = sample.values[fragments.mask].astype(np.float64)
    if len(fragments) < 2 or len(y) == 0 or y.min() == y.max():
        return None
    table = CandidateTable(sample.text)
    w = sample.weight[table.fragment]
    documents, unit = np.unique(fragments.main_document, return_inverse=True)
    n_units = len(documents)
    if n_units < MIN_DOCUMENTS:
        unit, n_units = np.arange(len(fragments)), len(fragments)
    total = float(w @ (y - w @ y / w.sum()) ** 2)
    n_effective = float(w.sum() ** 2 / (w @ w))
    penalty = config.paper_bits_penalty if sample.budget == "paper" else config.bits_penalty
    return FitRows(
        table=table,
        y=y,
        wy_w=np.stack([w * y, w]),
        unit=unit[table.fragment],
        place=numpy_generator(0, "interpretation/rules").permutation(len(y)),
        n_units=n_units,
        bit_cost=penalty * 2 * math.log(2) / n_effective * total,
        min_fragments=config.min_fragments,
        is_full=sample.budget == "full",
    )


def weighted_mean(rows: FitRows, at: Int64[np.ndarray, " m"]) -> float:
    """The weighted mean of y on some rows; 0 where there are none."""
    S, W = rows.wy_w[:, at].sum(axis=1)
    return float(S / W) if len(at) else 0.0


def held_out_gain(
    inside: Float64[np.ndarray, "2 unit"], uncovered: Float64[np.ndarray, "2 unit"]
) -> Float64[np.ndarray, " unit"]:
    """For each unit by how much the rule lowers its squared error, all means being those of the other units."""
    (S_C, W_C), (S_U, W_U) = inside, uncovered
    S_R, W_R = S_U - S_C, W_U - W_C
    fallback = float(S_U.sum() / W_U.sum())
    before = _error(_others_mean(S_U, W_U, fallback), S_U, W_U)
    after = _error(_others_mean(S_C, W_C, fallback), S_C, W_C) + _error(_others_mean(S_R, W_R, fallback), S_R, W_R)
    return before - after


def _others_mean(S: np.ndarray, W: np.ndarray, fallback: float) -> np.ndarray:
    """The mean over all units but one; the fallback where that is of nothing."""
    rest = W.sum() - W
    some = rest > 1e-9 * max(float(W.sum()), 1e-300)
    return np.where(some, (S.sum() - S) / np.where(some, rest, 1.0), fallback)


def _error(mean: np.ndarray, S: np.ndarray, W: np.ndarray) -> np.ndarray:
    """The squared error of a mean, less the sum of squares."""
    return mean * mean * W - 2 * mean * S
