"""Oracles: sklearn's PCA; planted axes; brute force over all choices of k components."""

from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from monosemy.baselines import fit_pca, fit_pca_nonneg, top_k_form
from monosemy.core import UserError
from tests.unit.baselines.planted import batches_of, fvu, generator, skewed

X = skewed(n=800)


@pytest.mark.parametrize("n_latents", [1, 2, 6])
def test_components_are_those_of_sklearn(n_latents: int) -> None:
    found, oracle = fit_pca(batches_of(X), n_latents, generator()), PCA(n_latents).fit(X.double().numpy())
    cosines = np.abs((found.W_dec.double().numpy() * oracle.components_).sum(axis=1))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-6)
    reconstruction = oracle.inverse_transform(oracle.transform(X.double().numpy()))
    np.testing.assert_allclose(found.reconstruct(X).numpy(), reconstruction, rtol=1e-4, atol=1e-3)


def test_all_components_are_orthonormal_and_exact() -> None:
    found = fit_pca(batches_of(X), 6, generator())
    torch.testing.assert_close(found.W_enc @ found.W_enc.T, torch.eye(6))
    assert fvu(X, found.reconstruct(X)) < 1e-9


def test_the_unexplained_variance_is_that_of_the_components_left_out() -> None:
    values = np.linalg.eigvalsh(np.cov(X.double().numpy().T, ddof=0))[::-1]
    for n_latents in range(1, 6):
        found = fit_pca(batches_of(X), n_latents, generator())
        assert fvu(X, found.reconstruct(X)) == pytest.approx(values[n_latents:].sum() / values.sum(), rel=1e-4)


def test_planted_axes_are_found_however_far_from_zero_the_data_lie() -> None:
    """The original's uncentered components point at the mean: two of them leave an FVU above 1 (paper.md 8.1)."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    x64 = rng.normal(size=(2000, 5)) * [5, 3, 1, 0.5, 0.1] @ axes + 50.0
    x = torch.from_numpy(x64.astype(np.float32))
    found = fit_pca(batches_of(x), 2, generator())
    cosines = np.abs((found.W_dec.numpy() * axes[:2]).sum(axis=1))
    assert (cosines > 0.99).all()
    centered = fvu(x, found.reconstruct(x))
    uncentered = np.linalg.svd(x64, full_matrices=False)[2][:2]
    assert centered < 0.05
    assert fvu(x, torch.from_numpy((x64 - x64.mean(axis=0)) @ uncentered.T @ uncentered)) > 1.0


def test_the_largest_entry_of_a_component_is_positive() -> None:
    for row in fit_pca(batches_of(X), 6, generator()).W_dec:
        assert row[row.abs().argmax()] > 0


def test_both_signs_with_relu_are_the_signed_components() -> None:
    signed, nonneg = fit_pca(batches_of(X), 4, generator()), fit_pca_nonneg(batches_of(X), 8, generator())
    z = nonneg.encode(X)
    assert (z >= 0).all()
    torch.testing.assert_close(z[:, :4] - z[:, 4:], signed.encode(X))
    assert not ((z[:, :4] > 0) & (z[:, 4:] > 0)).any()
    torch.testing.assert_close(nonneg.reconstruct(X), signed.reconstruct(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_k_largest_coefficients_are_the_best_k_components_of_each_token(k: int) -> None:
    pca = fit_pca(batches_of(X), 6, generator())
    x = X[:40]
    z = pca.encode(x)

    def error(chosen: tuple[int, ...]) -> torch.Tensor:
        only = torch.zeros_like(z)
        only[:, chosen] = z[:, chosen]
        return (x - pca.decode(only)).square().sum(dim=1)

    best = torch.stack([error(chosen) for chosen in combinations(range(6), k)]).min(dim=0).values
    found = (x - top_k_form(pca, k).reconstruct(x)).square().sum(dim=1)
    torch.testing.assert_close(found, best)
    nonneg = top_k_form(fit_pca_nonneg(batches_of(X), 12, generator()), k)
    torch.testing.assert_close(nonneg.reconstruct(x), top_k_form(pca, k).reconstruct(x), rtol=1e-4, atol=1e-4)


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="PCA cannot have 7 latents; allowed here: 1 to 6, a site has as many"):
        fit_pca(batches_of(X), 7, generator())
    for n_latents in (7, 14, 0):
        with pytest.raises(UserError, match=f"cannot have {n_latents} latents; allowed here: 2 to 12 in steps of 2"):
            fit_pca_nonneg(batches_of(X), n_latents, generator())
