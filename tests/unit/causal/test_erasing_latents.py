"""The choice of latents to take out.

Oracle: the closed forms against regressions of edited rows, one latent at a time, in float64; a planted concept that
one latent's direction carries, where the outcome has to be LEACE's.
"""

import numpy as np
import pytest
import torch

from monosemy.causal import (
    WAYS,
    ConceptRows,
    Way,
    choose_latents,
    concept_moments,
    latent_edit,
    leace,
    split_rows,
)
from monosemy.causal.erasing_latents import _ablation_residuals, _projection_residuals
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, Identity, ReLU, TopK

D, N_LATENTS, N = 8, 12, 2000
PLANTED = 5


def dictionary(*, k: int | None = 4) -> Dictionary:
    generator = torch.Generator().manual_seed(0)
    w = torch.nn.functional.normalize(torch.randn(N_LATENTS, D, generator=generator, dtype=torch.float64), dim=1)
    sparsifier = TopK(k) if k else ReLU()
    zeros = torch.zeros(N_LATENTS, dtype=torch.float64)
    return Dictionary(W_enc=w, b_enc=zeros, W_dec=w, b_dec=zeros[:D], sparsifier=sparsifier)


def rows(seed: int, *, n: int = N) -> ConceptRows:
    """The concept moves x along the planted latent's direction, on top of noise that is white."""
    generator = torch.Generator().manual_seed(seed)
    holds = np.arange(n) % 2 == 0
    x = torch.randn(n, D, generator=generator, dtype=torch.float64)
    x += 2.0 * torch.from_numpy(holds)[:, None].double() * dictionary().W_dec[PLANTED]
    return ConceptRows(x=x, holds=holds, unit=np.zeros(n, dtype=np.int64), units=("u",))


def explained_after(way: Way, of: Dictionary, fit: ConceptRows, latents: list[int]) -> float:
    """Explained sum of squares of the regression of the concept on the edited rows, by numpy's least squares."""
    edited = latent_edit(of, latents, way, fit.mean)(fit.x[None])[0].numpy()
    y = fit.holds - fit.holds.mean()
    centered = edited - edited.mean(axis=0)
    return float(np.mean((centered @ np.linalg.lstsq(centered, y, rcond=1e-9)[0]) ** 2))


@pytest.mark.parametrize("chosen", [[], [PLANTED], [2, 7]], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_the_closed_form_is_the_regression_after_each_edit(way: Way, chosen: list[int]) -> None:
    of, fit = dictionary(), rows(1)
    residuals = _projection_residuals if way == "projection" else _ablation_residuals
    found = residuals(of, fit, of.encode(fit.x), chosen)
    for latent in range(N_LATENTS):
        if latent not in chosen:
            expected = explained_after(way, of, fit, [*chosen, latent])
            assert float(found[latent]) == pytest.approx(expected, abs=2e-5), latent


@pytest.mark.parametrize("way", WAYS)
def test_the_latent_that_carries_the_concept_is_taken_out_first(way: Way) -> None:
    choice = choose_latents(dictionary(k=None), way, rows(1), rows(2), n_latents=3, n_candidates=4)
    assert choice.latents[0] == PLANTED
    assert len(set(choice.latents)) == 3
    assert choice.accuracy[0] < (0.55 if way == "projection" else 0.75)


def test_erasing_the_true_feature_is_leace_where_the_activations_are_white() -> None:
    of, fit = dictionary(), rows(3, n=200_000)
    # White within the kinds: the mean difference is the only direction in which they differ, and the planted one.
    erased = leace(concept_moments(fit.x, torch.from_numpy(fit.holds)[:, None].double()))
    assert float((erased.write[0] / erased.write[0].norm() @ of.W_dec[PLANTED]).abs()) > 0.999
    some = fit.x[:50]
    exact = fit.x - fit.x @ of.W_dec[PLANTED][:, None] * of.W_dec[PLANTED]
    assert (exact @ of.W_dec[PLANTED]).abs().max() < 1e-12
    # Exactly white and exactly along the direction: the edits are one and the same.
    white = whitened_along(fit, of.W_dec[PLANTED])
    edit = leace(concept_moments(white, torch.from_numpy(fit.holds)[:, None].double()))
    other = latent_edit(of, [PLANTED], "projection", white.mean(dim=0))
    assert (edit(white[:50]) - other(white[None, :50])[0]).abs().max() < 1e-5
    assert some.shape == (50, D)


def whitened_along(fit: ConceptRows, direction: torch.Tensor) -> torch.Tensor:
    """Rows whose covariance is the identity and whose means differ along `direction` alone, both exactly."""
    x, holds = fit.x.clone(), torch.from_numpy(fit.holds)
    for kind in (holds, ~holds):
        x[kind] -= x[kind].mean(dim=0)
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    x = x @ (vectors * values.rsqrt()) @ vectors.T
    x += 2.0 * holds[:, None].double() * direction
    along = x @ direction
    along = (along - along.mean()) / along.std(unbiased=False)
    return x - (x @ direction)[:, None] * direction + along[:, None] * direction


def test_the_two_parts_have_no_row_in_common_and_as_many_of_each_kind() -> None:
    whole = rows(8, n=100)
    first, other = split_rows(whole, 20, 0)
    assert (first.holds.sum(), (~first.holds).sum(), other.holds.sum(), (~other.holds).sum()) == (20, 20, 30, 30)
    together = torch.cat([first.x, other.x])
    assert torch.equal(together.sort(dim=0).values, whole.x.sort(dim=0).values)
    assert torch.equal(split_rows(whole, 20, 0)[0].x, first.x)


@pytest.mark.parametrize("way", WAYS)
def test_edits_are_those_of_a_loop_over_rows(way: Way) -> None:
    of, fit = dictionary(), rows(4, n=30)
    latents = [1, 4, 6]
    edited = latent_edit(of, latents, way, fit.mean)(fit.x[None])[0]
    basis = np.linalg.qr(of.W_dec[latents].numpy().T)[0]
    for row, after in zip(fit.x, edited, strict=True):
        if way == "projection":
            away = (row - fit.mean).numpy()
            expected = row.numpy() - basis @ (basis.T @ away)
        else:
            z = of.encode(row[None])[0]
            expected = row.numpy() - sum(float(z[j]) * of.W_dec[j].numpy() for j in latents)
        assert np.abs(after.numpy() - expected).max() < 1e-10


def test_too_few_latents_that_fire_are_refused() -> None:
    of = dictionary()
    silent = Dictionary(
        W_enc=of.W_enc, b_enc=torch.full((N_LATENTS,), -1e6).double(), W_dec=of.W_dec, b_dec=of.b_dec, sparsifier=ReLU()
    )
    with pytest.raises(UserError, match="0 of 12 latents fire"):
        choose_latents(silent, "ablation", rows(1), rows(2), n_latents=1)


def test_a_rotation_is_as_good_by_either_way() -> None:
    """Of an orthonormal dictionary without a sparsifier ablation about the mean is projection through the origin."""
    q = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(5), dtype=torch.float64)).Q
    of = Dictionary(
        W_enc=q, b_enc=torch.zeros(D).double(), W_dec=q, b_dec=torch.zeros(D).double(), sparsifier=Identity()
    )
    fit, choosing = rows(6), rows(7)
    first, second = (choose_latents(of, way, fit, choosing, n_latents=3, n_candidates=D) for way in WAYS)
    assert first.latents == second.latents
    assert np.allclose(first.accuracy, second.accuracy, atol=2e-3)
