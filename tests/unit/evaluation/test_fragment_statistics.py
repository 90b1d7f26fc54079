"""Oracles: numpy and scipy in float64 on all activations at once."""

import numpy as np
import pytest
import scipy.stats

from monosemy.evaluation import LatentStatistics, StatisticsSum

NO_FRAGMENT = np.zeros((0, 4), dtype=np.bool_)


def activations(n: int = 600, seed: int = 0) -> np.ndarray:
    """A sparse latent, a signed dense one, one far from zero, and one that is constant."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 4))
    z[:, 0] = np.maximum(z[:, 0] - 1.5, 0.0)
    z[:, 2] += 3000.0
    z[:, 3] = 0.1
    return z.astype(np.float32)


def summed(z: np.ndarray, cuts: list[int]) -> LatentStatistics:
    total = StatisticsSum(z.shape[1])
    for part in np.split(z, cuts):
        total.add(part, len(part), NO_FRAGMENT, 0)
    return total.total()


@pytest.mark.parametrize("cuts", [[], [1], [0, 50, 51, 400]])
def test_moments_are_those_of_scipy(cuts: list[int]) -> None:
    z = activations()
    found, z64 = summed(z, cuts), z.astype(np.float64)
    np.testing.assert_allclose(found.mean, z64.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance[:3], z64.var(axis=0)[:3], rtol=1e-9)
    np.testing.assert_allclose(found.skewness[:3], scipy.stats.skew(z64[:, :3]), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.excess_kurtosis[:3], scipy.stats.kurtosis(z64[:, :3]), rtol=1e-8, atol=1e-8)
    assert np.isnan([found.skewness[3], found.excess_kurtosis[3]]).all()


def test_a_first_batch_that_is_not_like_the_rest_costs_few_digits() -> None:
    z = activations(n=20_000)
    z[:10, 2] = 0.0  # the shift is 0, the mean 3,000, as far off as it can get
    found, z64 = summed(z, [10]), z.astype(np.float64)
    np.testing.assert_allclose(found.variance[2], z64[:, 2].var(), rtol=1e-9)
    np.testing.assert_allclose(found.excess_kurtosis[2], scipy.stats.kurtosis(z64[:, 2]), rtol=1e-6)


def test_the_histogram_holds_every_firing_in_its_bin_and_by_its_sign() -> None:
    z = np.array([[0.0, 1.0, -1.0, 2.0**-30], [0.0, 1.18, -1.2, 2.0**40], [0.0, 3.99, 0.5, -(2.0**16)]])
    found = summed(z.astype(np.float32), [2])
    edges = 2.0 ** (-16 + np.arange(129) / 4)
    expected = np.zeros((4, 2, 128), dtype=np.int64)
    for latent in range(4):
        for value in z[:, latent][z[:, latent] != 0]:
            place = np.clip(np.searchsorted(edges, abs(value), side="right") - 1, 0, 127)
            expected[latent, int(value < 0), place] += 1
    np.testing.assert_array_equal(found.histogram, expected)
    assert found.n_firing_tokens.tolist() == [0, 3, 3, 3]


def test_positions_that_are_not_recorded_do_not_count() -> None:
    z = np.concatenate([activations(), np.zeros((100, 4), dtype=np.float32)])
    total = StatisticsSum(4)
    total.add(z, 600, np.array([[True, True, False, True]]), 3)
    found = total.total()
    np.testing.assert_allclose(found.mean, activations().astype(np.float64).mean(axis=0), rtol=1e-12)
    assert (found.n_tokens, found.n_fragments, found.n_firing_fragments.tolist()) == (600, 3, [1, 1, 0, 1])


def test_nothing_seen_is_nan() -> None:
    found = StatisticsSum(2).total()
    assert np.isnan(found.mean).all()
    assert np.isnan(found.excess_kurtosis).all()
