"""Kernels over the rows of a batch: which latents are active, what they reconstruct, and how the loss slopes at them.

Active entries of a batch stand as lists: row b has the entries row_start[b] to row_end[b] of `index` (the latent, in
ascending order) and `value`. A block of rows writes into a stretch of its own, so blocks can be done side by side.
Behind its entries each stretch needs room for one more.
"""

from typing import no_type_check

import numpy as np

from monosemy.training.kernels.compiled import compiled

_FEW = 192  # so many values are ranked by comparing all with all
_TRIES = 6  # lower guesses before all positive values are listed


@compiled
@no_type_check
def _compress(values, threshold, flags, index, found):
    """List the entries above the threshold into `index` and `found`, which have room for all; how many there are.

    flags: a byte for each value. The comparison fills vectors, eight flags are read as one word, and nearly all words
    are 0; within a word nothing branches, as nobody could predict it.
    """
    n_values = values.shape[0]
    n_words = n_values // 8
    for j in range(n_values):
        flags[j] = values[j] > threshold
    words = flags[: 8 * n_words].view(np.uint64)
    n_found = 0
    for word in range(n_words):
        if words[word] != 0:
            for j in range(8 * word, 8 * word + 8):
                index[n_found] = j
                found[n_found] = values[j]
                n_found += flags[j]
    for j in range(8 * n_words, n_values):
        index[n_found] = j
        found[n_found] = values[j]
        n_found += flags[j]
    return n_found


@compiled
@no_type_check
def select_above(pre, threshold, first_row, start, stop, row_start, row_end, index, value):
    """The entries of pre `[rows n_latents]` above `threshold` (at least 0), listed from `start`; False if past `stop`.

    The rows are `first_row`, ... of the batch.
    """
    n_latents = pre.shape[1]
    flags = np.empty(n_latents, np.uint8)
    found_index, found = np.empty(n_latents + 8, np.int32), np.empty(n_latents + 8, np.float32)
    at = start
    for row in range(pre.shape[0]):
        n_found = _compress(pre[row], threshold, flags, found_index, found)
        if at + n_found > stop:
            return False
        row_start[first_row + row] = at
        for i in range(n_found):
            index[at + i] = found_index[i]
            value[at + i] = found[i]
        at += n_found
        row_end[first_row + row] = at
    return True


@compiled
@no_type_check
def _kth_largest(values, n, k):
    """The k-th largest of values[:n], which it reorders (quickselect by the middle element)."""
    low, high, wanted = 0, n - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            break
    return values[wanted]


@compiled
@no_type_check
def _kth_by_rank(values, n, k):
    """The k-th largest of values[:n]: fewer than k exceed it, at least k reach it; n^2 compares, in vectors."""
    for i in range(n):
        n_greater, n_equal = np.int32(0), np.int32(0)
        for j in range(n):
            n_greater += np.int32(values[j] > values[i])
            n_equal += np.int32(values[j] == values[i])
        if n_greater < k and n_greater + n_equal >= k:
            return values[i]
    return values[0]  # not reached: without NaN, which is above no threshold, one value has that rank


@compiled
@no_type_check
def select_top_k(pre, k, guess, first_row, start, row_start, row_end, index, value):
    """The k largest positive entries of each row of pre, ties to the lowest index, listed from `start`.

    `guess` decides how fast, never what: it is the value that about k entries of a row exceed, as the step before had
    it. Returns the sum over the rows of the k-th largest value, for the next guess.
    """
    n_latents = pre.shape[1]
    flags = np.empty(n_latents, np.uint8)
    found_index, found = np.empty(n_latents + 8, np.int32), np.empty(n_latents + 8, np.float32)
    order = np.empty(n_latents, np.float32)
    at = start
    total = 0.0
    for row in range(pre.shape[0]):
        row_start[first_row + row] = at
        threshold = guess
        n_found = _compress(pre[row], threshold, flags, found_index, found)
        n_tries = 0
        while n_found < k and threshold > 0:
            n_tries += 1
            threshold = threshold * np.float32(0.85) if n_tries < _TRIES else np.float32(0)
            n_found = _compress(pre[row], threshold, flags, found_index, found)
        least = threshold
        if n_found > k:
            if n_found <= _FEW:
                least = _kth_by_rank(found, n_found, k)
            else:
                order[:n_found] = found[:n_found]
                least = _kth_largest(order, n_found, k)
        n_greater = 0
        for i in range(n_found):
            n_greater += found[i] > least
        n_tied = k - n_greater
        for i in range(n_found):  # the rest of a row is overwritten by the next, so nothing branches
            is_tied = found[i] == least
            index[at] = found_index[i]
            value[at] = found[i]
            at += (found[i] > least) | (is_tied & (n_tied > 0))
            n_tied -= is_tied
        row_end[first_row + row] = at
        total += least
    return total


