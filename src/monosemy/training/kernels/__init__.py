"""Compiled loops of the sparse training step: exact gradients from the active values alone.

Arrays are float32 and contiguous, lists of entries int32 and int64. Compiled once a machine and kept in numba's cache;
each releases the interpreter's lock and works on the stretch that it is given, so that threads can share a step.
"""

from monosemy.training.kernels.columns import column_sums, dense_sums, transpose, weighted_rows
from monosemy.training.kernels.compiled import FAST_MATH, compiled
from monosemy.training.kernels.rows import decode, keep_from, select_above, select_top_k
from monosemy.training.kernels.update import FREE, NORMALIZED, UNIT, adam, normalize

__all__ = [
    "FAST_MATH",
    "FREE",
    "NORMALIZED",
    "UNIT",
    "adam",
    "column_sums",
    "compiled",
    "decode",
    "dense_sums",
    "keep_from",
    "normalize",
    "select_above",
    "select_top_k",
    "transpose",
    "weighted_rows",
]
