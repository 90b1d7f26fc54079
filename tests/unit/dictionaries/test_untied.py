"""Oracles: the folded map written out in float64, and what stays as it was."""

import pytest
import torch

from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import ReLU
from monosemy.dictionaries.untied import NOT_CALIBRATED, calibrated, check_k_fits, fold, restart_, unit_directions


def weights_of_test() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch_generator(0, "test")
    W_enc, W_dec = (torch.randn(6, 4, generator=generator) for _ in range(2))
    return W_enc, torch.randn(6, generator=generator), W_dec, torch.randn(4, generator=generator)


def test_fold_is_the_map_of_normalized_activations() -> None:
    W_enc, b_enc, W_dec, b_dec = (each.double() for each in weights_of_test())
    mean, scale = torch.arange(4.0).double(), 3.0
    dictionary = fold(
        W_enc=W_enc,
        b_enc=b_enc,
        W_dec=W_dec,
        b_dec=b_dec,
        mean=mean,
        scale=scale,
        sparsifier=ReLU(),
        dtype=torch.float64,
    )
    raw = torch.randn(5, 4, generator=torch_generator(1, "test"), dtype=torch.float64)
    z = ((raw - mean) / scale @ W_enc.T + b_enc).relu()
    torch.testing.assert_close(dictionary.encode(raw), z)
    torch.testing.assert_close(dictionary.reconstruct(raw), (z @ W_dec + b_dec) * scale + mean)


def test_a_restart_touches_the_named_latents_only() -> None:
    W_enc, b_enc, W_dec, _ = weights_of_test()
    before = W_enc.clone(), b_enc.clone(), W_dec.clone()
    norm = W_enc.norm(dim=1).mean()
    restart_(W_enc, b_enc, W_dec, torch.tensor([4, 1]), torch.tensor([[0.0, 0.0, 5.0, 0.0], [3.0, 0.0, 4.0, 0.0]]))
    torch.testing.assert_close(W_dec[[4, 1]], torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.6, 0.0, 0.8, 0.0]]))
    torch.testing.assert_close(W_enc[[4, 1]], W_dec[[4, 1]] * norm / 5)
    assert b_enc[[4, 1]].tolist() == [0.0, 0.0]
    for now, then in zip((W_enc, b_enc, W_dec), before, strict=True):
        assert torch.equal(now[[0, 2, 3, 5]], then[[0, 2, 3, 5]])


def test_directions_are_of_unit_norm_and_of_their_generator() -> None:
    rows = unit_directions(50, 8, torch_generator(0, "test"))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(50))
    assert torch.equal(rows, unit_directions(50, 8, torch_generator(0, "test")))
    assert not torch.equal(rows, unit_directions(50, 8, torch_generator(1, "test")))


def test_what_cannot_be_is_refused() -> None:
    assert calibrated(torch.tensor(0.0), 3).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(UserError, match="was not calibrated"):
        calibrated(torch.tensor(NOT_CALIBRATED), 3)
    check_k_fits(3, 3)
    with pytest.raises(UserError, match="only 2 latents"):
        check_k_fits(3, 2)
