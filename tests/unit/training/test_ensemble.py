"""Oracles: Adam written in float64 from its paper; numpy on the batch; the conformance suite has the rest."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from monosemy.core import UserError, from_json, to_json, torch_generator
from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.training import Learner, Member, linear_decay, warm_up

SITE = "resid_post.1"


def a_member(**changes: object) -> Member:
    member = Member(
        name="tied-seed0",
        method="tied_l1",
        site=SITE,
        architecture=TiedL1Config(coefficient=0.3),
        n_latents=8,
        seed=0,
        learning_rate=0.01,
        n_steps=12,
        batch_size=30,
        warm_up_steps=4,
        decay_fraction=0.5,
        dead_after_tokens=60,
    )
    return replace(member, **changes)


def batch(step: int, d: int = 5) -> torch.Tensor:
    return torch.randn(30, d, generator=torch_generator(step, "test-batch")) + 1.0


def test_the_optimizer_is_adam_with_its_step_count() -> None:
    """Gradients from autograd on the architecture in float64; the updates from Kingma and Ba, algorithm 1."""
    member = a_member()
    learner = Learner(member, np.zeros(5), 1.0)
    expected = member.architecture.build(5, 8, torch_generator(0, "initialize-dictionary")).double()
    first = [torch.zeros_like(each) for each in expected.parameters()]
    second = [torch.zeros_like(each) for each in expected.parameters()]
    for step in range(member.n_steps):
        learner.advance_(batch(step), measure=False)
        x = batch(step).double()
        encoding = expected.encode_train(x)
        x_hat = expected.decode_train(encoding)
        loss = (x - x_hat).square().sum(dim=1).mean() + 0.3 * encoding.z.sum(dim=1).mean()
        gradients = torch.autograd.grad(loss, list(expected.parameters()))
        rate = member.learning_rate * warm_up(step, 4) * linear_decay(step, 12, 0.5)
        with torch.no_grad():
            for weight, gradient, m, v in zip(expected.parameters(), gradients, first, second, strict=True):
                m.mul_(0.9).add_(0.1 * gradient)
                v.mul_(0.999).add_(0.001 * gradient**2)
                weight -= rate * (m / (1 - 0.9 ** (step + 1))) / ((v / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
    for found, weight in zip(learner.module.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(found.double(), weight, rtol=0, atol=2e-5)


def test_the_input_is_centered_only_where_the_architecture_wants_it() -> None:
    mean, x = np.arange(5.0), batch(0)
    tied = Learner(a_member(), mean, 4.0)
    topk = Learner(a_member(architecture=TopKConfig(k=2)), mean, 4.0)
    torch.testing.assert_close(tied.normalize(x), x / 4)
    torch.testing.assert_close(topk.normalize(x), (x - torch.arange(5.0)) / 4)
    assert tied.normalization != topk.normalization
    assert torch.equal(tied.export().b_dec, torch.zeros(5))
    torch.testing.assert_close(topk.export().b_dec, torch.arange(5.0))


def test_a_point_of_the_curve_speaks_of_the_batch_before_the_update() -> None:
    learner = Learner(a_member(), np.zeros(5), 1.0)
    learner.advance_(batch(0), measure=False)
    dictionary, x = learner.export(), batch(1)
    point = learner.advance_(x, measure=True)
    z, x64 = dictionary.encode(x).double().numpy(), x.double().numpy()
    error = ((x64 - dictionary.reconstruct(x).double().numpy()) ** 2).sum()
    assert point is not None
    assert (point.step, point.n_tokens, point.n_dead) == (1, 30, 0)
    assert point.l0 == np.count_nonzero(z) / 30
    assert point.fvu == pytest.approx(error / ((x64 - x64.mean(axis=0)) ** 2).sum(), rel=1e-5)
    assert point.loss["reconstruction"] == pytest.approx(error / 30, rel=1e-5)
    assert point.loss["l1"] == pytest.approx(0.3 * z.sum() / 30, rel=1e-5)
    assert set(point.loss) == {"reconstruction", "l1"}


def test_a_latent_that_never_fires_dies_and_auxk_moves_it() -> None:
    """Its bias is so far below that k = 1 of 8 never chooses it; it is dead after 60 tokens, two batches."""

    def after_twelve_steps(coefficient: float) -> tuple[list[int], float]:
        architecture = TopKConfig(k=1, auxk_coefficient=coefficient)
        learner = Learner(a_member(architecture=architecture, warm_up_steps=0), np.ones(5), 1.0)
        bias = learner.module.get_parameter("b_enc").detach()
        bias[3] = -5.0
        points = [learner.advance_(learner.normalize(batch(step)), measure=True) for step in range(12)]
        return [point.n_dead for point in points if point is not None], bias[3].item()

    n_dead, bias = after_twelve_steps(1 / 32)
    assert n_dead[:2] == [0, 0]
    assert min(n_dead[2:]) == 1
    assert bias > -5.0
    assert after_twelve_steps(0.0)[1] == -5.0


def test_not_finite_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="tied-seed0: the loss is nan at step 0"):
        Learner(a_member(), np.zeros(5), 1.0).advance_(batch(0) * math.nan, measure=False)
    learner = Learner(a_member(), np.zeros(5), 1.0)
    with torch.no_grad():
        learner.module.get_parameter("M")[0, 0] = math.nan
    with pytest.raises(UserError, match=r"tied-seed0: .*NaN or infinity"):
        learner.export()
    for mean, scale in ((np.zeros(5), 0.0), (np.zeros(5), math.nan), (np.full(5, math.inf), 1.0)):
        with pytest.raises(UserError, match="scale"):
            Learner(a_member(), mean, scale)


@pytest.mark.parametrize(
    "change",
    [
        {"n_steps": 0},
        {"batch_size": 0},
        {"dead_after_tokens": 0},
        {"warm_up_steps": -1},
        {"learning_rate": 0.0},
        {"decay_fraction": 1.5},
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="got"):
        a_member(**change)


@pytest.mark.parametrize("architecture", [TiedL1Config(coefficient=1.0), TopKConfig(k=3)])
def test_a_member_survives_json(architecture: TopKConfig) -> None:
    member = a_member(architecture=architecture)
    assert from_json(Member, to_json(member)) == member
