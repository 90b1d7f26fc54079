"""Oracles: sorting by (value descending, index ascending) in plain Python; rows written by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import AbsTopK, Identity, JumpReLU, ReLU, TopK, keep, largest, largest_in_batch


def positions(rows: list[list[float]], k: int) -> list[int]:
    """The definition, in Python."""
    found = []
    for number, row in enumerate(rows):
        kept = sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]
        found += [number * len(row) + i for i in sorted(kept)]
    return found


# Few different values: nearly every row has ties, often at the boundary.
TIED_ROWS = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=width, max_size=width), min_size=1, max_size=5
    )
)


@given(rows=TIED_ROWS, k=st.integers(1, 6), dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
def test_the_largest_with_ties_to_the_lowest_index(rows: list[list[float]], k: int, dtype: torch.dtype) -> None:
    """bfloat16 takes the path by sorting, the others the one by partition."""
    k = min(k, len(rows[0]))
    assert largest(torch.tensor(rows, dtype=dtype), k).tolist() == positions(rows, k)


@given(rows=TIED_ROWS, k=st.integers(1, 4))
def test_the_largest_of_a_batch_with_ties_to_the_lowest_position(rows: list[list[float]], k: int) -> None:
    values = torch.tensor(rows)
    n_kept = min(k * len(rows), values.numel())
    flat = [value for row in rows for value in row]
    assert largest_in_batch(values, n_kept).tolist() == positions([flat], n_kept)


def test_a_batch_with_too_few_values_is_refused() -> None:
    with pytest.raises(UserError, match="k is 7"):
        largest_in_batch(torch.zeros(2, 3), 7)


@pytest.mark.parametrize("k", [1, 16, 640])
def test_many_rows_in_blocks(k: int) -> None:
    values = torch.randn(1000, 640, generator=torch_generator(0, "test"))
    values[300:310] = values[300, 0]  # rows of ties among rows without
    values[990] = values[990].round()
    expected = torch.tensor(positions(values.tolist(), k))
    assert torch.equal(largest(values, k), expected)


def test_any_number_of_batch_dimensions() -> None:
    values = torch.randn(2, 3, 8, generator=torch_generator(0, "test"))
    assert torch.equal(TopK(2)(values), TopK(2)(values.reshape(6, 8)).reshape(2, 3, 8))
    assert torch.equal(TopK(2)(values[0, 0]), TopK(2)(values)[0, 0])
    assert largest(values[:0], 2).numel() == 0


def test_topk_by_hand() -> None:
    pre = torch.tensor([[3.0, -1.0, 2.0, 2.0], [-3.0, -1.0, 0.5, -2.0], [0.0, 0.0, 0.0, 0.0]])
    expected = [[3.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]]
    assert TopK(2)(pre).tolist() == expected


def test_abs_topk_by_hand() -> None:
    pre = torch.tensor([[3.0, -4.0, 2.0, -2.0], [1.0, -1.0, 1.0, -1.0]])
    assert AbsTopK(2)(pre).tolist() == [[3.0, -4.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0]]
    assert AbsTopK(3)(pre).tolist() == [[3.0, -4.0, 2.0, 0.0], [1.0, -1.0, 1.0, 0.0]]


def test_the_others_by_hand() -> None:
    pre = torch.tensor([[-1.0, 0.5, 1.0, 3.0]])
    assert Identity()(pre).tolist() == [[-1.0, 0.5, 1.0, 3.0]]
    assert ReLU()(pre).tolist() == [[0.0, 0.5, 1.0, 3.0]]
    assert JumpReLU(torch.tensor([0.0, 1.0, 1.0, 1.0]))(pre).tolist() == [[0.0, 0.0, 0.0, 3.0]]


@pytest.mark.parametrize("sparsifier", [ReLU(), TopK(2), AbsTopK(2), JumpReLU(torch.zeros(4)), Identity()])
@pytest.mark.parametrize("n_nan", [1, 3, 4])
def test_nan_is_never_dropped(sparsifier: TopK, n_nan: int) -> None:
    """More of them than k, and fewer."""
    pre = torch.tensor([[5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0]])
    pre[0, :n_nan] = math.nan
    z = sparsifier(pre)
    assert bool(z[0].isnan().any())
    assert not bool(z[1].isnan().any())
    if isinstance(sparsifier, TopK):
        assert len(largest(pre, 2)) == 4


def test_what_is_kept_has_a_gradient_and_nothing_else() -> None:
    pre = torch.tensor([[3.0, -4.0, 2.0, 1.0]], requires_grad=True)
    weights = torch.tensor([[10.0, 20.0, 30.0, 40.0]])
    for sparsifier, expected in ((TopK(2), [[10.0, 0, 30.0, 0]]), (AbsTopK(2), [[10.0, 20.0, 0, 0]])):
        (gradient,) = torch.autograd.grad((sparsifier(pre) * weights).sum(), pre)
        assert gradient.tolist() == expected


def test_the_input_is_left_as_it_was() -> None:
    pre = torch.randn(5, 6, generator=torch_generator(0, "test"))
    before = pre.clone()
    for sparsifier in (TopK(2), AbsTopK(2), ReLU(), JumpReLU(torch.zeros(6))):
        sparsifier(pre)
    keep(pre, largest(pre, 3)).zero_()
    assert torch.equal(pre, before)


@pytest.mark.parametrize("make", [lambda: TopK(0), lambda: AbsTopK(-1), lambda: TopK(5)(torch.zeros(2, 4))])
def test_an_impossible_k_is_refused(make) -> None:
    with pytest.raises(UserError, match="choose"):
        make()


def test_thresholds_must_be_finite() -> None:
    with pytest.raises(UserError, match="finite"):
        JumpReLU(torch.tensor([0.0, math.nan]))


def test_thresholds_of_the_training_are_cut_off_from_its_graph() -> None:
    theta: Tensor = torch.zeros(3, requires_grad=True)
    assert not JumpReLU(theta).theta.requires_grad
