"""One step by its definition. Oracle: the loss written out, and what must not change."""

import copy

import pytest
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import LossContext, TiedL1Config, TopKConfig
from monosemy.training import Adam, AutogradStepper

CONTEXT = LossContext(fraction_done=0.0, is_dead=torch.zeros(12, dtype=torch.bool))


def batch() -> torch.Tensor:
    return torch.randn(20, 6, generator=torch_generator(0, "test-stepper"))


def test_what_a_step_saw_of_its_batch() -> None:
    module, x = TiedL1Config(coefficient=0.5).build(6, 12, torch_generator(0, "test-stepper-build")), batch()
    rows = torch.nn.functional.normalize(module.M.detach().double(), dim=1)
    z = (x.double() @ rows.T).relu()
    error = (z @ rows - x).square().sum(dim=1)
    step = AutogradStepper(module, Adam(module)).step_(x, CONTEXT, 0.01)
    assert step.loss == pytest.approx(
        {"reconstruction": float(error.mean()), "l1": 0.5 * float(z.sum()) / 20}, rel=1e-5
    )
    assert step.n_active == int((z > 0).sum())
    assert torch.equal(step.fired, (z > 0).any(dim=0))
    torch.testing.assert_close(step.row_error.double(), error, rtol=1e-5, atol=1e-6)
    assert step.squared_error == pytest.approx(float(error.sum()), rel=1e-5)


def test_a_step_goes_down_and_counts() -> None:
    module = TopKConfig(k=3).build(6, 12, torch_generator(0, "test-stepper-build"))
    stepper = AutogradStepper(module, Adam(module))
    losses = [sum(stepper.step_(batch(), CONTEXT, 0.01).loss.values()) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0] and stepper.optimizer.n_steps == 30


def test_where_the_loss_is_not_finite_nothing_changes() -> None:
    module, x = TopKConfig(k=3).build(6, 12, torch_generator(0, "test-stepper-build")), batch()
    before = copy.deepcopy(module.state_dict())
    x[2, 3] = torch.inf
    optimizer = Adam(module)
    assert not AutogradStepper(module, optimizer).step_(x, CONTEXT, 0.01).is_finite
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert optimizer.n_steps == 0


def test_it_keeps_no_state() -> None:
    module = TopKConfig(k=3).build(6, 12, torch_generator(0, "test-stepper-build"))
    stepper = AutogradStepper(module, Adam(module))
    stepper.load_state_(stepper.state())
    with pytest.raises(ValueError, match="guess"):
        stepper.load_state_({"guess": torch.zeros(1)})
