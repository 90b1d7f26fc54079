"""LEACE and affine projections.

Oracle: the authors' library (concept-erasure), run without its shrinkage and its bound of the trace; the theorem's own
properties: no covariance with the concept and no linear classifier is left, twice is once, affine maps commute with it.
"""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from monosemy.causal import AffineEdit, ConceptMoments, affine_projection, concept_moments, leace, projected_out
from monosemy.core import UserError

D, N = 12, 600


def sample(seed: int, *, n_columns: int = 1, d: int = D, rank: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Correlated activations of a rank and labels of 0 and 1 that depend on them."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, rank or d, generator=generator, dtype=torch.float64)
    x = torch.randn(N, rank or d, generator=generator, dtype=torch.float64) @ mix.T + 3.0
    score = x @ torch.randn(d, n_columns, generator=generator, dtype=torch.float64)
    noise = torch.randn(N, n_columns, generator=generator, dtype=torch.float64)
    return x, (score - score.median(dim=0).values + noise > 0).double()


def fitted(x: torch.Tensor, z: torch.Tensor) -> AffineEdit:
    return leace(concept_moments(x, z))


def cross_covariance(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(dim=0)).T @ (z - z.mean(dim=0)) / len(x)


@pytest.mark.parametrize("n_columns", [1, 3])
@pytest.mark.parametrize("rank", [None, 7])
def test_the_edit_is_that_of_the_authors_library(n_columns: int, rank: int | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the library decorates with torch.jit.script
        from concept_erasure import LeaceFitter
    x, z = sample(1, n_columns=n_columns, rank=rank)
    fitter = LeaceFitter(D, n_columns, dtype=torch.float64, shrinkage=False, constrain_cov_trace=False, svd_tol=1e-9)
    theirs = fitter.update(x, z).eraser(x)
    assert (fitted(x, z)(x) - theirs).abs().max() < 1e-8


@pytest.mark.parametrize("n_columns", [1, 4])
@pytest.mark.parametrize("rank", [None, 7])
def test_no_covariance_with_the_concept_is_left(n_columns: int, rank: int | None) -> None:
    x, z = sample(2, n_columns=n_columns, rank=rank)
    assert cross_covariance(x, z).abs().max() > 0.1
    assert cross_covariance(fitted(x, z)(x), z).abs().max() < 1e-8


def test_no_linear_classifier_is_better_than_the_constant_on_the_rows_it_was_fitted_on() -> None:
    x, z = sample(3)
    edited = fitted(x, z)(x).numpy()
    labels = z[:, 0].numpy()
    before = LogisticRegression(max_iter=2000).fit(x.numpy(), labels)
    assert before.score(x.numpy(), labels) > 0.9
    after = LogisticRegression(max_iter=2000, C=1e6).fit(edited, labels)
    share = labels.mean()
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    p = after.predict_proba(edited)[np.arange(N), labels.astype(int)]
    # The constant's loss is the least that a linear classifier can reach (theorem 3.1 of the paper).
    assert entropy - 1e-6 < -np.log(p).mean() < entropy + 1e-4


def test_twice_is_once() -> None:
    x, z = sample(4)
    edit = fitted(x, z)
    assert (edit(edit(x)) - edit(x)).abs().max() < 1e-9


@given(seed=st.integers(0, 1000))
def test_an_affine_map_before_is_the_map_after(seed: int) -> None:
    x, z = sample(5)
    generator = torch.Generator().manual_seed(seed)
    q, p = (torch.linalg.qr(torch.randn(D, D, generator=generator, dtype=torch.float64)).Q for _ in range(2))
    a = q @ torch.diag(torch.linspace(0.3, 3, D, dtype=torch.float64)) @ p  # nothing becomes too small to be seen
    b = torch.randn(D, generator=generator, dtype=torch.float64)
    # What is erased (the read directions) follows the map: no covariance is left, and the same rank goes.
    mapped = x @ a.T + b
    edit = fitted(mapped, z)
    assert edit.rank == 1
    assert cross_covariance(edit(mapped), z).abs().max() < 1e-8
    # The edit before, between the map and its inverse.
    once = fitted(x, z)
    read = torch.linalg.solve(a.T, once.read.T).T
    write = once.write @ a.T
    expected = mapped - ((mapped - mapped.mean(dim=0)) @ read.T) @ write
    assert (edit(mapped) - expected).abs().max() < 1e-6 * mapped.abs().max()


def test_where_the_activations_are_white_it_is_the_projection_off_the_mean_difference() -> None:
    generator = torch.Generator().manual_seed(6)
    raw = torch.randn(N, D, generator=generator, dtype=torch.float64)
    raw = raw - raw.mean(dim=0)
    values, vectors = torch.linalg.eigh(raw.T @ raw / N)
    x = raw @ (vectors * values.rsqrt()) @ vectors.T
    z = (x[:, :1] + 0.5 * torch.randn(N, 1, generator=generator, dtype=torch.float64) > 0).double()
    difference = x[z[:, 0] == 1].mean(dim=0) - x[z[:, 0] == 0].mean(dim=0)
    assert (fitted(x, z)(x) - affine_projection(difference[None], x.mean(dim=0))(x)).abs().max() < 1e-9


@given(cuts=st.lists(st.integers(0, N), max_size=5))
def test_moments_do_not_depend_on_how_rows_come(cuts: list[int]) -> None:
    x, z = sample(7, n_columns=2)
    x = x + 1e4
    moments = ConceptMoments(D, 2)
    edges = [0, *sorted(cuts), N]
    for start, stop in pairwise(edges):
        moments.update(x[start:stop], z[start:stop])
    whole = np.cov(x.numpy().T, z.numpy().T, bias=True)
    assert np.abs(moments.covariance.numpy() - whole[:D, :D]).max() < 1e-7
    assert np.abs(moments.cross_covariance.numpy() - whole[:D, D:]).max() < 1e-7
    assert np.allclose(moments.spread.numpy(), z.numpy().std(axis=0))


def test_what_is_nowhere_changes_nothing() -> None:
    x = torch.tensor([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0], [1.0, 3.0]], dtype=torch.float64)
    z = torch.tensor([[0.0], [0.0], [1.0], [1.0]], dtype=torch.float64)
    edit = fitted(x, z)
    assert edit.rank == 0
    assert edit(x) is x


def test_a_concept_that_does_not_vary_is_refused() -> None:
    with pytest.raises(UserError, match="rows of both kinds"):
        fitted(torch.randn(5, 3), torch.ones(5, 1))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_an_affine_projection_through_the_origin_is_projected_out(n: int) -> None:
    generator = torch.Generator().manual_seed(8)
    directions = torch.randn(n, D, generator=generator, dtype=torch.float64)
    x = torch.randn(2, 5, D, generator=generator, dtype=torch.float64)
    edit = affine_projection(directions, torch.zeros(D))
    assert (edit(x) - projected_out(directions)(x)).abs().max() < 1e-12
    assert edit.rank == n


def test_an_affine_projection_keeps_the_mean_and_takes_what_varies() -> None:
    x, _ = sample(9)
    direction = torch.zeros(1, D, dtype=torch.float64)
    direction[0, 2] = 5.0
    edited = affine_projection(torch.cat([direction, 2 * direction]), x.mean(dim=0))(x)
    assert torch.allclose(edited.mean(dim=0), x.mean(dim=0))
    assert (edited[:, 2] - x[:, 2].mean()).abs().max() < 1e-12
    kept = [i for i in range(D) if i != 2]
    assert torch.equal(edited[:, kept], x[:, kept])
