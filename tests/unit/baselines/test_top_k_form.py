"""Oracles: a sort by hand; the law that k = n_latents changes nothing."""

import pytest
import torch

from monosemy.baselines import fit_neurons, fit_neurons_relu, fit_random, fit_random_relu, top_k_form
from monosemy.core import UserError
from monosemy.dictionaries import AbsTopK, TopK
from tests.unit.baselines.planted import batches_of, generator, skewed

X = skewed()


def test_signed_responses_keep_the_largest_magnitudes_with_their_signs() -> None:
    x = torch.tensor([[3.0, -5.0, 1.0], [0.5, 0.25, -0.75]])
    found = top_k_form(fit_neurons(batches_of(x), 3, generator()), 2)
    assert found.encode(x).tolist() == [[3.0, -5.0, 0.0], [0.5, 0.0, -0.75]]
    assert found.sparsifier == AbsTopK(2)


def test_positive_responses_keep_the_largest_and_never_a_negative_one() -> None:
    x = torch.tensor([[3.0, -5.0, 1.0], [0.5, -0.25, -0.75]])
    found = top_k_form(fit_neurons_relu(batches_of(x), 3, generator()), 2)
    assert found.encode(x).tolist() == [[3.0, 0.0, 1.0], [0.5, 0.0, 0.0]]
    assert found.sparsifier == TopK(2)


@pytest.mark.parametrize("fit", [fit_random, fit_random_relu])
def test_all_latents_are_the_dense_form(fit) -> None:
    dense = fit(batches_of(X), 9, generator())
    assert torch.equal(top_k_form(dense, 9).encode(X), dense.encode(X))
    assert torch.equal(top_k_form(dense, 2).W_dec, dense.W_dec)


@pytest.mark.parametrize("k", [0, -1, 7])
def test_k_has_bounds(k: int) -> None:
    with pytest.raises(UserError, match=f"k is {k}; a dictionary of 6 latents can keep 1 to 6"):
        top_k_form(fit_neurons(batches_of(X), 6, generator()), k)


def test_a_sparse_dictionary_has_no_top_k_form() -> None:
    sparse = top_k_form(fit_neurons(batches_of(X), 6, generator()), 3)
    with pytest.raises(UserError, match="this one has AbsTopK already"):
        top_k_form(sparse, 2)
