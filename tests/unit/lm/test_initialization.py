"""The initializer: the moments of its draws, and that each parameter depends on the seed and its name alone."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from monosemy.lm import Architecture, build, initialize_
from tests.unit.lm.tiny_models import tiny_model

N_LAYERS = 6
ARCHITECTURE = Architecture(n_layers=N_LAYERS, d_model=96, n_heads=4, context_length=16, vocabulary_size=300)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return build(ARCHITECTURE, 0).state_dict()


def expected_std(name: str) -> float:
    """Of GPT-NeoX's names: the two projections into the residual stream are scaled by 1 / sqrt(2 n_layers)."""
    writes_residual = name.endswith(("attention.dense.weight", "mlp.dense_4h_to_h.weight"))
    return 0.02 / math.sqrt(2 * N_LAYERS) if writes_residual else 0.02


def test_matrices_are_normal_draws_of_their_scale(weights: dict[str, torch.Tensor]) -> None:
    """n draws: the mean within 5 std / sqrt(n) of 0, the standard deviation within 5 std / sqrt(2 n) of std."""
    names = [name for name, value in weights.items() if value.ndim == 2]
    assert sum(expected_std(name) < 0.02 for name in names) == 2 * N_LAYERS
    for name in names:
        values, std = weights[name].double(), expected_std(name)
        assert abs(values.mean().item()) < 5 * std / math.sqrt(values.numel()), name
        assert abs(values.std().item() - std) < 5 * std / math.sqrt(2 * values.numel()), name
        # Of a normal distribution 4.55 % are beyond two standard deviations.
        tail = (values.abs() > 2 * std).double().mean().item()
        assert abs(tail - 0.0455) < 5 * math.sqrt(0.0455 / values.numel()), name


def test_vectors_are_zeros_and_ones(weights: dict[str, torch.Tensor]) -> None:
    for name, value in weights.items():
        if value.ndim == 1:
            assert (value == (0.0 if name.endswith("bias") else 1.0)).all(), name


def test_no_two_parameters_share_their_draws(weights: dict[str, torch.Tensor]) -> None:
    starts = {name: tuple(value.flatten()[:8].tolist()) for name, value in weights.items() if value.ndim == 2}
    assert len(set(starts.values())) == len(starts)


def test_the_same_seed_gives_the_same_bytes_whatever_was_there(weights: dict[str, torch.Tensor]) -> None:
    model = build(ARCHITECTURE, 1)
    assert not torch.equal(model.state_dict()["gpt_neox.embed_in.weight"], weights["gpt_neox.embed_in.weight"])
    initialize_(model, 0, n_layers=N_LAYERS)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_a_parameter_more_changes_no_other() -> None:
    small = nn.ModuleDict({"a": nn.Linear(20, 30), "norm": nn.LayerNorm(20)})
    large = nn.ModuleDict({"first": nn.Linear(5, 5), "a": nn.Linear(20, 30), "norm": nn.LayerNorm(20)})
    for model in (small, large):
        initialize_(model, 7, n_layers=2)
    assert all(torch.equal(value, large.state_dict()[name]) for name, value in small.state_dict().items())


def test_other_precisions_round_the_same_draws() -> None:
    exact, rounded = nn.Linear(20, 30), nn.Linear(20, 30).bfloat16()
    for model in (exact, rounded):
        initialize_(model, 7, n_layers=2)
    assert torch.equal(exact.weight.bfloat16(), rounded.weight)


@pytest.mark.parametrize("draws", [lambda: torch.random.get_rng_state(), lambda: torch.from_numpy(np.random.rand(4))])
def test_the_global_random_states_are_untouched(draws: Callable[[], torch.Tensor]) -> None:
    model = build(ARCHITECTURE, 0)
    np.random.seed(0)
    expected = draws()
    np.random.seed(0)
    initialize_(model, 0, n_layers=N_LAYERS)
    build(ARCHITECTURE, 0)
    assert torch.equal(draws(), expected)


@pytest.mark.parametrize(("family", "n_projections"), [("gpt_neox", 2), ("gpt2", 2), ("llama", 2)])
def test_the_projections_into_the_residual_stream_of_each_family(family: str, n_projections: int) -> None:
    """Found by their effect: with two such matrices a layer, each 1 / sqrt(2 n_layers) of the others' scale."""
    model = tiny_model(family, n_layers=50).float()
    initialize_(model, 0, n_layers=50)
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    small = [parameter for parameter in matrices if parameter.std() < 0.5 * 0.02]
    assert len(small) == n_projections * 50
    assert torch.cat([each.flatten() for each in small]).std().item() == pytest.approx(0.002, rel=0.02)


def test_the_model_is_not_transformers_own(weights: dict[str, torch.Tensor]) -> None:
    """transformers scales no projection of GPT-NeoX by the depth."""
    config = GPTNeoXConfig(
        vocab_size=300, hidden_size=96, num_hidden_layers=2, num_attention_heads=4, intermediate_size=384
    )
    with torch.random.fork_rng(devices=[]):
        theirs = GPTNeoXForCausalLM(config).state_dict()
    name = "gpt_neox.layers.0.attention.dense.weight"
    assert theirs[name].std() > 2 * weights[name].std()
