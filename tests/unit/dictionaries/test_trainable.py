"""Oracle: encodings written by hand, dense and as indices."""

import pytest
import torch

from monosemy.dictionaries import Encoding, TrainableDictionary

DENSE = Encoding(torch.zeros(2, 4), torch.tensor([[0.0, 2.0, 0.0, 0.0], [1.0, 3.0, 0.0, 0.0]]))
SPARSE = Encoding(torch.zeros(2, 4), torch.tensor([[2.0, 0.0], [1.0, 3.0]]), torch.tensor([[1, 3], [0, 1]]))


@pytest.mark.parametrize("encoding", [DENSE, SPARSE])
def test_both_forms_say_the_same(encoding: Encoding) -> None:
    """Latent 3 was selected once, with the value zero: it did not fire."""
    assert encoding.z.tolist() == [[0.0, 2.0, 0.0, 0.0], [1.0, 3.0, 0.0, 0.0]]
    assert encoding.fired().tolist() == [True, True, False, False]
    assert encoding.l0() == 1.5


def test_values_keep_their_graph() -> None:
    values = torch.tensor([[2.0, 5.0]], requires_grad=True)
    z = Encoding(torch.zeros(1, 4), values, torch.tensor([[1, 3]])).z
    (gradient,) = torch.autograd.grad((z * torch.tensor([[1.0, 10.0, 100.0, 1000.0]])).sum(), values)
    assert gradient.tolist() == [[10.0, 1000.0]]


def test_what_an_architecture_has_to_write() -> None:
    methods = {"encode_train", "decode_train", "loss", "after_step_", "export"}
    methods |= {"latent_parameters", "reset_latents_", "sparse_form"}
    assert TrainableDictionary.__abstractmethods__ == methods
