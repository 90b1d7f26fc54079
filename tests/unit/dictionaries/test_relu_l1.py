"""Oracles: closed forms by hand; the conformance suite has the gradients, the export and the recovery."""

import pytest
import torch

from monosemy.core import from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, LossContext, ReLUL1Config

NOTHING_DEAD = LossContext(fraction_done=0.0, is_dead=torch.zeros(1, dtype=torch.bool))


def test_loss_by_hand() -> None:
    """x = (2, 0), z = 2 * 1.5 - 1 = 2 along (.6, .8), b_dec = (.8, 0): x_hat = (2, 1.6)."""
    module = ReLUL1Config(coefficient=10.0).build(2, 1, torch_generator(0, "test"))
    assert module.b_dec is not None
    with torch.no_grad():
        module.W_enc.copy_(torch.tensor([[1.5, 0.0]]))
        module.b_enc.fill_(-1.0)
        module.W_dec.copy_(torch.tensor([[3.0, 4.0]]))
        module.b_dec.copy_(torch.tensor([0.8, 0.0]))
    x = torch.tensor([[2.0, 0.0]])
    encoding = module.encode_train(x)
    terms = module.loss(x, encoding, module.decode_train(encoding), NOTHING_DEAD)
    assert terms["reconstruction"].item() == pytest.approx(1.6**2)
    assert terms["l1"].item() == pytest.approx(20.0)


def test_without_bias_nothing_is_decoded_from_nothing() -> None:
    module = ReLUL1Config(coefficient=1.0, decoder_bias=False).build(4, 3, torch_generator(0, "test"))
    assert module.b_dec is None
    assert "b_dec" not in dict(module.named_parameters())
    assert not module.decode_train(module.encode_train(torch.zeros(2, 4))).any()
    assert module.sparse_form().b_dec is None


def test_after_a_step_the_rows_are_of_unit_norm_again() -> None:
    module = ReLUL1Config(coefficient=1.0).build(6, 10, torch_generator(0, "test"))
    encoding = module.encode_train(torch.randn(7, 6, generator=torch_generator(0, "test-x")))
    before = module.decode_train(encoding)
    with torch.no_grad():
        module.W_dec.mul_(3.0)
    torch.testing.assert_close(module.decode_train(encoding), before)
    module.after_step_(encoding)
    torch.testing.assert_close(module.W_dec.norm(dim=1), torch.ones(10))


@pytest.mark.parametrize("decoder_bias", [True, False])
def test_configuration(decoder_bias: bool) -> None:
    config = ReLUL1Config(coefficient=0.3, reduction="mean", decoder_bias=decoder_bias)
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (decoder_bias, "l1=0.3")
    with pytest.raises(ValueError, match="at least 0"):
        ReLUL1Config(coefficient=-1.0)
