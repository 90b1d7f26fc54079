"""Oracles: Adam written in float64 from its paper; numpy on the batch; the conformance suite has the rest."""

import json
import math
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.training import (
    Batch,
    BatchStream,
    Learner,
    Member,
    StreamState,
    linear_decay,
    train_members,
    warm_up,
)

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


def test_the_coefficient_follows_its_own_schedule() -> None:
    """Over twelve steps: it rises in four, and falls in the last six; l1 / sum of z of the step says what it was."""
    member = a_member(sparsity_warm_up_steps=4, sparsity_decay_fraction=0.5, learning_rate=1e-9)
    learner = Learner(member, np.zeros(5), 1.0)
    found = []
    for step in range(12):
        point, z = learner.advance_(batch(step), measure=True), learner.export().encode(batch(step))
        assert point is not None
        found.append(point.loss["l1"] / (0.3 * float(z.sum(dim=1).mean())))
    factors = [0.25, 0.5, 0.75, 1, 1, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert found == pytest.approx(factors, rel=1e-4)
    assert [member.sparsity_factor_at(step) for step in range(12)] == pytest.approx(factors)


def test_whitening_gets_the_covariance_of_what_the_member_sees() -> None:
    """Data of covariance diag(1, 4, 9, 16, 25), scale 2: the encoder's input is white."""
    architecture = TiedL1Config(coefficient=0.1, centering="whitened")
    with pytest.raises(UserError, match="tied-seed0: whitening needs the covariance"):
        Learner(a_member(architecture=architecture), np.ones(5), 2.0)
    deviation = np.arange(1.0, 6.0)
    learner = Learner(a_member(architecture=architecture), np.ones(5), 2.0, np.diag(deviation**2))
    x = learner.normalize(torch.from_numpy(1.0 + np.diag(deviation)).float())  # one standard deviation each
    pre = learner.module.encode_train(x).pre_acts - learner.module.get_parameter("b")
    M = torch.nn.functional.normalize(learner.module.get_parameter("M"), dim=1)
    torch.testing.assert_close(pre, M.T)


def test_resampling_under_the_fast_steps_is_that_under_the_definition() -> None:
    """A new row has to reach whatever the fast path keeps beside the weights; float32 rounding is allowed.

    Not k = 1, where the first gradient of the encoder is zero but for rounding, of which Adam then takes the sign.
    """
    member = a_member(
        architecture=TopKConfig(k=2), n_latents=32, n_steps=24, dead_after_tokens=60, resample_every_steps=4
    )
    found, n_dead = [], 0
    for sparse_below in (0.0, 1.0):
        learner = Learner(replace(member, sparse_below=sparse_below), np.ones(5), 1.0)
        for step in range(member.n_steps):
            point = learner.advance_(learner.normalize(batch(step)), measure=True)
            assert point is not None
            n_dead += point.n_dead
        found.append(learner)
    assert n_dead > 40
    for name, value in found[0].weights().items():
        torch.testing.assert_close(found[1].weights()[name], value, rtol=0, atol=2e-5)
    assert torch.equal(found[0].dead.n_silent_tokens, found[1].dead.n_silent_tokens)


def test_a_checkpoint_that_does_not_fit_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another version of the program would, whose state has other tensors."""
    member = a_member(n_steps=2)
    folders, normalization = {member.name: tmp_path}, {SITE: (np.zeros(5), 1.0)}

    def batches(_: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        yield from (({SITE: batch(step)}, {"step": step + 1}) for step in range(2))

    train_members([member], BatchStream(open=batches), normalization, folders=folders)
    monkeypatch.setattr(Learner, "weights", lambda _: {"another": torch.zeros(1)})
    with pytest.raises(UserError, match="tied-seed0: its checkpoint does not fit") as caught:
        train_members([member], BatchStream(open=batches), normalization, folders=folders)
    assert "\n" not in str(caught.value)


def test_state_taken_up_gives_the_same_steps() -> None:
    """Twelve steps against six and six, the latter in a new learner; to the bit, L0 of all steps included."""
    member = a_member(optimizer="frozen_adam", resample_every_steps=3)
    whole, first, second = (Learner(member, np.zeros(5), 1.0) for _ in range(3))
    for step in range(12):
        whole.advance_(batch(step), measure=False)
    for step in range(6):
        first.advance_(batch(step), measure=False)
    tensors, numbers = first.state()
    second.load_state_({name: value.clone() for name, value in tensors.items()}, json.loads(json.dumps(numbers)))
    for step in range(6, 12):
        second.advance_(batch(step), measure=False)
    assert whole.state()[1] == second.state()[1]
    for name, value in whole.state()[0].items():
        assert torch.equal(second.state()[0][name], value), name
    assert whole.l0_train == second.l0_train


def test_the_state_of_another_shape_is_refused() -> None:
    tensors, numbers = Learner(a_member(), np.zeros(5), 1.0).state()
    with pytest.raises(ValueError, match="weights/M is"):
        Learner(a_member(n_latents=9), np.zeros(5), 1.0).load_state_(tensors, numbers)
    with pytest.raises(KeyError, match="on one side only"):
        Learner(a_member(architecture=TopKConfig(k=2)), np.zeros(5), 1.0).load_state_(tensors, numbers)


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


@pytest.mark.parametrize("device", ["cuda", "gpu"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(UserError, match="choose cpu"):
        Learner(a_member(), np.zeros(5), 1.0, device=device)