@compiled
@no_type_check
def keep_from(least, n_tied, n_rows, row_start, row_end, index, value):
    """Drop the entries below `least` from the lists, and of those equal to it all but the first `n_tied`."""
    for row in range(n_rows):
        at = row_start[row]
        for entry in range(row_start[row], row_end[row]):
            if value[entry] > least or (value[entry] == least and n_tied > 0):
                n_tied -= value[entry] == least
                index[at] = index[entry]
                value[at] = value[entry]
                at += 1
        row_end[row] = at


@compiled
@no_type_check
def _end_in_tile(index, at, end, tile_end):
    """Where the entries from `at` on, which are in ascending order, leave the latents below `tile_end`."""
    while at < end and index[at] < tile_end:
        at += 1
    return at


@compiled
@no_type_check
def _add_directions(directions, index, value, at, end, r):
    """r += sum of value times direction, over the entries from `at` to `end`."""
    d = r.shape[0]
    while at + 4 <= end:
        z0, z1, z2, z3 = value[at], value[at + 1], value[at + 2], value[at + 3]
        w0, w1 = directions[index[at]], directions[index[at + 1]]
        w2, w3 = directions[index[at + 2]], directions[index[at + 3]]
        for i in range(d):
            r[i] += (z0 * w0[i] + z1 * w1[i]) + (z2 * w2[i] + z3 * w3[i])
        at += 4
    while at < end:
        z0, w0 = value[at], directions[index[at]]
        for i in range(d):
            r[i] += z0 * w0[i]
        at += 1


@compiled
@no_type_check
def _slopes_along(directions, index, at, end, r, error_slope, penalty, slope):
    """slope = error_slope <r, direction> + penalty, for the entries from `at` to `end`."""
    d = r.shape[0]
    while at + 4 <= end:
        w0, w1 = directions[index[at]], directions[index[at + 1]]
        w2, w3 = directions[index[at + 2]], directions[index[at + 3]]
        s0, s1, s2, s3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for i in range(d):
            s0 += r[i] * w0[i]
            s1 += r[i] * w1[i]
            s2 += r[i] * w2[i]
            s3 += r[i] * w3[i]
        slope[at] = error_slope * s0 + penalty
        slope[at + 1] = error_slope * s1 + penalty
        slope[at + 2] = error_slope * s2 + penalty
        slope[at + 3] = error_slope * s3 + penalty
        at += 4
    while at < end:
        w0, s0 = directions[index[at]], np.float32(0.0)
        for i in range(d):
            s0 += r[i] * w0[i]
        slope[at] = error_slope * s0 + penalty
        at += 1


@compiled
@no_type_check
def decode(
    x, directions, bias, error_slope, penalty, tile, first_row, last_row,
    row_start, row_end, index, value, residual, slope, row_error,
):  # fmt: skip
    """For rows first_row to last_row: residual = z directions + bias - x, its square, and the slope of each entry.

        slope = error_slope <residual, direction> + penalty        dL/dz at an active entry

    So many directions as `tile` says are visited at a time, for all rows, so that they stay in the cache.
    """
    d, n_latents = x.shape[1], directions.shape[0]
    next_entry = row_start[first_row:last_row].copy()
    for row in range(first_row, last_row):
        r = residual[row]
        for i in range(d):
            r[i] = bias[i] - x[row, i]
    for tile_end in range(tile, n_latents + tile, tile):
        for row in range(first_row, last_row):
            at = next_entry[row - first_row]
            end = _end_in_tile(index, at, row_end[row], tile_end)
            next_entry[row - first_row] = end
            _add_directions(directions, index, value, at, end, residual[row])
    for row in range(first_row, last_row):
        r, error = residual[row], np.float32(0.0)
        for i in range(d):
            error += r[i] * r[i]
        row_error[row] = error
    next_entry[:] = row_start[first_row:last_row]
    for tile_end in range(tile, n_latents + tile, tile):
        for row in range(first_row, last_row):
            at = next_entry[row - first_row]
            end = _end_in_tile(index, at, row_end[row], tile_end)
            next_entry[row - first_row] = end
            _slopes_along(directions, index, at, end, residual[row], error_slope, penalty, slope)
