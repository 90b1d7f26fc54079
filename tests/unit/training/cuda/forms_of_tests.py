"""Small dictionaries of every form, their batches, and the definition to compare with."""

import pytest
import torch
from torch import Tensor

from monosemy.core import torch_generator
from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    LossContext,
    ReLUL1Config,
    TiedL1Config,
    TopKConfig,
    TrainableDictionary,
)
from monosemy.training import Step

D, N_LATENTS, BATCH, RATE = 11, 26, 37, 3e-3

FORMS: dict[str, tuple[Architecture, Architecture]] = {
    "tied": (TiedL1Config(coefficient=0.3), TiedL1Config(coefficient=0.02, reduction="mean")),
    "relu": (ReLUL1Config(coefficient=0.3), ReLUL1Config(coefficient=0.1, reduction="mean")),
    "relu, no decoder bias": (
        ReLUL1Config(coefficient=0.3, decoder_bias=False),
        ReLUL1Config(coefficient=0.0, decoder_bias=False),
    ),
    "topk": (TopKConfig(k=5), TopKConfig(k=2, k_aux=3, auxk_coefficient=0.2)),
    "topk, frozen decoder": (TopKConfig(k=4, frozen_decoder=True), TopKConfig(k=5, k_aux=1, frozen_decoder=True)),
    "batch_topk": (BatchTopKConfig(k=5), BatchTopKConfig(k=3, k_aux=3)),
}
"""Of each form two members, which differ in all that members of one stack may differ in."""


def batch(step: int) -> Tensor:
    return torch.randn(BATCH, D, generator=torch_generator(step, "test-cuda-batch"))


def context(step: int, member: int = 0) -> LossContext:
    """Some latents count as dead, more of them than k_aux in some steps; the coefficient warms up."""
    is_dead = torch.zeros(N_LATENTS, dtype=torch.bool)
    is_dead[7 + member : 7 + member + 5 * ((step + member) % 4)] = True
    return LossContext(fraction_done=0.0, is_dead=is_dead, sparsity_factor=min(1.0, (0.5 + member) / 2 + step / 10))


def module_of(config: Architecture, seed: int = 0) -> TrainableDictionary:
    return config.build(D, N_LATENTS, torch_generator(seed, "test-cuda-build"))


def assert_same_step(found: Step, expected: Step) -> None:
    """As float32 gives it; one pre-activation may lie within rounding of 0."""
    assert found.is_finite
    assert found.loss.keys() == expected.loss.keys()
    for term, value in expected.loss.items():
        assert found.loss[term] == pytest.approx(value, rel=1e-4, abs=1e-7), term
    assert found.squared_error == pytest.approx(expected.squared_error, rel=1e-4)
    assert abs(found.n_active - expected.n_active) <= 1
    torch.testing.assert_close(found.row_error.cpu().double(), expected.row_error.double(), rtol=1e-3, atol=1e-4)
    assert int((found.fired.cpu() != expected.fired).sum()) <= 1


def assert_same_weights(module: TrainableDictionary, exact: TrainableDictionary) -> None:
    """Where a gradient nearly vanishes, Adam, which divides by its size, makes of its rounding a share of the rate."""
    for (name, value), wanted in zip(module.named_parameters(), exact.parameters(), strict=True):
        off = (value.detach().cpu().double() - wanted).abs().flatten()
        assert off.median() < 1e-3 * RATE and (off > 0.1 * RATE).double().mean() < 0.02, name
