"""Oracles: numpy's least squares on all rows; the pseudo-inverse; the identity max(a, 0) = (a + |a|) / 2."""

import numpy as np
import pytest
import torch

from monosemy.baselines import fit_random, fit_random_relu, random_from_moments, second_moments
from monosemy.core import UserError
from tests.unit.baselines.planted import batches_of, fvu, generator, skewed

X = skewed(n=800)


def test_directions_are_unit_and_responses_centered() -> None:
    found = fit_random(batches_of(X), 20, generator())
    torch.testing.assert_close(found.W_enc.norm(dim=1), torch.ones(20))
    torch.testing.assert_close(found.encode(X), (X - X.mean(dim=0)) @ found.W_enc.T, rtol=1e-3, atol=1e-3)


def test_directions_are_spread_evenly_over_the_sphere() -> None:
    """The mean of u u^T over uniform unit vectors is 1 / d; its entries scatter by less than 1 / sqrt(n)."""
    u = fit_random(batches_of(X), 20_000, generator()).W_enc.double()
    assert (u.T @ u / len(u) - torch.eye(6) / 6).abs().max() < 4 / 20_000**0.5
    assert u.mean(dim=0).abs().max() < 4 / 20_000**0.5


@pytest.mark.parametrize("n_latents", [1, 3, 6, 7, 20])
def test_the_decoder_is_the_least_squares_one(n_latents: int) -> None:
    found = fit_random(batches_of(X), n_latents, generator())
    x = X.double().numpy()
    u = found.W_enc.double().numpy()
    centered = x - x.mean(axis=0)
    best = np.linalg.lstsq(centered @ u.T, centered, rcond=None)[0]  # also the smallest, where there are many
    np.testing.assert_allclose(found.W_dec.numpy(), best, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_latents", [6, 9, 40])
def test_enough_directions_reconstruct_exactly_with_the_pseudo_inverse(n_latents: int) -> None:
    found = fit_random(batches_of(X), n_latents, generator())
    np.testing.assert_allclose(found.W_dec.T.numpy(), np.linalg.pinv(found.W_enc.double().numpy()), atol=1e-5)
    assert fvu(X, found.reconstruct(X)) < 1e-9


def test_decoding_an_overcomplete_frame_with_itself_would_not_invert_it() -> None:
    found = fit_random(batches_of(X), 20, generator())
    assert fvu(X, found.encode(X) @ found.W_enc + found.b_dec) > 1.0


def test_moments_can_be_shared() -> None:
    one, two = (
        fit_random(batches_of(X), 9, generator()),
        random_from_moments(second_moments(batches_of(X)), 9, generator()),
    )
    assert torch.equal(one.W_dec, two.W_dec)


def test_a_constant_dimension_is_reconstructed_too() -> None:
    x = X.clone()
    x[:, 2] = 7.0
    assert fvu(x, fit_random(batches_of(x), 12, generator()).reconstruct(x)) < 1e-9


def test_relu_keeps_the_directions_and_gives_them_one_scale() -> None:
    found = fit_random_relu(batches_of(X), 20, generator())
    scales = (found.W_dec * found.W_enc).sum(dim=1)
    torch.testing.assert_close(found.W_dec, scales[:1] * found.W_enc)
    x, u = X.double(), found.W_enc.double()
    z = ((x - x.mean(dim=0)) @ u.T).clamp_min(0)
    y = (z - z.mean(dim=0)) @ u
    scale, *_ = np.linalg.lstsq(y.reshape(-1, 1).numpy(), (x - x.mean(dim=0)).reshape(-1).numpy(), rcond=None)
    assert float(scales[0]) == pytest.approx(float(scale[0]), rel=1e-4)
    assert fvu(X, found.reconstruct(X)) == pytest.approx(
        float((x - x.mean(dim=0) - scale[0] * y).square().sum() / (x - x.mean(dim=0)).square().sum()), rel=1e-4
    )


def test_relu_of_directions_and_their_opposites_is_half_of_the_frame() -> None:
    """sum_i max(u_i x, 0) u_i over u and -u is U^T U x: with many directions n / 2d x, so the scale is near 2d / n."""
    found = fit_random_relu(batches_of(X), 4000, generator())
    scale = float((found.W_dec[0] * found.W_enc[0]).sum())
    assert scale == pytest.approx(2 * 6 / 4000, rel=0.1)
    assert fvu(X, found.reconstruct(X)) < 0.02


@pytest.mark.parametrize("fit", [fit_random, fit_random_relu])
def test_no_direction_is_refused(fit) -> None:
    with pytest.raises(UserError, match="a random dictionary cannot have 0 latents"):
        fit(batches_of(X), 0, generator())
