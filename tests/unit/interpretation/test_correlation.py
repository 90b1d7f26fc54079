"""Oracle: scipy's pearsonr over the tokens put end to end; constants by definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from monosemy.interpretation import UnitSums, correlation_status, pearson


def drawn(seed: int, n_fragments: int = 9, n_units: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (n_fragments, 64)
    truth = np.maximum(rng.normal(size=shape), 0).astype(np.float32)
    predicted = (truth * rng.normal(1, 0.3, shape) + rng.normal(0, 0.5, shape)).astype(np.float32)
    return predicted, truth, rng.random(shape) < 0.9, rng.integers(0, n_units, n_fragments)


@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), shift=st.floats(-1000, 1000))
def test_the_correlation_is_that_of_scipy_and_knows_no_scale(seed: int, scale: float, shift: float) -> None:
    predicted, truth, mask, unit = drawn(seed)
    sums = UnitSums(truth.astype(np.float64) * scale + shift, mask, unit, 4).of(predicted)
    assert sums.shape == (4, 6)
    assert pearson(sums.sum(axis=0)) == pytest.approx(pearsonr(predicted[mask], truth[mask])[0], abs=1e-6)


def test_sums_of_a_unit_give_its_own_correlation() -> None:
    predicted, truth, mask, unit = drawn(3)
    found = pearson(UnitSums(truth, mask, unit, 5).of(predicted))
    for number in range(4):
        counted = mask & (unit == number)[:, None]
        assert found[number] == pytest.approx(pearsonr(predicted[counted], truth[counted])[0], abs=1e-6)
    assert np.isnan(found[4])  # a unit without fragments


def test_nothing_is_lost_far_from_zero() -> None:
    predicted, truth, mask, unit = drawn(4)
    far = truth.astype(np.float64) * 1e-3 + 1e4
    expected = pearsonr(predicted[mask], truth[mask])[0]
    assert pearson(UnitSums(far, mask, unit, 4).of(predicted).sum(axis=0)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e4])
def test_a_constant_prediction_counts_as_zero_and_a_constant_truth_has_no_score(constant: float) -> None:
    _, truth, mask, unit = drawn(5)
    same = np.full(truth.shape, constant, dtype=np.float32)
    total = UnitSums(truth, mask, unit, 4).of(same).sum(axis=0)
    assert pearson(total) == 0.0
    assert correlation_status(total) == "constant"
    total = UnitSums(same, mask, unit, 4).of(truth).sum(axis=0)
    assert np.isnan(pearson(total))
    assert correlation_status(total) == "not_applicable"


def test_a_prediction_that_is_constant_on_some_units_is_so_there_despite_rounding() -> None:
    truth = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    predicted = np.full((4, 64), 0.1, dtype=np.float32)
    predicted[3, 5] = 7.3
    sums = UnitSums(truth, np.ones((4, 64), dtype=np.bool_), np.arange(4), 4).of(predicted)
    assert pearson(sums[:3].sum(axis=0)) == 0.0
    assert correlation_status(sums[:3].sum(axis=0)) == "constant"
    assert correlation_status(sums.sum(axis=0)) == "ok"


def test_what_lies_beyond_the_mask_does_not_matter() -> None:
    predicted, truth, mask, unit = drawn(6)
    other = np.where(mask, predicted, 1e6).astype(np.float32)
    sums = UnitSums(truth, mask, unit, 4)
    np.testing.assert_array_equal(sums.of(predicted), sums.of(other))
