"""What members learn from: batches of activations that can be taken up again at any of them."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from torch import Tensor

Batch = Mapping[str, Tensor]
"""Site -> raw activations `[batch d]`, of the same tokens at every site."""

StreamState = Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchStream:
    """Batches, each with the state that goes on after it.

    open(state): the batches from a state on, from the beginning where it is None; with the state given beside a batch
    exactly the next one comes first. A batch is valid until the next one is asked for, or the generator is closed.
    """

    open: Callable[[StreamState | None], Generator[tuple[Batch, StreamState], None, None]]
