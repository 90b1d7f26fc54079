"""Oracles: planted independent sources, mixed; exact inverses; sklearn's own answer to a fit that does not converge."""

import warnings

import numpy as np
import pytest
import torch

from monosemy.baselines import fit_ica, top_k_form
from monosemy.core import UserError
from tests.unit.baselines.planted import batches_of, fvu, generator, skewed

D, N = 5, 8000


def planted(seed: int = 0) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """x = s A + offset with heavy-tailed independent s of unit variance: x, s, A."""
    rng = np.random.default_rng(seed)
    s = rng.laplace(size=(N, D)) / 2**0.5
    mixing = rng.normal(size=(D, D)) + 2 * np.eye(D)
    return torch.from_numpy((s @ mixing + 20.0).astype(np.float32)), s, mixing


X, SOURCES, MIXING = planted()
FIT = fit_ica(batches_of(X, 1000), D, generator())


def test_planted_sources_are_found() -> None:
    z = FIT.dictionary.encode(X).double().numpy()
    correlations = np.abs(np.corrcoef(z.T, SOURCES.T)[:D, D:])
    assert FIT.converged
    assert sorted(correlations.argmax(axis=1)) == list(range(D))
    assert correlations.max(axis=1).min() > 0.995
    np.testing.assert_allclose(z.var(axis=0), 1.0, rtol=1e-3)
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-3)


def test_decoder_rows_are_the_planted_mixing_directions_and_not_the_unmixing_rows() -> None:
    """The original decodes with unmixing rows (paper.md 8.1): on the planted data those are other directions."""

    def best_cosines(rows: np.ndarray) -> np.ndarray:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        truth = MIXING / np.linalg.norm(MIXING, axis=1, keepdims=True)
        return np.abs(unit @ truth.T).max(axis=1)

    assert best_cosines(FIT.dictionary.W_dec.numpy()).min() > 0.995
    assert best_cosines(FIT.dictionary.W_enc.numpy()).min() < 0.95
    unmixing = FIT.dictionary.W_enc / FIT.dictionary.W_enc.norm(dim=1, keepdim=True)
    assert fvu(X, FIT.dictionary.encode(X) @ unmixing + FIT.dictionary.b_dec) > 0.2


def test_decoding_inverts_encoding() -> None:
    assert fvu(X, FIT.dictionary.reconstruct(X)) < 1e-9
    product = FIT.dictionary.W_enc.double().T @ FIT.dictionary.W_dec.double()
    torch.testing.assert_close(product, torch.eye(D, dtype=torch.float64), rtol=0, atol=1e-6)


def test_latents_stand_by_explained_variance_and_have_a_sign() -> None:
    norms = FIT.dictionary.W_dec.norm(dim=1)
    assert (norms[:-1] >= norms[1:]).all()
    for row in FIT.dictionary.W_dec:
        assert row[row.abs().argmax()] > 0


def test_fewer_components_live_in_the_first_principal_ones() -> None:
    fit = fit_ica(batches_of(X), 3, generator())
    centered = X.double().numpy() - X.double().numpy().mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=False)[2][:3]
    expected = centered @ axes.T @ axes + X.double().numpy().mean(axis=0)
    np.testing.assert_allclose(fit.dictionary.reconstruct(X).numpy(), expected, atol=1e-3)


def test_only_the_first_rows_are_used() -> None:
    spoiled = X.clone()
    spoiled[4000:] *= 100
    fit = fit_ica(batches_of(spoiled, 300), D, generator(), max_rows=4000)
    assert fit.n_rows == 4000
    assert torch.equal(fit.dictionary.W_enc, fit_ica(batches_of(X[:4000], 111), D, generator()).dictionary.W_enc)


def test_a_fit_that_does_not_converge_says_so_and_still_inverts() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the fact is returned, no warning is left to be overlooked
        fit = fit_ica(batches_of(X), D, generator(), max_iterations=2)
    assert not fit.converged
    assert fit.n_iterations == 2
    assert fvu(X, fit.dictionary.reconstruct(X)) < 1e-9
    assert FIT.converged
    assert 2 < FIT.n_iterations < 200
    rough = fit_ica(batches_of(X, 1000), D, generator(), tolerance=0.05)
    assert rough.converged
    assert rough.n_iterations < FIT.n_iterations


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    np.random.seed(1)
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    again = fit_ica(batches_of(X, 1000), D, generator())
    assert (np.random.get_state(legacy=False)["state"]["key"] == before).all()
    assert torch.equal(again.dictionary.W_enc, FIT.dictionary.W_enc)


def test_the_top_k_form_ranks_sources_of_unit_variance() -> None:
    z, kept = FIT.dictionary.encode(X), top_k_form(FIT.dictionary, 2).encode(X)
    assert ((kept != 0).sum(dim=1) == 2).all()
    assert (kept.abs().sum(dim=1) == z.abs().sort(dim=1).values[:, -2:].sum(dim=1)).all()


def test_activations_in_too_few_dimensions_are_refused() -> None:
    flat = skewed(n=500, offset=0).double()
    flat[:, 5] = flat[:, 0] - 2 * flat[:, 1]
    with pytest.raises(UserError, match="vary in 5 of 6 dimensions only, too few for 6 independent components"):
        fit_ica(batches_of(flat), 6, generator())
    assert fvu(flat, fit_ica(batches_of(flat), 5, generator()).dictionary.reconstruct(flat)) < 1e-8


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="ICA cannot have 6 latents; allowed here: 1 to 5"):
        fit_ica(batches_of(X), 6, generator())
