"""Kernels over latents: the same entries in column form, and the gradients of the weights."""

from typing import no_type_check

import numpy as np

from monosemy.training.kernels.compiled import compiled


@compiled
@no_type_check
def transpose(n_rows, row_start, row_end, index, value, slope, column_start, column_row, column_value, column_slope):
    """The entries by latent: those of latent j stand at column_start[j] to column_start[j + 1], rows ascending."""
    n_latents = column_start.shape[0] - 1
    column_start[:] = 0
    for row in range(n_rows):
        for entry in range(row_start[row], row_end[row]):
            column_start[index[entry] + 1] += 1
    for j in range(n_latents):
        column_start[j + 1] += column_start[j]
    free = column_start[:-1].copy()
    for row in range(n_rows):
        for entry in range(row_start[row], row_end[row]):
            at = free[index[entry]]
            free[index[entry]] = at + 1
            column_row[at] = row
            column_value[at] = value[entry]
            column_slope[at] = slope[entry]


@compiled
@no_type_check
def weighted_rows(first, last, tile, column_start, column_row, weight, factor, rows, accumulate, gradient):
    """gradient[j] = factor sum_b weight_bj rows[b] for latents first to last; `accumulate`: added to what is there.

    So many rows as `tile` says are visited at a time, for all latents, so that they stay in the cache.
    """
    d = rows.shape[1]
    next_entry = column_start[first:last].copy()
    for tile_end in range(tile, rows.shape[0] + tile, tile):
        for j in range(first, last):
            g = gradient[j]
            if tile_end == tile and not accumulate:
                for i in range(d):
                    g[i] = np.float32(0.0)
            at, end = next_entry[j - first], column_start[j + 1]
            if tile_end < rows.shape[0]:
                end = at
                while end < column_start[j + 1] and column_row[end] < tile_end:
                    end += 1
            next_entry[j - first] = end
            while at + 4 <= end:
                w0, w1 = factor * weight[at], factor * weight[at + 1]
                w2, w3 = factor * weight[at + 2], factor * weight[at + 3]
                r0, r1 = rows[column_row[at]], rows[column_row[at + 1]]
                r2, r3 = rows[column_row[at + 2]], rows[column_row[at + 3]]
                for i in range(d):
                    g[i] += (w0 * r0[i] + w1 * r1[i]) + (w2 * r2[i] + w3 * r3[i])
                at += 4
            while at < end:
                w0, r0 = factor * weight[at], rows[column_row[at]]
                for i in range(d):
                    g[i] += w0 * r0[i]
                at += 1


@compiled
@no_type_check
def column_sums(first, last, column_start, slope, sums):
    """sums[j] = sum of the slopes of latent j: the gradient of its bias."""
    for j in range(first, last):
        total = np.float32(0.0)
        for at in range(column_start[j], column_start[j + 1]):
            total += slope[at]
        sums[j] = total


@compiled
@no_type_check
def dense_sums(first, last, z, slope, n_active, sums):
    """Of dense latents first to last: how many rows each is active in, the sum of its slopes; returns the sum of z."""
    n_active[first:last] = 0
    sums[first:last] = np.float32(0.0)
    total = 0.0
    for row in range(z.shape[0]):
        of_row = np.float32(0.0)
        for j in range(first, last):
            n_active[j] += z[row, j] > 0
            sums[j] += slope[row, j]
            of_row += z[row, j]
        total += of_row
    return total
