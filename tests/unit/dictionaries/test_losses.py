"""Oracles: numbers worked out by hand, numpy in float64; gradients are compared in tests/conformance."""

import numpy as np
import pytest
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import (
    auxk,
    l1,
    mean_squared_error,
    off_target,
    saturating,
    squared_error,
    unit_rows,
    weighted_l1,
)


def test_errors_by_hand() -> None:
    x, x_hat = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 4.0], [3.0, 0.0]])
    assert squared_error(x, x_hat).item() == (4 + 9) / 2
    assert mean_squared_error(x, x_hat).item() == (4 + 9) / 4
    assert l1(torch.tensor([[1.0, 0.0, 2.0], [0.5, 0.0, 0.0]])).item() == 3.5 / 2


def test_penalties_by_hand() -> None:
    z = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
    assert weighted_l1(z, torch.tensor([[3.0, 4.0], [0.0, 0.1]])).item() == pytest.approx((1.5 * 5 + 2 * 0.1) / 2)
    tanh_4, tanh_2, tanh_8 = np.tanh([4.0, 2.0, 8.0])
    assert saturating(z, 4).item() == pytest.approx((tanh_4 + tanh_2 + tanh_8) / 2)
    assert off_target(torch.tensor(3.0), 2.0).item() == 0.25


def test_unit_rows() -> None:
    rows = unit_rows(torch.tensor([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, -1.0], [0.0, 0.0]], rtol=1e-6)


def given(n_dead: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch_generator(0, "test")
    residual, pre, directions = (torch.randn(*shape, generator=generator) for shape in ((9, 5), (9, 12), (12, 5)))
    is_dead = torch.zeros(12, dtype=torch.bool)
    is_dead[2 : 2 + n_dead] = True
    return residual, pre, directions, is_dead


@pytest.mark.parametrize(("n_dead", "k_aux"), [(1, 3), (3, 3), (7, 3)])
def test_auxk_is_the_residual_left_by_the_best_dead_latents(n_dead: int, k_aux: int) -> None:
    residual, pre, directions, is_dead = given(n_dead)
    e, p, w = (each.double().numpy() for each in (residual, pre, directions))
    e_hat = np.zeros_like(e)
    for row in range(len(e)):
        best = sorted(range(2, 2 + n_dead), key=lambda i: -p[row, i])[:k_aux]
        e_hat[row] = p[row, best] @ w[best]
    expected = ((e - e_hat) ** 2).sum() / ((e - e.mean(axis=0)) ** 2).sum()
    assert auxk(residual, pre, directions, is_dead, k_aux).item() == pytest.approx(expected, rel=1e-5)


def test_auxk_is_exactly_zero_without_dead_latents_or_variation() -> None:
    residual, pre, directions, is_dead = given(2)
    pre.requires_grad_()
    none = torch.zeros_like(is_dead)
    cases = [auxk(residual, pre, directions, none, 3), auxk(residual, pre, directions, is_dead, 0)]
    cases.append(auxk(residual[:1], pre[:1], directions, is_dead, 3))
    for value in cases:
        assert value.item() == 0.0
        assert not value.requires_grad


def test_auxk_takes_the_residual_as_a_constant() -> None:
    residual, pre, directions, is_dead = given(3)
    residual.requires_grad_()
    directions.requires_grad_()
    auxk(residual, pre, directions, is_dead, 3).backward()
    assert residual.grad is None
    assert directions.grad is not None
