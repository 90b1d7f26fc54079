"""How much memory training takes, by arithmetic alone: nothing of the size in question is made."""

import math
from dataclasses import dataclass

import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    MatryoshkaConfig,
    TiedL1Config,
    TopKConfig,
    TrainableDictionary,
)
from monosemy.training.fast import BLOCK_ROWS
from monosemy.training.member import Member

FLOAT = 4  # bytes
ROW_COPIES = 8
"""Of the batch `[batch d]`, in float32: raw, normalized, reconstruction, residual, and two in float64 (the FVU)."""

ENTRY_BYTES = 24
"""Of an active entry in the lists of the sparse step: index, value and slope, by row and by column."""

_TINY_D = 5  # small, and no dimension of a tiny dictionary but d


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryNeed:
    """Bytes that one member in training takes: its weights, the optimizer's moments, and what a step works in."""

    weights: int
    moments: int
    buffers: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.moments + self.buffers


def training_bytes(member: Member, d_site: int, *, n_threads: int = 1) -> MemoryNeed:
    """The memory of a member in training, without the process around it and the reader of the activations.

        weights = 4 P                     P: the number of parameters
        moments = 8 P                     two of Adam a parameter
        buffers = 4 (8 B d + step)        B: batch_size, d: d_site, n: n_latents

        step, by autograd           P + 6 B n                    gradients; pre-activations, latents, what is between
        step, from active values    2 n d + n                    gradients of encoder, decoder and bias
                                    + n_threads min(256, B) n    one block of rows of pre-activations a thread
                                    + 6 B room                   lists; room: k, or min(n, 2 sparse_below n)
                                    + 2 B n                      while latents are dense; only where no k bounds them

    It does not grow with the tokens. What members of one size share in turn (buffers) is counted for each here. A form
    with k takes the step by autograd where k / n is not below `sparse_below`.
    """
    batch, n, d = member.batch_size, member.n_latents, d_site
    n_parameters = count_parameters(member.architecture, n, d)
    form = _tiny(member.architecture).sparse_form()
    by_autograd = form is None or member.sparse_below == 0
    if form is None or by_autograd or (form.k is not None and form.k / n >= member.sparse_below):
        step = n_parameters + 6 * batch * n
    else:
        bounded = form.k is not None and form.selected_in == "row"
        room = min(n, form.k if bounded and form.k is not None else math.ceil(2 * member.sparse_below * n))
        lists = ENTRY_BYTES * batch * room // FLOAT
        dense = 0 if form.k is not None else 2 * batch * n
        step = 2 * n * d + n + n_threads * min(BLOCK_ROWS, batch) * n + lists + dense
    return MemoryNeed(
        weights=FLOAT * n_parameters,
        moments=2 * FLOAT * n_parameters,
        buffers=FLOAT * (ROW_COPIES * batch * d + step),
    )


def count_parameters(architecture: Architecture, n_latents: int, d_site: int) -> int:
    """The number of trained numbers of a dictionary of this size, which is not made: a tiny one tells the shapes."""
    tiny_n = _tiny_n(architecture)
    sizes = {tiny_n: n_latents, _TINY_D: d_site}
    shapes = [parameter.shape for parameter in _tiny(architecture).parameters()]
    return sum(math.prod(sizes.get(length, length) for length in shape) for shape in shapes)


def _tiny_n(architecture: Architecture) -> int:
    """Latents enough for its k, and for the prefixes of a nested dictionary to differ."""
    has_k = isinstance(architecture, TopKConfig | BatchTopKConfig | MatryoshkaConfig)
    return 997 + (architecture.k if has_k else 0)


def _tiny(architecture: Architecture) -> TrainableDictionary:
    generator, n = torch_generator(0, "count-parameters"), _tiny_n(architecture)
    if isinstance(architecture, TiedL1Config) and architecture.whitened:
        return architecture.build(_TINY_D, n, generator, torch.eye(_TINY_D, dtype=torch.float64))
    return architecture.build(_TINY_D, n, generator)
