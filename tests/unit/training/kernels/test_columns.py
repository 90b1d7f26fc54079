"""The kernels over latents. Oracle: scipy's sparse matrices, and products in float64."""

import numpy as np
import pytest
import scipy.sparse

from monosemy.core import numpy_generator
from monosemy.training.kernels import column_sums, dense_sums, transpose, weighted_rows

N_ROWS, N_LATENTS, D = 23, 11, 19


@pytest.fixture(params=[0.0, 0.1, 0.6])
def z(request: pytest.FixtureRequest) -> scipy.sparse.csr_array:
    rng = numpy_generator(0, "test-kernel-columns")
    dense = rng.random((N_ROWS, N_LATENTS)) * (rng.random((N_ROWS, N_LATENTS)) < request.param)
    return scipy.sparse.csr_array(dense.astype(np.float32))


def columns(z: scipy.sparse.csr_array, slope: np.ndarray) -> tuple[np.ndarray, ...]:
    """column_start, column_row, column_value, column_slope, from lists with gaps between the rows."""
    n = z.nnz + 3 * N_ROWS
    start = z.indptr[:-1].astype(np.int64) + 3 * np.arange(N_ROWS)
    end = start + np.diff(z.indptr)
    index, value, slopes = np.zeros(n, np.int32), np.full(n, np.nan, np.float32), np.full(n, np.nan, np.float32)
    for row in range(N_ROWS):
        given = slice(z.indptr[row], z.indptr[row + 1])
        index[start[row] : end[row]] = z.indices[given]
        value[start[row] : end[row]] = z.data[given]
        slopes[start[row] : end[row]] = slope[given]
    made = np.zeros(N_LATENTS + 1, np.int64), np.zeros(n, np.int32), np.zeros(n, np.float32), np.zeros(n, np.float32)
    transpose(N_ROWS, start, end, index, value, slopes, *made)
    return made


def test_column_form(z: scipy.sparse.csr_array) -> None:
    start, row, value, slope = columns(z, 2 * z.data)
    expected = z.tocsc()
    np.testing.assert_array_equal(start, expected.indptr)
    np.testing.assert_array_equal(row[: z.nnz], expected.indices)
    np.testing.assert_array_equal(value[: z.nnz], expected.data)
    np.testing.assert_array_equal(slope[: z.nnz], 2 * expected.data)


@pytest.mark.parametrize("tile", [1, 5, N_ROWS])
@pytest.mark.parametrize("accumulate", [False, True])
def test_weighted_rows(z: scipy.sparse.csr_array, accumulate: bool, tile: int) -> None:
    start, row, value, _ = columns(z, z.data)
    rows = numpy_generator(1, "test-kernel-columns").normal(size=(N_ROWS, D)).astype(np.float32)
    gradient = np.full((N_LATENTS, D), 5.0, np.float32)
    weighted_rows(2, 9, tile, start, row, value, np.float32(-0.5), rows, accumulate, gradient)
    expected = np.full((N_LATENTS, D), 5.0)
    product = -0.5 * z.toarray().T.astype(np.float64) @ rows
    expected[2:9] = (5.0 if accumulate else 0.0) + product[2:9]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def test_column_sums(z: scipy.sparse.csr_array) -> None:
    slope = numpy_generator(2, "test-kernel-columns").normal(size=z.nnz).astype(np.float32)
    start, _, _, column_slope = columns(z, slope)
    sums = np.full(N_LATENTS, 7.0, np.float32)
    column_sums(1, 10, start, column_slope, sums)
    expected = scipy.sparse.csr_array((slope.astype(np.float64), z.indices, z.indptr), z.shape).sum(axis=0)
    np.testing.assert_allclose(sums[1:10], expected[1:10], rtol=1e-5, atol=1e-5)
    assert sums[0] == sums[10] == 7.0


def test_dense_sums(z: scipy.sparse.csr_array) -> None:
    dense = z.toarray()
    slope = np.asarray(numpy_generator(3, "test-kernel-columns").normal(size=z.shape), dtype=np.float32)
    n_active, sums = np.full(N_LATENTS, -1, np.int32), np.full(N_LATENTS, 7.0, np.float32)
    total = dense_sums(2, 9, dense, slope, n_active, sums)
    assert total == pytest.approx(dense[:, 2:9].sum(dtype=np.float64), rel=1e-5)
    np.testing.assert_array_equal(n_active[2:9], (dense > 0).sum(axis=0)[2:9])
    np.testing.assert_allclose(sums[2:9], slope.astype(np.float64).sum(axis=0)[2:9], rtol=1e-5, atol=1e-5)
    assert (n_active[[0, 1, 9, 10]] == -1).all()
