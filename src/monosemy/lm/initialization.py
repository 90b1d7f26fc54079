"""Our own seeded initializer, for training a language model and for the random-weights control."""

import math

import torch
from torch import nn

from monosemy.core import torch_generator

RESIDUAL_OUTPUTS = ("attention.dense", "dense_4h_to_h", "c_proj", "o_proj", "down_proj")
"""Module names of the projections that write to the residual stream, over the supported families."""


@torch.no_grad()
def initialize_(model: nn.Module, seed: int, *, n_layers: int, std: float = 0.02) -> None:
    """Fill every parameter of `model` in place, each from a stream of its own named by the parameter.

    matrices and embeddings ~ N(0, std^2); projections into the residual stream ~ N(0, std^2 / (2 n_layers));
    biases 0; norm weights 1.   Source: Radford et al. 2019 (GPT-2), section 2.3.
    Independent of transformers' initializers and of the global random state: the same seed gives the same bytes under
    every release of transformers, and one parameter more or less changes no other.
    """
    residual_std = std / math.sqrt(2 * n_layers)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif parameter.ndim == 1:
            parameter.fill_(1.0)
        else:
            writes_residual = name.removesuffix(".weight").endswith(RESIDUAL_OUTPUTS)
            own_std = residual_std if writes_residual else std
            values = torch.empty(parameter.shape, dtype=torch.float32)
            parameter.copy_(values.normal_(0.0, own_std, generator=torch_generator(seed, f"init/{name}")))
