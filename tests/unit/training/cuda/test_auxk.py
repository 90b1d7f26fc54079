"""The auxiliary loss written out. Oracle: `auxk` differentiated in float64."""

import pytest
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import AuxKForm, auxk
from monosemy.training.cuda import DeadTerm


@pytest.mark.parametrize("k", [2, 4, 9])
def test_loss_and_gradients_are_those_of_auxk(k: int) -> None:
    """Five dead latents: some of them a row, or all."""
    generator = torch_generator(k, "test-dead-term")
    x, residual = (torch.randn(7, 6, generator=generator) for _ in range(2))
    encoder, directions = (torch.randn(5, 6, generator=generator) for _ in range(2))
    bias = torch.randn(5, generator=generator)
    W, D, b = (each.double().requires_grad_() for each in (encoder, directions, bias))
    wanted = 0.3 * auxk(-residual.double(), x.double() @ W.T + b, D, torch.ones(5, dtype=torch.bool), k)
    wanted.backward()
    pre_acts = x @ encoder.T + bias
    found = DeadTerm.of(AuxKForm(coefficient=0.3, k=k), pre_acts, directions, residual, x)
    assert float(found.loss) == pytest.approx(float(wanted.detach()), rel=1e-5)
    for gradient, parameter in ((found.encoder, W), (found.decoder, D), (found.bias, b)):
        assert parameter.grad is not None
        torch.testing.assert_close(gradient.double(), parameter.grad, rtol=1e-4, atol=1e-5)


def test_a_residual_that_does_not_vary_gives_nothing() -> None:
    ones = torch.ones(4, 3)
    found = DeadTerm.of(AuxKForm(coefficient=0.3, k=2), ones[:, :2], ones[:2], ones, ones)
    assert float(found.loss) == 0.0
    assert not any(bool(each.any()) for each in (found.encoder, found.bias, found.decoder))
