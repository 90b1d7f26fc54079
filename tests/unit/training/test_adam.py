"""The optimizer. Oracle: its formula in float64, step by step."""

import math

import pytest
import torch
from torch import nn

from monosemy.core import torch_generator
from monosemy.training import Adam


class Two(nn.Module):
    """A matrix and a vector."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch_generator(0, "test-adam")
        self.W = nn.Parameter(torch.randn(3, 2, generator=generator, dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(3, generator=generator, dtype=torch.float64))


def gradient(step: int, like: torch.Tensor) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch_generator(step, "test-adam-gradient"), dtype=like.dtype)


def by_formula(start: torch.Tensor, n_steps: int, rate: float, *, frozen: bool) -> torch.Tensor:
    w, m, v = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step in range(n_steps):
        t, g = (1 if frozen else step + 1), gradient(step, start)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    return w


def take(module: Two, optimizer: Adam, n_steps: int, rate: float) -> None:
    for _ in range(n_steps):
        optimizer.zero_grad()
        for parameter in module.parameters():
            parameter.grad = gradient(optimizer.n_steps, parameter)
        optimizer.step_(rate)


@pytest.mark.parametrize("frozen", [False, True])
def test_steps_are_those_of_the_formula(frozen: bool) -> None:
    module = Two()
    starts = [parameter.detach().clone() for parameter in module.parameters()]
    take(module, Adam(module, frozen=frozen), 7, 0.01)
    for parameter, start in zip(module.parameters(), starts, strict=True):
        torch.testing.assert_close(parameter.detach(), by_formula(start, 7, 0.01, frozen=frozen), rtol=0, atol=1e-9)


def test_the_frozen_count_ends_at_a_third_of_the_rate() -> None:
    """With a constant gradient the step goes to rate * sqrt(.001) / .1; measured on the paper's code, 0.316."""
    module = nn.Module()
    module.w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = Adam(module, frozen=True)
    before = 0.0
    for _ in range(8000):
        module.w.grad = torch.ones_like(module.w)
        before = module.w.item()
        optimizer.step_(1.0)
    assert before - module.w.item() == pytest.approx(math.sqrt(0.001) / 0.1, rel=1e-3)


def test_a_step_by_hand_on_its_moments_is_its_own() -> None:
    """What the fast paths do: the moments in place, the corrections of the step to come, the count."""
    by_hand, by_itself = Two(), Two()
    optimizer = Adam(by_hand)
    take(by_hand, optimizer, 2, 0.1)
    take(by_itself, Adam(by_itself), 3, 0.1)
    correction_1, correction_2 = optimizer.next_corrections()
    with torch.no_grad():
        for parameter in by_hand.parameters():
            m, v = optimizer.moments(parameter)
            g = gradient(2, parameter)
            m.mul_(0.9).add_(g, alpha=0.1)
            v.mul_(0.999).add_(g * g, alpha=0.001)
            parameter -= 0.1 * (m / correction_1) / ((v / correction_2).sqrt() + 1e-8)
    for found, expected in zip(by_hand.parameters(), by_itself.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_forgotten_rows_and_no_others() -> None:
    module = Two()
    optimizer = Adam(module)
    take(module, optimizer, 2, 0.1)
    before = [moment.clone() for moment in optimizer.moments(module.W)]
    optimizer.forget_rows_(module.W, torch.tensor([1]))
    for moment, old in zip(optimizer.moments(module.W), before, strict=True):
        assert (moment[1] == 0).all() and torch.equal(moment[[0, 2]], old[[0, 2]]) and (old != 0).all()


def test_its_state_names_every_moment_and_is_not_a_copy() -> None:
    module = Two()
    optimizer = Adam(module)
    state = optimizer.state()
    take(module, optimizer, 1, 0.1)
    assert set(state) == {"W/m", "W/v", "b/m", "b/v"}
    torch.testing.assert_close(state["W/m"], 0.1 * gradient(0, module.W), rtol=1e-12, atol=0)
