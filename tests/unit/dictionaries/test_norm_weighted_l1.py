"""Oracles: closed forms by hand; the conformance suite has the gradients, the export and the recovery."""

import pytest
import torch

from monosemy.core import from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, LossContext, NormWeightedL1Config


def test_a_long_row_and_a_small_latent_cost_what_the_opposite_costs() -> None:
    """Scaling a latent down and its row up changes neither the reconstruction nor the penalty."""
    module = NormWeightedL1Config(coefficient=3.0).build(4, 6, torch_generator(0, "test"))
    x = torch.randn(9, 4, generator=torch_generator(0, "test-x"))
    context = LossContext(fraction_done=0.0, is_dead=torch.zeros(6, dtype=torch.bool))

    def terms() -> dict[str, float]:
        encoding = module.encode_train(x)
        found = module.loss(x, encoding, module.decode_train(encoding), context)
        return {name: value.item() for name, value in found.items()}

    before = terms()
    assert before["l1"] > 0
    factor = torch.tensor([1.0, 2.0, 4.0, 8.0, 0.5, 0.25])
    with torch.no_grad():
        module.W_dec.mul_(factor[:, None])
        module.W_enc.div_(factor[:, None])
        module.b_enc.div_(factor)
    assert terms() == pytest.approx(before, rel=1e-5)


def test_initial_rows() -> None:
    module = NormWeightedL1Config(coefficient=1.0).build(5, 7, torch_generator(0, "test"))
    torch.testing.assert_close(module.W_dec.norm(dim=1), torch.full((7,), 0.1))
    assert torch.equal(module.W_enc, module.W_dec)
    module.after_step_(module.encode_train(torch.zeros(1, 5)))
    torch.testing.assert_close(module.W_dec.norm(dim=1), torch.full((7,), 0.1))


def test_configuration() -> None:
    config = NormWeightedL1Config(coefficient=5.0, reduction="mean")
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (True, "l1=5")
    with pytest.raises(ValueError, match="at least 0"):
        NormWeightedL1Config(coefficient=-1.0)
