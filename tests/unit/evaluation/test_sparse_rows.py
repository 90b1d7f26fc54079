"""Oracle: the dense matrix."""

import numpy as np
import pytest

from monosemy.evaluation import SparseRows, sparse_rows
from monosemy.evaluation.sparse_rows import joined


def matrix(density: float, n_rows: int = 40, width: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n_rows, width)) * (rng.random((n_rows, width)) < density)).astype(np.float32)


def assert_is(rows: SparseRows, dense: np.ndarray) -> None:
    assert rows.n_rows == len(dense)
    np.testing.assert_array_equal(rows.dense(0, rows.n_rows), dense)
    np.testing.assert_array_equal(rows.dense(7, 12), dense[7:12])
    for column in (0, 5, dense.shape[1] - 1):
        np.testing.assert_array_equal(rows.column(column), dense[:, column])


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 1.0])
def test_rows_and_columns_are_those_of_the_matrix(density: float) -> None:
    dense = matrix(density)
    dense[3] = 0.0
    assert_is(sparse_rows(dense, np.float32), dense)
    assert_is(joined([sparse_rows(dense[a:b], np.float32) for a, b in ((0, 1), (1, 1), (1, 30), (30, 40))]), dense)


def test_the_smaller_form_is_kept() -> None:
    sparse = joined([sparse_rows(matrix(0.1), np.float32)])
    full = joined([sparse_rows(matrix(1.0), np.float32)])
    assert sparse.index is not None
    assert full.index is None
    assert full.n_bytes == 40 * 300 * 4


@pytest.mark.parametrize(("width", "dtype"), [(256, np.uint8), (257, np.uint16), (70_000, np.uint32)])
def test_the_index_is_as_narrow_as_the_width_allows(width: int, dtype: type) -> None:
    dense = np.zeros((2, width), dtype=np.float32)
    dense[1, width - 1] = 1.0
    rows = sparse_rows(dense, np.float32)
    assert rows.index is not None
    assert rows.index.dtype == dtype
    assert rows.column(width - 1).tolist() == [0.0, 1.0]


def test_sixteen_bits_keep_what_is_zero_and_what_is_finite() -> None:
    dense = np.array([[1e-30, -1e-30, 1e30, -1e30, 0.0, 1.0 / 3]], dtype=np.float32)
    half = sparse_rows(dense, np.float16).dense(0, 1)
    np.testing.assert_array_equal(np.sign(half), np.sign(dense))
    assert np.isfinite(half).all()
    assert abs(half[0, 5] * 3 - 1) <= 2**-11


def test_nothing_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="0 pieces"):
        joined([])
