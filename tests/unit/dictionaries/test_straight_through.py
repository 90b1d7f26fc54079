"""Oracles: the published gradients by hand, element by element in Python floats; autograd is not asked about itself."""

import math

import pytest
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import jump, step

EPSILON = 0.5


def given() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pre-activations, thresholds and the gradient that comes from above."""
    generator = torch_generator(0, "test")
    pre, above = (torch.randn(50, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return pre.requires_grad_(), torch.tensor([0.0, 0.1, 0.4, 1.0]).double().requires_grad_(), above


def test_jump() -> None:
    pre, theta, above = given()
    z = jump(pre, theta, EPSILON)
    z.backward(above)
    of_pre, of_theta = torch.zeros(50, 4).double(), [0.0] * 4
    for row in range(50):
        for i in range(4):
            p, t, g = pre[row, i].item(), theta[i].item(), above[row, i].item()
            assert z[row, i].item() == (p if p > t else 0.0)
            of_pre[row, i] = g if p > t else 0.0
            of_theta[i] += -t / EPSILON * g if abs((p - t) / EPSILON) < 0.5 else 0.0
    assert pre.grad is not None
    assert theta.grad is not None
    torch.testing.assert_close(pre.grad, of_pre)
    torch.testing.assert_close(theta.grad, torch.tensor(of_theta).double())


def test_step_sees_both_halves_of_its_window() -> None:
    pre, theta, above = given()
    is_on = step(pre, theta, EPSILON)
    is_on.backward(above)
    of_theta, halves = [0.0] * 4, [0, 0]
    for row in range(50):
        for i in range(4):
            p, t, g = pre[row, i].item(), theta[i].item(), above[row, i].item()
            assert is_on[row, i].item() == (1.0 if p > t else 0.0)
            if abs((p - t) / EPSILON) < 0.5:
                of_theta[i] -= g / EPSILON
                halves[p > t] += 1
    assert min(halves) > 10
    assert pre.grad is None
    assert theta.grad is not None
    torch.testing.assert_close(theta.grad, torch.tensor(of_theta).double())


def test_one_pre_activation_at_a_time() -> None:
    """At theta = 1 and a bandwidth of .001, a value just below it and one just above weigh -1000 each."""
    theta = torch.tensor([1.0], requires_grad=True)
    step(torch.tensor([[0.9998], [1.0002], [1.1]]), theta, 0.001).sum().backward()
    assert theta.grad is not None
    assert theta.grad.item() == pytest.approx(-2000.0)


def test_nan_is_not_dropped() -> None:
    assert math.isnan(jump(torch.tensor([[math.nan]]), torch.zeros(1), EPSILON).item())
