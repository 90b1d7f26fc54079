"""Oracles: scikit-learn's metrics token by token, and every cutoff tried."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from monosemy.core import numpy_generator
from monosemy.interpretation.detection import (
    N_LEVELS,
    N_MARKED,
    ap_lift,
    balanced_accuracy,
    choose_cutoffs,
    confusion,
    draw_marks,
    f1,
    level_counts,
    mean_on_marks,
)


def drawn(seed: int, n_values: int | None, share: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Predictions (of n distinct values, None: all distinct), activity, mask and unit of 12 fragments of 3 units."""
    rng = np.random.default_rng(seed)
    shape = (12, 64)
    active = rng.random(shape) < share
    predicted = active + rng.normal(size=shape)
    if n_values is not None:
        predicted = np.clip(np.floor(predicted * 2), 0, n_values - 1)
    return predicted.astype(np.float32), active, rng.random(shape) < 0.9, rng.integers(0, 3, 12)


@given(seed=st.integers(0, 10**6), n_values=st.integers(1, N_LEVELS), share=st.floats(0.02, 0.98))
def test_average_precision_is_that_of_scikit_learn_ties_included(seed: int, n_values: int, share: float) -> None:
    predicted, active, mask, unit = drawn(seed, n_values, share)
    counts = level_counts(predicted, active, mask, unit, 4)
    assert counts.sum() == mask.sum()
    np.testing.assert_array_equal(
        counts.sum(axis=(1, 2)), [(mask & (unit == number)[:, None]).sum() for number in range(4)]
    )
    base = active[mask].mean()
    lift = ap_lift(counts.sum(axis=0))
    if 0 < base < 1:
        expected = average_precision_score(active[mask], predicted[mask])
        assert lift == pytest.approx((expected - base) / (1 - base), abs=1e-12)
    else:
        assert np.isnan(lift)


@pytest.mark.parametrize("seed", range(3))
def test_many_values_are_rounded_down_to_levels(seed: int) -> None:
    predicted, active, mask, unit = drawn(seed, None)
    counts = level_counts(predicted, active, mask, unit, 3)
    assert counts.shape == (3, N_LEVELS, 2)
    ordered = np.sort(predicted[mask])
    shares = [0.5 * 2.0 ** (-14 * i / (N_LEVELS - 2)) for i in range(N_LEVELS - 1)]
    edges = sorted({ordered[0], *(ordered[len(ordered) - max(1, int(len(ordered) * share))] for share in shares)})
    rounded = [max(edge for edge in edges if edge <= value) for value in predicted[mask]]
    expected, base = average_precision_score(active[mask], rounded), active[mask].mean()
    assert ap_lift(counts.sum(axis=0)) == pytest.approx((expected - base) / (1 - base))


def test_a_constant_prediction_has_no_lift_and_the_truth_all_of_it() -> None:
    _, active, mask, unit = drawn(1, 3)
    constant = np.full(active.shape, 0.3, dtype=np.float32)
    assert ap_lift(level_counts(constant, active, mask, unit, 3).sum(axis=0)) == pytest.approx(0.0)
    assert ap_lift(level_counts(active.astype(np.float32), active, mask, unit, 3).sum(axis=0)) == pytest.approx(1.0)


@given(seed=st.integers(0, 10**6), n_values=st.sampled_from([1, 2, 5, 12]))
def test_the_cutoff_is_the_best_of_all_by_weighted_f1(seed: int, n_values: int) -> None:
    predicted, active, mask, _ = drawn(seed, n_values)
    weight = np.random.default_rng(seed).uniform(1, 50, len(mask))
    w = np.broadcast_to(weight[:, None], mask.shape)[mask]
    cutoffs = choose_cutoffs(predicted, active, mask, weight)
    tried = {
        value: f1_score(active[mask], predicted[mask] >= value, sample_weight=w) for value in np.unique(predicted[mask])
    }
    assert tried[np.float32(cutoffs.token)] == pytest.approx(max(tried.values()))
    means = [np.average(predicted[mask][active[mask] == kind], weights=w[active[mask] == kind]) for kind in (0, 1)]
    assert cutoffs.marks == pytest.approx(sum(means) / 2, abs=1e-5)


def test_without_an_active_token_nothing_is_called() -> None:
    predicted, active, mask, _ = drawn(0, 3)
    cutoffs = choose_cutoffs(predicted, np.zeros_like(active), mask, np.ones(len(mask)))
    assert (cutoffs.token, cutoffs.marks) == (np.inf, np.inf)
    everywhere = choose_cutoffs(predicted, np.ones_like(active), mask, np.ones(len(mask)))
    assert everywhere.token == predicted[mask].min()


@given(seed=st.integers(0, 10**6))
def test_f1_and_balanced_accuracy_are_those_of_scikit_learn(seed: int) -> None:
    predicted, truth, mask, unit = drawn(seed, None)
    called = predicted > 0.5
    counts = confusion(called, truth, mask, unit, 3)
    total = counts.sum(axis=0)
    assert total.sum() == mask.sum()
    assert f1(total) == pytest.approx(f1_score(truth[mask], called[mask]))
    assert balanced_accuracy(total) == pytest.approx(balanced_accuracy_score(truth[mask], called[mask]))
    whole = confusion(called[:, 0], truth[:, 0], mask[:, 0], unit, 3).sum(axis=0)
    expected = f1_score(truth[:, 0][mask[:, 0]], called[:, 0][mask[:, 0]], zero_division=np.nan)  # pyright: ignore[reportArgumentType]
    has_any = (truth & mask)[:, 0].any()
    assert f1(whole) == pytest.approx(expected) if has_any else np.isnan(f1(whole))


def test_what_has_nothing_true_has_no_f1_and_what_has_one_kind_no_balanced_accuracy() -> None:
    assert np.isnan(f1(np.array([0, 0, 3, 4])))
    assert f1(np.array([0, 2, 0, 4])) == 0.0
    assert np.isnan(balanced_accuracy(np.array([3, 1, 0, 0])))
    assert confusion(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, int), 2).sum() == 0


@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0))
def test_marks_are_the_active_tokens_or_as_many_silent_ones(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    active, mask = rng.random((30, 64)) < share, rng.random((30, 64)) < 0.9
    active[:3] = False
    chosen, marks, right = draw_marks(active, mask, numpy_generator(seed, "test"))
    able = (active & mask).any(axis=1) & (~active & mask).any(axis=1)
    assert sorted(chosen) == np.flatnonzero(able).tolist()
    assert right.sum() == (len(chosen) + 1) // 2
    assert not marks[~mask[chosen]].any()
    for row, of_row, is_right in zip(chosen, marks, right, strict=True):
        is_active, is_silent = active[row] & mask[row], ~active[row] & mask[row]
        if is_right:
            np.testing.assert_array_equal(of_row, is_active)
        else:
            assert not (of_row & is_active).any()
            assert of_row.sum() == min(is_active.sum(), is_silent.sum())


def test_so_many_fragments_are_marked_at_most_and_means_are_over_the_marks() -> None:
    rng = np.random.default_rng(0)
    active, mask = rng.random((2 * N_MARKED, 64)) < 0.3, np.ones((2 * N_MARKED, 64), dtype=np.bool_)
    chosen, marks, _ = draw_marks(active, mask, numpy_generator(0, "test"))
    assert len(chosen) == N_MARKED
    predicted = rng.normal(size=active.shape).astype(np.float32)[chosen]
    expected = [row[of_row].mean() for row, of_row in zip(predicted, marks, strict=True)]
    np.testing.assert_allclose(mean_on_marks(predicted, marks), expected, atol=1e-6)
