"""Baselines by their names. Oracles: their definitions, evaluated by numpy on the rows that may be read."""

import numpy as np
import pytest
import torch

from monosemy.activations import ActivationStore
from monosemy.dictionaries import AbsTopK, Identity, ReLU
from monosemy.experiments import BaselineConfig, TopKFormConfig, baseline_kinds
from monosemy.experiments.baseline_kinds import DenseMethod, fit_baseline, fit_top_k_form
from tests.unit.baselines.planted import fvu
from tests.unit.experiments.stores_of_experiments import SITE, random_store

N_ROWS, D = 300, 6


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ActivationStore:
    return ActivationStore.open(random_store(tmp_path_factory.mktemp("store") / "s", D).path)


def config(method: DenseMethod, *, n_latents: int = D, n_rows: int = N_ROWS, seed: int = 0) -> BaselineConfig:
    return BaselineConfig(
        name=f"{method}-seed{seed}", method=method, site=SITE, n_latents=n_latents, n_rows=n_rows, seed=seed
    )


def rows(store: ActivationStore, n: int | None = None) -> torch.Tensor:
    return torch.cat([chunk.x[SITE] for chunk in store.chunks([SITE])])[:n]


EXACT: dict[DenseMethod, int] = {"neurons": D, "pca": D, "ica": D, "random": 3 * D, "pca_nonneg": 2 * D}


@pytest.mark.parametrize("method", EXACT)
def test_the_invertible_ones_reconstruct_every_row(store: ActivationStore, method: DenseMethod) -> None:
    fitted = fit_baseline(config(method, n_latents=EXACT[method]), store)
    assert fitted.dictionary.n_latents == EXACT[method]
    assert fvu(rows(store), fitted.dictionary.reconstruct(rows(store))) < 1e-9


@pytest.mark.parametrize("method", ["neurons_relu", "random_relu"])
def test_the_rectified_ones_are_never_negative_and_lose_something(store: ActivationStore, method: DenseMethod) -> None:
    found = fit_baseline(config(method), store).dictionary
    x = rows(store)
    assert isinstance(found.sparsifier, ReLU)
    assert (found.encode(x) >= 0).all()
    assert 0.01 < fvu(x, found.reconstruct(x)) < 1
    if method == "neurons_relu":
        assert torch.equal(found.encode(x), x.clamp(min=0))


def test_only_the_first_rows_are_read(store: ActivationStore) -> None:
    some = fit_baseline(config("pca"), store)
    torch.testing.assert_close(some.dictionary.b_dec, rows(store, N_ROWS).mean(dim=0))
    assert not torch.allclose(some.dictionary.b_dec, rows(store).mean(dim=0))
    assert some.n_rows == N_ROWS < store.n_rows
    assert fit_baseline(config("neurons", n_rows=10**6), store).n_rows == store.n_rows


def test_pca_has_the_eigenvectors_by_falling_variance(store: ActivationStore) -> None:
    values, vectors = np.linalg.eigh(np.cov(rows(store, N_ROWS).double().numpy().T))
    found = fit_baseline(config("pca"), store).dictionary.W_enc.double().numpy()
    np.testing.assert_allclose(np.abs((found * vectors.T[::-1]).sum(axis=1)), 1, atol=1e-5)
    assert (np.diff(values) > 0).all()  # so that the comparison above means something


def test_directions_are_drawn_from_the_seed_and_the_method(store: ActivationStore) -> None:
    wanted: list[tuple[DenseMethod, int]] = [("random", 0), ("random", 0), ("random", 1), ("random_relu", 0)]
    drawn = [fit_baseline(config(method, seed=seed), store).dictionary.W_enc for method, seed in wanted]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], drawn[3])
    torch.testing.assert_close(drawn[0].norm(dim=1), torch.ones(D))


def test_ica_says_whether_it_converged(store: ActivationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fit_baseline(config("pca"), store).facts == {}
    monkeypatch.setattr(baseline_kinds, "ICA_ITERATIONS", 1)
    assert fit_baseline(config("ica"), store).facts == {"n_rows": N_ROWS, "n_iterations": 1, "converged": False}


def test_a_top_k_form_of_an_inverse_keeps_its_weights(store: ActivationStore) -> None:
    base = fit_baseline(config("neurons"), store).dictionary
    form = TopKFormConfig(name="neurons_topk-k2-seed0", method="neurons_topk", k=2, n_rows=N_ROWS)
    found = fit_top_k_form(form, base, SITE, store)
    assert found.dictionary.sparsifier == AbsTopK(2) and base.sparsifier == Identity()
    assert torch.equal(found.dictionary.W_dec, base.W_dec)
    x = rows(store)
    z = found.dictionary.encode(x)
    kept = x.abs().argsort(dim=1, descending=True)[:, :2]
    assert torch.equal(z, torch.zeros_like(x).scatter(1, kept, x.gather(1, kept)))
    assert (found.n_rows, found.facts) == (N_ROWS, {})


def test_random_directions_get_another_scale_of_their_decoder_and_nothing_else(store: ActivationStore) -> None:
    base = fit_baseline(config("random", n_latents=4 * D), store).dictionary
    form = TopKFormConfig(name="random_topk-k3-seed0", method="random_topk", k=3, n_rows=N_ROWS)
    found = fit_top_k_form(form, base, SITE, store).dictionary
    assert torch.equal(found.W_enc, base.W_enc)
    scale = float(found.W_dec[0, 0] / base.W_dec[0, 0])
    torch.testing.assert_close(found.W_dec, scale * base.W_dec)
    x = rows(store, N_ROWS)
    u = (found.encode(x) @ base.W_dec).double().numpy()
    centered_x, centered_u = x.double().numpy() - x.double().numpy().mean(axis=0), u - u.mean(axis=0)
    assert scale == pytest.approx((centered_x * centered_u).sum() / (centered_u**2).sum(), rel=1e-4)
    assert abs(scale - 1) > 0.1
