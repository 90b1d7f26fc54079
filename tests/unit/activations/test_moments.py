"""Oracles: numpy and scipy in float64 on the whole array at once; laws of merging."""

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.activations import Moments, merged, moments_of, no_moments


def activations(n: int = 500, d: int = 5, seed: int = 0) -> np.ndarray:
    """Skewed, heavy-tailed, correlated, and far from zero compared with their spread."""
    rng = np.random.default_rng(seed)
    return rng.standard_t(6, size=(n, d)) @ rng.normal(size=(d, d)) + rng.exponential(size=(n, d)) + 300.0


def stream(x: np.ndarray, cuts: list[int]) -> Moments:
    total = no_moments(x.shape[1])
    for batch in np.split(x, sorted(cuts)):
        total = merged(total, moments_of(torch.from_numpy(batch)))
    return total


def assert_same(left: Moments, right: Moments) -> None:
    assert left.n == right.n
    for a, b in (
        (left.mean, right.mean),
        (left.comoment, right.comoment),
        (left.third, right.third),
        (left.fourth, right.fourth),
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())


def test_moments_are_those_of_numpy_and_scipy() -> None:
    x = activations()
    found = stream(x, [1, 100, 101, 350])
    assert found.n == len(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(x.T, ddof=0), rtol=1e-10)
    np.testing.assert_allclose(found.variance, x.var(axis=0), rtol=1e-11)
    np.testing.assert_allclose(found.mean_square, (x**2).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.skewness, scipy.stats.skew(x), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.excess_kurtosis, scipy.stats.kurtosis(x), rtol=1e-8, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=8), seed=st.integers(0, 5))
def test_batch_boundaries_do_not_matter(cuts: list[int], seed: int) -> None:
    x = activations(n=60, d=3, seed=seed)
    assert_same(stream(x, cuts), moments_of(torch.from_numpy(x)))


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(4)))
def test_order_of_merging_does_not_matter(order: list[int]) -> None:
    parts = [moments_of(torch.from_numpy(activations(n=7 + 5 * i, d=3, seed=i))) for i in range(4)]
    one_by_one = merged(merged(merged(parts[0], parts[1]), parts[2]), parts[3])
    a, b, c, d = (parts[i] for i in order)
    assert_same(merged(merged(a, b), merged(c, d)), one_by_one)


def test_float32_far_from_zero_keeps_its_digits() -> None:
    x = (activations() + 1e4).astype(np.float32)
    found = stream(x, [200])
    np.testing.assert_allclose(found.variance, x.astype(np.float64).var(axis=0), rtol=1e-10)


def test_a_constant_dimension_has_no_kurtosis() -> None:
    x = activations(n=90, d=2)
    x[:, 1] = 0.1
    found = stream(x, [13, 40])
    assert np.isfinite(found.excess_kurtosis[0])
    assert np.isnan(found.excess_kurtosis[1])
    assert np.isnan(found.skewness[1])


def test_nothing_seen_is_nan_and_neutral() -> None:
    nothing = no_moments(2)
    assert np.isnan(nothing.variance).all()
    assert np.isnan(nothing.covariance).all()
    some = moments_of(torch.from_numpy(activations(d=2)))
    assert merged(nothing, some) is some
    assert merged(some, moments_of(torch.empty(0, 2))) is some


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_summed_in_float64(dtype: torch.dtype) -> None:
    x = torch.ones(70_000, 1, dtype=dtype)
    x[::2] = 3.0
    found = moments_of(x)
    assert (found.mean[0], found.variance[0]) == (2.0, 1.0)
