"""Oracles: closed forms by hand; the conformance suite has the gradients, the export and the recovery."""

import math
from dataclasses import replace

import pytest
import torch

from monosemy.core import from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, JumpReLUAutoencoder, JumpReLUConfig, LossContext

CONTEXT = LossContext(fraction_done=0.0, is_dead=torch.zeros(2, dtype=torch.bool))


def by_hand(config: JumpReLUConfig) -> JumpReLUAutoencoder:
    """Two latents that read the two coordinates, with thresholds 1 and 0."""
    module = config.build(2, 2, torch_generator(0, "test"))
    with torch.no_grad():
        module.W_enc.copy_(torch.eye(2))
        module.W_dec.copy_(torch.eye(2))
        module.theta.copy_(torch.tensor([1.0, 0.0]))
    return module


X = torch.tensor([[1.0, 0.5], [3.0, -1.0]])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (JumpReLUConfig(coefficient=2.0), 2.0 * 1.0),
        (JumpReLUConfig(coefficient=2.0, penalty="tanh"), math.tanh(4 * 0.5) + math.tanh(4 * 3.0)),
        (JumpReLUConfig(coefficient=2.0, penalty="quadratic", target_l0=4.0), 2.0 * (1 / 4 - 1) ** 2),
    ],
)
def test_loss_by_hand(config: JumpReLUConfig, expected: float) -> None:
    """A latent at its threshold is not active: z = (0, .5) and (3, 0)."""
    module = by_hand(config)
    encoding = module.encode_train(X)
    assert encoding.z.tolist() == [[0.0, 0.5], [3.0, 0.0]]
    terms = module.loss(X, encoding, module.decode_train(encoding), CONTEXT)
    assert terms["reconstruction"].item() == pytest.approx((1.0 + 1.0) / 2)
    assert terms["sparsity"].item() == pytest.approx(expected)


def test_after_a_step_no_threshold_is_below_zero() -> None:
    module = by_hand(JumpReLUConfig(coefficient=1.0))
    with torch.no_grad():
        module.theta.copy_(torch.tensor([-0.5, 0.3]))
        module.W_dec.mul_(2.0)
    module.after_step_(module.encode_train(X))
    torch.testing.assert_close(module.theta.detach(), torch.tensor([0.0, 0.3]))
    torch.testing.assert_close(module.W_dec.norm(dim=1), torch.ones(2))


def test_reset_latents_have_the_first_threshold() -> None:
    module = by_hand(JumpReLUConfig(coefficient=1.0, initial_theta=0.2))
    module.reset_latents_(torch.tensor([0]), torch.tensor([[0.0, 7.0]]))
    torch.testing.assert_close(module.theta.detach(), torch.tensor([0.2, 0.0]))


def test_configuration() -> None:
    config = JumpReLUConfig(coefficient=0.3, penalty="quadratic", target_l0=20.0)
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (True, "l0=20")
    assert JumpReLUConfig(coefficient=0.3).sparsity == "step=0.3"
    assert JumpReLUConfig(coefficient=0.3, penalty="tanh").sparsity == "tanh=0.3"
    with pytest.raises(ValueError, match="must be at least 0"):
        JumpReLUConfig(coefficient=-1.0)
    for penalty, target in (("quadratic", None), ("step", 3.0), ("quadratic", 0.0)):
        with pytest.raises(ValueError, match="target_l0 is above 0"):
            replace(config, penalty=penalty, target_l0=target)
