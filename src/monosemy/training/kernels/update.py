"""Kernels of the update: Adam over rows of a matrix, on the sphere where the rows have a norm to keep."""

from typing import no_type_check

import numpy as np

from monosemy.training.kernels.compiled import compiled

FREE, UNIT, NORMALIZED = 0, 1, 2
"""Rows without a constraint; rows of unit norm; rows that are used divided by their norm, which may be any."""


@compiled
@no_type_check
def adam(first, last, weights, gradient, m, v, rate, beta_1, beta_2, correction_1, correction_2, epsilon, rows):
    """Adam on rows first to last; returns a sum that is finite exactly where all their weights are.

    rows: FREE, UNIT (the gradient is made tangent, and the rows are set back to unit norm), or NORMALIZED (the
    gradient, given for the normalized row, is that of the row as it is).
    """
    d = weights.shape[1]
    step = np.float32(rate / correction_1)
    root = np.float32(1.0 / np.sqrt(correction_2))
    eps = np.float32(epsilon)
    b1, b2 = np.float32(beta_1), np.float32(beta_2)
    c1, c2 = np.float32(1.0 - beta_1), np.float32(1.0 - beta_2)
    one = np.float32(1.0)
    total = 0.0
    for j in range(first, last):
        w, g, mj, vj = weights[j], gradient[j], m[j], v[j]
        along, scale = np.float32(0.0), one
        if rows != FREE:
            square = np.float32(0.0)
            for i in range(d):
                along += g[i] * w[i]
                square += w[i] * w[i]
            if rows == NORMALIZED:
                scale = one / max(np.sqrt(square), np.float32(1e-8))
            along = along / max(square, np.float32(1e-16))
        for i in range(d):
            gi = scale * (g[i] - along * w[i])
            mi = b1 * mj[i] + c1 * gi
            vi = b2 * vj[i] + c2 * gi * gi
            mj[i] = mi
            vj[i] = vi
            w[i] -= step * mi / (np.sqrt(vi) * root + eps)
        square = np.float32(0.0)
        for i in range(d):
            square += w[i] * w[i]
        if rows == UNIT:
            scale = one / max(np.sqrt(square), np.float32(1e-8))
            for i in range(d):
                w[i] *= scale
        total += square
    return total


@compiled
@no_type_check
def normalize(first, last, weights, unit):
    """unit[j] = weights[j] / max(|weights[j]|, 1e-8) for rows first to last."""
    d = weights.shape[1]
    for j in range(first, last):
        square = np.float32(0.0)
        for i in range(d):
            square += weights[j, i] * weights[j, i]
        scale = np.float32(1.0) / max(np.sqrt(square), np.float32(1e-8))
        for i in range(d):
            unit[j, i] = weights[j, i] * scale
