"""Oracles: closed forms by hand; the conformance suite has the gradients, the export and the recovery."""

import pytest
import torch

from monosemy.core import UserError, from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, BatchTopKAutoencoder, BatchTopKConfig, JumpReLU


def built(k: int = 2) -> BatchTopKAutoencoder:
    return BatchTopKConfig(k=k).build(6, 10, torch_generator(0, "test"))


def test_a_strong_row_takes_the_places_of_a_weak_one() -> None:
    module = built(2)
    x = torch.randn(4, 6, generator=torch_generator(0, "test-x"))
    x[0] *= 100
    x[1] *= 0.001
    z = module.encode_train(x).z
    assert int(z.count_nonzero()) == 8
    assert int(z[0].count_nonzero()) > 2
    assert int(z[1].count_nonzero()) == 0


def test_ties_go_to_the_lowest_flat_index() -> None:
    module = built(1)
    with torch.no_grad():
        module.W_enc.copy_(torch.ones(10, 6))
    z = module.encode_train(torch.ones(3, 6)).z
    assert z.nonzero().tolist() == [[0, 0], [0, 1], [0, 2]]


def test_fewer_are_active_where_fewer_are_positive() -> None:
    module = built(5)
    with torch.no_grad():
        module.b_enc.fill_(-1e6)
        module.b_enc[3] = 1e6
    assert module.encode_train(torch.zeros(4, 6)).z.count_nonzero(dim=1).tolist() == [1, 1, 1, 1]


def test_it_is_exported_with_its_threshold_and_not_before_it_has_one() -> None:
    module = built()
    with pytest.raises(UserError, match="was not calibrated"):
        module.export(torch.zeros(6), 1.0)
    module.threshold.fill_(0.75)
    sparsifier = module.export(torch.zeros(6), 4.0).sparsifier
    assert isinstance(sparsifier, JumpReLU)
    assert sparsifier.theta.tolist() == [0.75] * 10  # of pre-activations, which no scale changes
    assert module.state_dict()["threshold"].item() == 0.75


def test_configuration() -> None:
    config = BatchTopKConfig(k=16, k_aux=5)
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (True, "k=16")
    for wrong in ({"k": 0}, {"k": 1, "k_aux": 0}, {"k": 1, "auxk_coefficient": -1.0}):
        with pytest.raises(ValueError, match="at least"):
            BatchTopKConfig(**wrong)
    with pytest.raises(UserError, match="only 10 latents"):
        built(11)
