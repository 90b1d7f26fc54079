"""Products. Oracle: float64; on the CPU nothing is rounded."""

import torch

from monosemy.core import torch_generator
from monosemy.training.cuda import product, rounded


def test_on_the_cpu_products_are_of_float32() -> None:
    generator = torch_generator(0, "test-product")
    a, b = torch.randn(2, 5, 3, generator=generator), torch.randn(2, 3, 4, generator=generator)
    assert rounded(a) is a
    torch.testing.assert_close(product(a, b).double(), a.double() @ b.double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(product(a[0], b[0]), product(a, b)[0], rtol=1e-6, atol=1e-6)
