"""Oracles: a history of firing written by hand; frequencies of drawn rows against loss squared; the rows that moved."""

import numpy as np
import pytest
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import TiedL1Config, TopKConfig, TrainableDictionary
from monosemy.training import Adam, DeadLatents, resample_


def test_dead_is_counted_in_tokens_since_the_last_firing() -> None:
    dead = DeadLatents(3, dead_after_tokens=20)
    assert not dead.is_dead().any()
    history = [(True, False, False), (False, False, True), (False, False, False)]
    found = []
    for fired in history:
        dead.update_(torch.tensor(fired), 10)
        found.append(dead.is_dead().tolist())
    assert found == [[False, False, False], [False, True, False], [True, True, False]]
    dead.update_(torch.tensor([False, True, False]), 1)
    assert dead.is_dead().tolist() == [True, False, False]
    assert dead.n_silent_tokens.tolist() == [21, 0, 11]


N_LATENTS, D, BATCH = 6, 4, 5
ARCHITECTURES = [TiedL1Config(coefficient=0.1), TopKConfig(k=2)]


def trained(architecture: TiedL1Config | TopKConfig) -> tuple[TrainableDictionary, Adam, DeadLatents]:
    """A dictionary whose optimizer has seen a gradient of every parameter, and whose latents 1 and 4 are dead."""
    module = architecture.build(D, N_LATENTS, torch_generator(0, "test-resample"))
    optimizer = Adam(module)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step_(0.01)
    dead = DeadLatents(N_LATENTS, dead_after_tokens=10)
    dead.update_(torch.tensor([i not in (1, 4) for i in range(N_LATENTS)]), 10)
    return module, optimizer, dead


def a_batch() -> torch.Tensor:
    return torch.randn(BATCH, D, generator=torch_generator(1, "test-resample"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dead_latents_start_anew_at_badly_reconstructed_rows_and_nothing_else_moves(
    architecture: TiedL1Config | TopKConfig,
) -> None:
    module, optimizer, dead = trained(architecture)
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    x, row_error = a_batch(), torch.tensor([0.0, 3.0, 0.0, 2.0, 0.0])
    assert resample_(module, optimizer, dead, x, row_error, torch_generator(2, "test-resample")) == 2
    alive = [0, 2, 3, 5]
    center = module.get_parameter("b_dec").detach() if isinstance(architecture, TopKConfig) else torch.zeros(D)
    for parameter in module.latent_parameters():
        for moment in optimizer.moments(parameter):
            assert (moment[[1, 4]] == 0).all()
            assert (moment[alive] != 0).all()
    latent = {id(parameter) for parameter in module.latent_parameters()}
    for name, parameter in module.named_parameters():
        kept = parameter[alive] if id(parameter) in latent else parameter
        expected = before[name][alive] if id(parameter) in latent else before[name]
        assert torch.equal(kept, expected), name
        if id(parameter) not in latent:
            assert (optimizer.moments(parameter)[0] != 0).all()
    matrix = module.get_parameter("M" if isinstance(architecture, TiedL1Config) else "W_dec").detach()
    cosines = torch.nn.functional.cosine_similarity(matrix[[1, 4], None], (x - center)[None], dim=2)
    assert sorted(cosines.argmax(dim=1).tolist()) == [1, 3]  # the two rows with an error, each once
    torch.testing.assert_close(cosines.amax(dim=1), torch.ones(2))
    assert not dead.is_dead().any()
    assert dead.n_silent_tokens.tolist() == [0] * N_LATENTS


def test_rows_are_drawn_in_proportion_to_their_loss_squared() -> None:
    """Losses 1, 2 and 3: one dead latent takes them with probabilities 1, 4 and 9 of 14, four sigma allowed."""
    x, counts, n = torch.eye(4)[:3], np.zeros(3), 600
    for seed in range(n):
        module, optimizer, dead = trained(ARCHITECTURES[0])
        dead.n_silent_tokens[4] = 0
        resample_(module, optimizer, dead, x, torch.tensor([1.0, 2.0, 3.0]), torch_generator(seed, "test-draws"))
        counts[module.get_parameter("M")[1].detach()[:3].argmax()] += 1
    p = np.array([1, 4, 9]) / 14
    assert (np.abs(counts - n * p) < 4 * np.sqrt(n * p * (1 - p))).all()


def test_more_dead_latents_than_rows_wait() -> None:
    module, optimizer, dead = trained(ARCHITECTURES[0])
    x, row_error = a_batch(), torch.tensor([0.0, 3.0, 0.0, 0.0, 0.0])
    assert resample_(module, optimizer, dead, x, row_error, torch_generator(0, "test-resample")) == 1
    assert dead.is_dead().tolist() == [False, False, False, False, True, False]


def test_nothing_to_do_changes_nothing() -> None:
    module, optimizer, dead = trained(ARCHITECTURES[1])
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    assert resample_(module, optimizer, dead, a_batch(), torch.zeros(BATCH), torch_generator(0, "t")) == 0
    dead.n_silent_tokens.zero_()
    assert resample_(module, optimizer, dead, a_batch(), torch.ones(BATCH), torch_generator(0, "t")) == 0
    assert all(torch.equal(value, before[name]) for name, value in module.named_parameters())
