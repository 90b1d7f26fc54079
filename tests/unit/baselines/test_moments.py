"""Oracles: numpy on the whole array in float64; planted faults."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from monosemy.baselines import second_moments
from monosemy.baselines.moments import first_rows, oriented
from monosemy.core import UserError
from tests.unit.baselines.planted import batches_of, skewed


def test_moments_are_those_of_numpy() -> None:
    x = skewed(offset=3000.0)
    found = second_moments(batches_of(x, 77))
    x64 = x.double().numpy()
    assert found.n_rows == len(x)
    np.testing.assert_allclose(found.mean, x64.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(x64.T, ddof=0), rtol=1e-9)


@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_batch_boundaries_do_not_matter(sizes: list[int]) -> None:
    x = skewed(n=60, d=3)
    cuts = np.minimum(np.cumsum(sizes), 60).tolist()
    parts = [x[a:b] for a, b in zip([0, *cuts], [*cuts, 60], strict=True)]  # some are empty
    found, whole = second_moments(lambda: iter(parts)), second_moments(batches_of(x, 60))
    assert found.n_rows == 60
    np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(found.covariance, whole.covariance, rtol=1e-10)


def test_the_first_rows_are_the_first_ones_whatever_the_batches() -> None:
    x = skewed(n=50, d=3)
    for size in (1, 7, 50):
        assert torch.equal(first_rows(batches_of(x, size), 20), x[:20])
    assert torch.equal(first_rows(batches_of(x, 7), 1000), x)


def test_first_rows_stop_reading_where_they_have_enough() -> None:
    def batches():
        yield skewed(n=10, d=3)
        raise AssertionError("one batch was enough")

    assert len(first_rows(batches, 10)) == 10


def with_entry(x: Tensor, value: float) -> Tensor:
    spoiled = x.clone()
    spoiled[41, 2] = value
    return spoiled


@pytest.mark.parametrize("read", [second_moments, lambda batches: first_rows(batches, 1000)])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (with_entry(skewed(), float("nan")), "activation 41 holds a NaN or an infinity"),
        (with_entry(skewed(), float("inf")), "activation 41 holds a NaN or an infinity"),
        (torch.full((500, 6), 0.1), "the activations are all the same"),
        (skewed(n=5), "5 activations of 6 dimensions are too few"),
        (skewed(n=0), "0 activations of 0 dimensions are too few"),
    ],
)
def test_what_cannot_be_fitted_is_refused(read: Callable[..., object], x: Tensor, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(batches_of(x, 10))


def test_one_constant_dimension_is_no_fault() -> None:
    x = skewed()
    x[:, 3] = 0.1
    assert second_moments(batches_of(x)).covariance[3, 3] < 1e-20


def test_orientation_makes_the_largest_entry_positive() -> None:
    directions = np.array([[0.1, -0.9, 0.2], [0.5, 0.4, -0.1], [-0.5, 0.5, 0.0]])
    assert oriented(directions).tolist() == [-1.0, 1.0, -1.0]  # of equal magnitudes the first entry decides
