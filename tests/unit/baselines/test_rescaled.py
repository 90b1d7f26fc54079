"""Oracles: numpy's least squares; a dictionary whose decoder was planted too large."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from monosemy.baselines import fit_pca, fit_random, rescaled, top_k_form
from monosemy.core import UserError
from tests.unit.baselines.planted import batches_of, fvu, generator, skewed

X = skewed(n=800)


def test_a_planted_scale_is_undone() -> None:
    right = fit_pca(batches_of(X), 6, generator())
    found = rescaled(replace(right, W_dec=7 * right.W_dec, b_dec=right.b_dec - 100), batches_of(X))
    torch.testing.assert_close(found.W_dec, right.W_dec, rtol=1e-4, atol=1e-5)
    assert fvu(X, found.reconstruct(X)) < 1e-8


@pytest.mark.parametrize("k", [1, 4, 20])
def test_scale_and_offset_are_least_squares(k: int) -> None:
    sparse = top_k_form(fit_random(batches_of(X), 40, generator()), k)
    found = rescaled(sparse, batches_of(X))
    u = (sparse.encode(X).double() @ sparse.W_dec.double()).numpy()
    design = np.concatenate([u.reshape(-1, 1), np.tile(np.eye(6), (len(X), 1))], axis=1)  # one scale, six offsets
    best, residual, *_ = np.linalg.lstsq(design, X.double().numpy().reshape(-1), rcond=None)
    np.testing.assert_allclose(found.b_dec.numpy(), best[1:], rtol=1e-3, atol=1e-3)
    spread = (X.double() - X.double().mean(dim=0)).square().sum()
    assert fvu(X, found.reconstruct(X)) == pytest.approx(float(residual[0] / spread), rel=1e-3)
    assert torch.equal(found.encode(X), sparse.encode(X))


def test_few_of_many_random_responses_need_another_scale_than_all() -> None:
    sparse = top_k_form(fit_random(batches_of(X), 60, generator()), 4)  # of 60 in 6 dimensions
    before, after = fvu(X, sparse.reconstruct(X)), fvu(X, rescaled(sparse, batches_of(X)).reconstruct(X))
    assert before > 0.5
    assert after < 0.5 * before


def test_a_dictionary_without_a_live_latent_has_no_scale() -> None:
    pca = fit_pca(batches_of(X), 6, generator())
    with pytest.raises(UserError, match="reconstructs every activation alike"):
        rescaled(replace(pca, W_dec=torch.zeros(6, 6)), batches_of(X))
