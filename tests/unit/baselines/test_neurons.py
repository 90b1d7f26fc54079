"""Oracle: the definition, z = x."""

import pytest
import torch

from monosemy.baselines import fit_neurons, fit_neurons_relu
from monosemy.core import UserError
from tests.unit.baselines.planted import batches_of, generator, skewed


def test_neurons_are_the_coordinates() -> None:
    x = skewed()
    found = fit_neurons(batches_of(x), 6, generator())
    assert torch.equal(found.encode(x), x)
    assert torch.equal(found.reconstruct(x), x)


def test_neurons_with_relu_are_their_positive_parts() -> None:
    x = skewed()
    found = fit_neurons_relu(batches_of(x), 6, generator())
    assert torch.equal(found.encode(x), x.clamp_min(0))
    assert torch.equal(found.reconstruct(x), x.clamp_min(0))
    assert (x < 0).any()


@pytest.mark.parametrize("fit", [fit_neurons, fit_neurons_relu])
def test_their_number_is_the_width(fit) -> None:
    with pytest.raises(UserError, match=r"neurons cannot have 7 latents; allowed here: 6, one a dimension of the site"):
        fit(batches_of(skewed()), 7, generator())
    with pytest.raises(UserError, match="no activations"):
        fit(lambda: iter(()), 6, generator())
