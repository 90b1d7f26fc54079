"""Oracles: closed forms by hand; the conformance suite has the gradients and the recovery."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, GatedAutoencoder, GatedConfig, LossContext


def one_latent(r_mag: float, b_mag: float, b_gate: float) -> GatedAutoencoder:
    """It reads the only coordinate with weight 1."""
    module = GatedConfig(coefficient=3.0).build(1, 1, torch_generator(0, "test")).double()
    with torch.no_grad():
        module.W_enc.fill_(1.0)
        module.W_dec.fill_(1.0)
        for parameter, value in zip((module.r_mag, module.b_mag, module.b_gate), (r_mag, b_mag, b_gate), strict=True):
            parameter.fill_(value)
    return module


def test_loss_by_hand() -> None:
    """exp(0) x + .5 where x > 1: z = 0 and 2.5; the gate's own reconstruction is 0 and 1, b_dec 0."""
    module, x = one_latent(0.0, 0.5, -1.0), torch.tensor([[0.5], [2.0]]).double()
    encoding = module.encode_train(x)
    assert encoding.z.flatten().tolist() == [0.0, 2.5]
    context = LossContext(fraction_done=0.0, is_dead=torch.zeros(1, dtype=torch.bool))
    terms = module.loss(x, encoding, module.decode_train(encoding), context)
    assert terms["reconstruction"].item() == pytest.approx((0.25 + 0.25) / 2)
    assert terms["l1"].item() == pytest.approx(3.0 * 1.0 / 2)
    assert terms["auxiliary"].item() == pytest.approx((0.25 + 1.0) / 2)


NUMBERS = st.floats(-2, 2).map(lambda value: round(value, 2))


@given(r_mag=NUMBERS, b_mag=NUMBERS, b_gate=NUMBERS, scale=st.sampled_from([0.01, 1.0, 37.0]))
def test_export_agrees_with_every_combination_of_gate_and_magnitude(
    r_mag: float, b_mag: float, b_gate: float, scale: float
) -> None:
    """Also where the gate is open over a magnitude below 0, and where it opens at a magnitude below 0."""
    module = one_latent(r_mag, b_mag, b_gate)
    x = torch.linspace(-5, 5, 101).double()[:, None]
    x = x[(x + b_gate).abs().flatten() > 1e-6]  # at the gate's own edge rounding decides
    dictionary = module.export(torch.tensor([4.0]).double(), scale)
    with torch.no_grad():
        torch.testing.assert_close(dictionary.encode(x * scale + 4.0), module.encode_train(x).z)


def test_an_open_gate_over_nothing_is_not_active() -> None:
    module = one_latent(0.0, -1.0, 0.0)
    x = torch.tensor([[0.5], [1.5]]).double()
    assert module.encode_train(x).z.flatten().tolist() == [0.0, 0.5]
    assert module.export(torch.zeros(1).double(), 1.0).encode(x).flatten().tolist() == [0.0, 0.5]


def test_configuration() -> None:
    config = GatedConfig(coefficient=0.3, reduction="mean")
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (True, "l1=0.3")
    with pytest.raises(ValueError, match="at least 0"):
        GatedConfig(coefficient=-1.0)
