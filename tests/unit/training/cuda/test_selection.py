"""Selection for many members. Oracle: `largest` of each member's rows, whose own oracle is a stable sort."""

import pytest
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import largest, largest_in_batch
from monosemy.training.cuda import selected


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("ks", [[1, 4, 9], [3, 3, 3]])
@pytest.mark.parametrize("selected_in", ["row", "batch"])
def test_it_is_what_each_member_selects(selected_in: str, ks: list[int], ties: bool) -> None:
    """ties: numbers of one digit, of which many are equal; ties go to the lowest index."""
    values = torch.randn(3, 7, 9, generator=torch_generator(0, "test-selected"))
    values = values.round() if ties else values
    assert selected_in in ("row", "batch")
    found = selected(values, ks, "row" if selected_in == "row" else "batch")
    for kept, member, k in zip(found, values, ks, strict=True):
        positions = largest(member, k) if selected_in == "row" else largest_in_batch(member, 7 * k)
        assert kept.flatten().nonzero().flatten().tolist() == positions.tolist()


def test_layout_does_not_matter() -> None:
    """Pre-activations come as one wide product, members side by side in a row."""
    wide = torch.randn(7, 3, 9, generator=torch_generator(0, "test-selected")).round().transpose(0, 1)
    for where in ("row", "batch"):
        assert torch.equal(selected(wide, [2, 3, 4], where), selected(wide.contiguous(), [2, 3, 4], where))


def test_without_k_all_that_are_positive_and_nan() -> None:
    values = torch.tensor([[[-1.0, 0.0, 2.0, torch.nan]]])
    assert selected(values, None).tolist() == [[[False, False, True, True]]]


def test_nan_is_among_the_largest() -> None:
    values = torch.tensor([[[5.0, torch.nan, 2.0]]])
    assert bool(selected(values, [2])[0, 0, 1])
