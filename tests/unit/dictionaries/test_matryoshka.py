"""Oracles: each prefix decoded by itself; closed forms by hand; the conformance suite has gradients and recovery."""

import pytest
import torch

from monosemy.core import UserError, from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, LossContext, MatryoshkaConfig, nested_reconstructions

CONTEXT = LossContext(fraction_done=0.0, is_dead=torch.zeros(8, dtype=torch.bool))


def test_each_prefix_is_decoded_as_if_alone() -> None:
    generator = torch_generator(0, "test")
    z, rows, bias = (torch.randn(*shape, generator=generator).double() for shape in ((5, 8), (8, 3), (3,)))
    found = nested_reconstructions(z, rows, bias, (1, 3, 8))
    for m, x_hat in zip((1, 3, 8), found, strict=True):
        torch.testing.assert_close(x_hat, z[:, :m] @ rows[:m] + bias)
    assert nested_reconstructions(z, rows, bias, ()) == []


def reconstruction(config: MatryoshkaConfig) -> float:
    module = config.build(4, 8, torch_generator(0, "test"))
    x = torch.randn(6, 4, generator=torch_generator(0, "test-x"))
    encoding = module.encode_train(x)
    return module.loss(x, encoding, module.decode_train(encoding), CONTEXT)["reconstruction"].item()


def test_the_weights_divide_the_sum_once() -> None:
    """The loss is linear in the weights, and 1/3 each is a third of 1 each, not a ninth."""
    fractions = (0.25, 0.5, 1.0)
    parts = [
        reconstruction(MatryoshkaConfig(k=3, prefix_fractions=fractions, prefix_weights=weights))
        for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    ]
    assert len(set(parts)) == 3
    assert reconstruction(MatryoshkaConfig(k=3, prefix_fractions=fractions)) == pytest.approx(sum(parts) / 3)
    weights = (1.0, 1.0, 1.0)
    whole = MatryoshkaConfig(k=3, prefix_fractions=fractions, prefix_weights=weights)
    assert reconstruction(whole) == pytest.approx(sum(parts))
    assert reconstruction(MatryoshkaConfig(k=3, prefix_fractions=(1.0,))) == pytest.approx(parts[2])


def test_prefixes() -> None:
    assert MatryoshkaConfig(k=1).prefixes(640) == (20, 60, 140, 300, 640)
    with pytest.raises(UserError, match="too few for the prefixes"):
        MatryoshkaConfig(k=1).build(4, 8, torch_generator(0, "test"))
    with pytest.raises(UserError, match="was not calibrated"):
        MatryoshkaConfig(k=1).build(4, 64, torch_generator(0, "test")).export(torch.zeros(4), 1.0)


def test_configuration() -> None:
    config = MatryoshkaConfig(k=16, prefix_fractions=(0.5, 1.0), prefix_weights=(1.0, 2.0))
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity, config.weights) == (True, "k=16", (1.0, 2.0))
    for wrong in ((), (0.5,), (0.5, 0.5, 1.0), (0.0, 1.0), (1.0, 0.5)):
        with pytest.raises(ValueError, match="must rise"):
            MatryoshkaConfig(k=1, prefix_fractions=wrong)
    for weights in ((1.0,), (-1.0, 1.0), (0.0, 0.0)):
        with pytest.raises(ValueError, match="prefix_weights"):
            MatryoshkaConfig(k=1, prefix_fractions=(0.5, 1.0), prefix_weights=weights)
