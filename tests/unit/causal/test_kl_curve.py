"""Curves and their area. Oracle: one set after the other; areas that can be integrated by hand; a fine grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.causal import KLCurve, Patching, area, curve_along, patch_counts
from monosemy.core import UserError
from monosemy.lm import Site
from tests.unit.causal.patching_cases import sparse_dictionary, tiny_pairs
from tests.unit.lm.tiny_models import tiny_lm


def curve(n_patched: list[int], kl: list[list[float]]) -> KLCurve:
    values = np.array(kl, dtype=np.float64).reshape(len(kl), -1 if kl else 1)
    return KLCurve(
        order=np.arange(1000),
        n_patched=np.array(n_patched, dtype=np.int64),
        kl=values,
        edit=0 * values,
        entries=0 * values,
    )


def test_a_curve_holds_each_beginning_of_the_order() -> None:
    patching = Patching(tiny_lm("gpt_neox"), Site(1, "resid_post"), sparse_dictionary(), tiny_pairs())
    order = np.random.default_rng(0).permutation(30)[:20]
    found = curve_along(patching, order, [0, 1, 5, 20])
    for row, n in enumerate([0, 1, 5, 20]):
        latents = np.isin(np.arange(30), order[:n])
        assert np.allclose(found.kl[row], patching.naive_kl(latents), rtol=0, atol=1e-10)
        assert np.allclose(found.edit[row], patching.edit_norm(latents))
        assert np.array_equal(found.entries[row], patching.n_entries[:, order[:n]].sum(axis=1))


def test_orders_and_counts_that_make_no_curve_are_refused() -> None:
    patching = Patching(tiny_lm("gpt_neox"), Site(1, "resid_post"), sparse_dictionary(), tiny_pairs())
    for order in ([1, 1], [30], [-1]):
        with pytest.raises(UserError, match="names each latent at most once, from 0 to 29"):
            curve_along(patching, np.array(order), [0])
    for counts in ([], [1, 2], [0, 2, 2], [0, 1001]):
        with pytest.raises(ValueError, match="ascend from 0"):
            curve(counts, [[1.0]] * len(counts))


def test_nothing_gained_is_one_and_all_at_once_is_the_least() -> None:
    assert area(curve([0, 1, 100], [[2.0, 3.0]] * 3), 100).value == pytest.approx(1.0)
    at_once = area(curve([0, 1, 100], [[2.0], [0.0], [0.0]]), 100)
    assert at_once.value == pytest.approx(0.5 / np.log2(101))


def test_a_line_in_the_logarithm_has_half_the_area() -> None:
    n = [0, 1, 3, 7, 15]
    line = [[4.0 - each, 8.0 - 2 * each] for each in range(5)]
    found = area(curve(n, line), 15)
    assert found.value == pytest.approx(0.5)
    assert found.numerator == pytest.approx([2.0, 4.0])
    assert found.denominator == pytest.approx([4.0, 8.0])


def test_the_end_is_at_the_width() -> None:
    """A point beyond d_model counts only by interpolation; a curve that ends earlier stays at its last value."""
    beyond = area(curve([0, 3, 15], [[1.0], [1.0], [0.0]]), 7)
    assert beyond.value == pytest.approx((2 * 1.0 + 1 * 0.75) / 3)
    short = area(curve([0, 1], [[1.0], [0.5]]), 7)
    assert short.value == pytest.approx((0.75 + 2 * 0.5) / 3)


@given(st.sets(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 64), st.integers(0, 1000))
def test_area_equals_a_fine_sum(counts: set[int], d_model: int, seed: int) -> None:
    n = [0, *sorted(counts)]
    kl = np.random.default_rng(seed).uniform(0.1, 2, (len(n), 3))
    steps = 20000
    u = (np.arange(steps) + 0.5) / steps
    at = np.log2(1 + np.array(n)) / np.log2(1 + d_model)
    expected = [np.interp(u, at, column).mean() for column in kl.T]
    assert np.allclose(area(curve(n, kl.tolist()), d_model).numerator, expected, rtol=0, atol=1e-4)


def test_counts_hold_the_width_and_the_number_of_latents() -> None:
    assert patch_counts(20, 10).tolist() == [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20]
    assert patch_counts(5, 10).tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="width of at least 1"):
        area(curve([0], [[1.0]]), 0)
