"""Oracle: torch tensors of the declared and of other shapes and kinds of number."""

import pytest
import torch

from monosemy.core import Activations, Directions, Latents, Logits, Tokens


@pytest.mark.parametrize(
    ("alias", "n_dimensions"), [(Activations, 2), (Latents, 2), (Directions, 2), (Tokens, 2), (Logits, 3)]
)
def test_each_alias_takes_its_rank_and_kind_of_number_only(alias: type, n_dimensions: int) -> None:
    dtype, other = (torch.int64, torch.float32) if alias is Tokens else (torch.float32, torch.int64)
    shape = (2,) * n_dimensions
    assert isinstance(torch.zeros(shape, dtype=dtype), alias)
    assert not isinstance(torch.zeros(shape, dtype=other), alias)
    assert not isinstance(torch.zeros((*shape, 2), dtype=dtype), alias)
