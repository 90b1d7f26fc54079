"""The kernels over rows. Oracle: sorting in numpy, and the formulas in float64.

A kernel sums 2 to 500 float32 numbers in an order of its own: 1e-5 of the largest is far above that, and far below
the effect of one wrong entry.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import numpy_generator
from monosemy.training.kernels import decode, keep_from, select_above, select_top_k

Lists = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def lists(n_rows: int, room: int) -> Lists:
    """row_start, row_end, index, value."""
    return (
        np.zeros(n_rows, np.int64),
        np.zeros(n_rows, np.int64),
        np.full(room, -1, np.int32),
        np.full(room, np.nan, np.float32),
    )


def entries(found: Lists, row: int) -> list[tuple[int, float]]:
    start, end, index, value = found
    return list(zip(index[start[row] : end[row]].tolist(), value[start[row] : end[row]].tolist(), strict=True))


def top_k(row: np.ndarray, k: int) -> list[tuple[int, float]]:
    """The definition: a stable descending sort, of which the first k that are positive, by index."""
    kept = sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]
    return [(i, float(row[i])) for i in sorted(kept) if row[i] > 0]


def tied_rows(seed: int, n_rows: int, n_latents: int) -> np.ndarray:
    """Rows of few different values, so that ties are everywhere, negative ones and zeros among them."""
    rng = numpy_generator(seed, "test-kernel-rows")
    return np.round(rng.normal(size=(n_rows, n_latents)) * rng.choice([0.5, 20.0])).astype(np.float32)


@given(
    seed=st.integers(0, 10**6),
    n_rows=st.integers(1, 5),
    n_latents=st.integers(1, 300),
    k=st.integers(1, 300),
    guess=st.floats(0, 30),
)
def test_the_top_k_of_each_row_whatever_the_guess(seed: int, n_rows: int, n_latents: int, k: int, guess: float) -> None:
    pre, k = tied_rows(seed, n_rows, n_latents), min(k, n_latents)
    found = lists(n_rows + 2, 3 + n_rows * k + 1)
    select_top_k(pre, k, np.float32(guess), 2, 3, *found)
    assert [entries(found, 2 + row) for row in range(n_rows)] == [top_k(row, k) for row in pre]


def test_the_sum_of_kth_values_is_the_next_guess() -> None:
    pre = numpy_generator(0, "test-kernel-guess").normal(size=(50, 400)).astype(np.float32)
    expected = np.sort(pre, axis=1)[:, -20].sum()
    assert select_top_k(pre, 20, np.float32(1.0), 0, 0, *lists(50, 1001)) == pytest.approx(expected, rel=1e-5)


@given(seed=st.integers(0, 10**6), n_latents=st.integers(1, 100), threshold=st.floats(0, 5, width=32))
def test_all_above_a_threshold_in_order(seed: int, n_latents: int, threshold: float) -> None:
    pre = tied_rows(seed, 4, n_latents)
    found = lists(4, 4 * n_latents + 1)
    assert select_above(pre, np.float32(threshold), 0, 0, 4 * n_latents, *found)
    expected = [[(i, float(v)) for i, v in enumerate(row) if v > threshold] for row in pre]
    assert [entries(found, row) for row in range(4)] == expected


def test_more_entries_than_room_are_told_and_nothing_is_written_past_it() -> None:
    pre = np.ones((3, 10), np.float32)
    found = lists(3, 40)
    assert not select_above(pre, np.float32(0), 0, 0, 25, *found)
    assert (found[2][26:] == -1).all()


@given(seed=st.integers(0, 10**6), n_kept=st.integers(1, 60))
def test_cutting_keeps_the_largest_of_the_batch_ties_to_the_first(seed: int, n_kept: int) -> None:
    pre = tied_rows(seed, 6, 30)
    found = lists(6, 181)
    select_above(pre, np.float32(0), 0, 0, 180, *found)
    positive = [(float(v), i) for i, v in enumerate(pre.flatten()) if v > 0]
    n_kept = min(n_kept, len(positive))
    if n_kept == 0:
        return
    kept = sorted(positive, key=lambda each: (-each[0], each[1]))[:n_kept]
    least = np.float32(kept[-1][0])
    keep_from(least, n_kept - sum(value > least for value, _ in positive), 6, *found)
    expected = sorted(flat for _, flat in kept)
    assert [row * 30 + index for row in range(6) for index, _ in entries(found, row)] == expected


@pytest.mark.parametrize("tile", [1, 5, 12])
@pytest.mark.parametrize("n_active", [0, 1, 3, 4, 9])
def test_residual_error_and_slopes(n_active: int, tile: int) -> None:
    rng = numpy_generator(n_active, "test-kernel-decode")
    n_rows, d, n_latents = 5, 37, 12
    x, directions, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((n_rows, d), (n_latents, d), (d,)))
    index = np.concatenate([np.sort(rng.permutation(n_latents)[:n_active]) for _ in range(n_rows)] or [[]]).astype(
        np.int32
    )
    value = rng.random(n_rows * n_active).astype(np.float32)
    start = np.arange(n_rows, dtype=np.int64) * n_active
    residual, slope = np.full((n_rows, d), np.nan, np.float32), np.full(len(value), np.nan, np.float32)
    error = np.full(n_rows, np.nan, np.float32)
    end = start + n_active
    numbers = bias, np.float32(0.7), np.float32(0.2), tile
    decode(x, directions, *numbers, 1, 4, start, end, index, value, residual, slope, error)
    z = np.zeros((n_rows, n_latents))
    z[np.arange(n_rows).repeat(n_active), index] = value
    expected = z @ directions.astype(np.float64) + bias - x
    np.testing.assert_allclose(residual[1:4], expected[1:4], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(error[1:4], (expected[1:4] ** 2).sum(axis=1), rtol=1e-5)
    slopes = (0.7 * expected @ directions.T.astype(np.float64) + 0.2)[np.arange(n_rows).repeat(n_active), index]
    inside = slice(n_active, 4 * n_active)
    np.testing.assert_allclose(slope[inside], slopes[inside], rtol=1e-5, atol=1e-4)
    assert np.isnan(residual[[0, 4]]).all() and np.isnan(error[[0, 4]]).all()  # rows of other threads
