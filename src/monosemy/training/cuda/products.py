"""Matrix products of a training step: bfloat16 on a GPU, float32 on the CPU."""

import torch
from jaxtyping import Float
from torch import Tensor


def rounded(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """x as it enters a product: in bfloat16 on a GPU, which keeps 8 bits of each number; on the CPU as it is."""
    return x.bfloat16() if x.device.type == "cuda" else x


def product(a: Float[Tensor, "*members m k"], b: Float[Tensor, "*members k n"]) -> Float[Tensor, "*members m n"]:
    """a b in float32, of rounded matrices; on a GPU sums and result are float32 too, so that ties stay rare."""
    if a.dtype == torch.float32:
        return a @ b
    multiply = torch.mm if a.ndim == 2 else torch.bmm
    return multiply(a, b, out_dtype=torch.float32)
