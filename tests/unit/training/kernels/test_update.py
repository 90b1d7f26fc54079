"""The kernels of the update. Oracle: torch.optim.Adam in float64 on the loss sum(gradient * rows used)."""

import numpy as np
import pytest
import torch

from monosemy.core import torch_generator
from monosemy.training.kernels import FREE, NORMALIZED, UNIT, adam, normalize

N, D, STEPS, RATE = 9, 13, 6, 0.03


def gradients() -> torch.Tensor:
    return torch.randn(STEPS, N, D, generator=torch_generator(0, "test-kernel-update"), dtype=torch.float64)


def start() -> torch.Tensor:
    rows = torch.randn(N, D, generator=torch_generator(1, "test-kernel-update"), dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def by_torch(kind: int, rows: torch.Tensor) -> torch.Tensor:
    weights = rows.clone().requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=RATE)
    for gradient in gradients():
        optimizer.zero_grad()
        used = weights if kind == FREE else torch.nn.functional.normalize(weights, dim=1)
        (used * gradient).sum().backward()
        optimizer.step()
        if kind == UNIT:
            with torch.no_grad():
                weights.copy_(torch.nn.functional.normalize(weights, dim=1))
    return weights.detach()


@pytest.mark.parametrize(("kind", "norm"), [(FREE, 1.0), (UNIT, 1.0), (NORMALIZED, 1.0), (NORMALIZED, 3.5)])
def test_adam(kind: int, norm: float) -> None:
    rows = start() * norm
    weights = rows.float().numpy().copy()
    m, v = np.zeros_like(weights), np.zeros_like(weights)
    for t, gradient in enumerate(gradients(), start=1):
        arrays = weights, gradient.float().numpy(), m, v
        total = 0.0
        for first, last in ((0, 4), (4, N)):  # two threads' pieces
            total += adam(first, last, *arrays, RATE, 0.9, 0.999, 1 - 0.9**t, 1 - 0.999**t, 1e-8, kind)
        assert np.isfinite(total)
    # Adam divides by the root of squares: a gradient's rounding moves a weight by rate times its relative error.
    np.testing.assert_allclose(weights, by_torch(kind, rows).numpy(), atol=2e-5)


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [FREE, UNIT, NORMALIZED])
def test_the_sum_tells_of_weights_that_are_not_finite(spoiled: float, kind: int) -> None:
    weights, gradient = start().float().numpy().copy(), gradients()[0].float().numpy().copy()
    gradient[5, 2] = spoiled
    m, v = np.zeros_like(weights), np.zeros_like(weights)
    assert not np.isfinite(adam(0, N, weights, gradient, m, v, RATE, 0.9, 0.999, 0.1, 0.001, 1e-8, kind))


def test_rows_of_unit_norm_and_a_zero_row() -> None:
    weights = start().float().numpy() * np.float32(4)
    weights[3] = 0.0
    unit = np.full_like(weights, np.nan)
    normalize(1, N, weights, unit)
    norms = np.linalg.norm(unit[1:], axis=1)
    np.testing.assert_allclose(norms, [1.0, 1.0, 0.0, *[1.0] * 5], rtol=1e-6)
    assert np.isnan(unit[0]).all()
