"""Oracles: cosines by hand; brute force over all assignments; the closed form of random directions in the plane."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import UserError
from monosemy.evaluation import matched_cosine, mcs, mmcs, random_null

# Two directions of A lie near the same one of B.
A = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, -2.0]])
B = torch.tensor([[5.0, 0.0], [0.0, 1.0]])


def directions(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


def test_greedy_agreement_by_hand() -> None:
    np.testing.assert_allclose(mcs(A, B), [1.0, 0.8, 0.0], atol=1e-7)
    assert mmcs(A, B) == pytest.approx(0.6)
    np.testing.assert_allclose(mcs(B, A), [1.0, 0.8], atol=1e-7)
    assert mmcs(B, A) == pytest.approx(0.9)  # not symmetric


def test_matched_agreement_by_hand() -> None:
    assert matched_cosine(A, B) == pytest.approx(0.9)  # (1, 0) with (5, 0), (3, 4) with (0, 1)
    assert matched_cosine(B, A) == pytest.approx(0.9)
    both_near_one = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert mmcs(both_near_one, B) == pytest.approx(1.0)
    assert matched_cosine(both_near_one, B) == pytest.approx(0.5)  # one of them has to take the other direction


@given(seed=st.integers(0, 1000), n_a=st.integers(1, 4), n_b=st.integers(1, 4))
def test_the_matching_is_the_best_of_all(seed: int, n_a: int, n_b: int) -> None:
    a, b = directions(n_a, 3, seed), directions(n_b, 3, seed + 5000)
    cosines = torch.nn.functional.cosine_similarity(a[:, None].double(), b[None].double(), dim=2).numpy()
    if n_a > n_b:
        cosines = cosines.T
    few, many = cosines.shape
    best = max(np.mean([cosines[i, j] for i, j in enumerate(order)]) for order in permutations(range(many), few))
    assert matched_cosine(a, b) == pytest.approx(best, abs=1e-9)
    assert matched_cosine(a, b) == pytest.approx(matched_cosine(b, a), abs=1e-12)
    np.testing.assert_allclose(mcs(a, b), (cosines if n_a <= n_b else cosines.T).max(axis=1), atol=1e-9)
    assert matched_cosine(a, b) <= (mmcs(a, b) if n_a <= n_b else mmcs(b, a)) + 1e-12


@given(seed=st.integers(0, 1000))
def test_order_length_and_rotation_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = directions(6, 4, seed), directions(6, 4, seed + 5000)
    rotation = torch.from_numpy(np.linalg.qr(rng.normal(size=(4, 4)))[0].astype(np.float32))
    lengths = torch.from_numpy(rng.uniform(0.1, 10, size=(6, 1)).astype(np.float32))
    changed = ((a * lengths)[torch.from_numpy(rng.permutation(6))] @ rotation, b @ rotation)
    assert mmcs(*changed) == pytest.approx(mmcs(a, b), abs=1e-5)
    assert matched_cosine(*changed) == pytest.approx(matched_cosine(a, b), abs=1e-5)
    assert matched_cosine(a, a) == pytest.approx(1.0)


def test_many_rows_are_compared_in_blocks() -> None:
    a, b = directions(2500, 3, 0), directions(7, 3, 1)
    unit = [x.double() / x.double().norm(dim=1, keepdim=True) for x in (a, b)]
    np.testing.assert_allclose(mcs(a, b), (unit[0] @ unit[1].T).max(dim=1).values.numpy(), atol=1e-12)


def test_rows_of_norm_zero_are_left_out() -> None:
    nothing = torch.zeros(2, 2)
    assert mcs(torch.cat([nothing, A]), torch.cat([B, nothing])).tolist() == mcs(A, B).tolist()
    assert matched_cosine(torch.cat([nothing, A]), B) == matched_cosine(A, B)


def test_random_directions_in_the_plane_have_the_agreement_of_the_closed_form() -> None:
    """Of n angles drawn uniformly, the least distance T to a given one has P(T > t) = (1 - t / pi)^n: E cos T below."""
    n = 3
    angle = np.linspace(0, np.pi, 200_001)
    density = n / np.pi * (1 - angle / np.pi) ** (n - 1)
    expected = np.trapezoid(np.cos(angle) * density, angle)
    null = random_null(50, n, 2, seed=0, repeats=400)
    assert null.mmcs == pytest.approx(expected, abs=4 * null.mmcs_sd / 400**0.5)
    assert null.mmcs_sd > 0


def test_one_random_pair_agrees_on_nothing() -> None:
    null = random_null(1, 1, 5, seed=1, repeats=500)
    assert null.mmcs == null.matched_cosine
    assert abs(null.mmcs) < 4 * null.mmcs_sd / 500**0.5
    assert null.mmcs_sd == pytest.approx(1 / 5**0.5, rel=0.1)  # a coordinate of a unit vector has variance 1 / d


def test_chance_agreement_is_far_from_zero_in_few_dimensions_and_named_by_its_seed() -> None:
    few, many = random_null(64, 64, 4, seed=0, repeats=3), random_null(64, 64, 256, seed=0, repeats=3)
    assert few.mmcs > 0.85 > 0.25 > many.mmcs
    assert few.matched_cosine < few.mmcs
    assert random_null(64, 64, 4, seed=0, repeats=3) == few
    assert random_null(64, 64, 4, seed=1, repeats=3) != few
    assert np.isnan(random_null(3, 3, 4, seed=0, repeats=1).mmcs_sd)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A, torch.ones(2, 3), "directions of 2 and of 3 dimensions have no cosine"),
        (torch.zeros(3, 2), B, "no direction of norm above 0"),
        (A, torch.tensor([[float("nan"), 1.0]]), "a direction holds a NaN"),
    ],
)
def test_what_cannot_be_compared_is_refused(a: torch.Tensor, b: torch.Tensor, message: str) -> None:
    for measure in (mcs, mmcs, matched_cosine):
        with pytest.raises(UserError, match=message):
            measure(a, b)


def test_a_null_needs_directions() -> None:
    with pytest.raises(UserError, match="a null of 0 and 3 directions in 4 dimensions, 10 times"):
        random_null(0, 3, 4, seed=0)
