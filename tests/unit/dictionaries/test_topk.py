"""Oracles: closed forms by hand; the conformance suite has the gradients, the export and the recovery."""

import pytest
import torch

from monosemy.core import UserError, from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, LossContext, TopK, TopKAutoencoder, TopKConfig


def built(k: int = 2, **settings: int) -> TopKAutoencoder:
    return TopKConfig(k=k, **settings).build(6, 10, torch_generator(0, "test"))


def x_of_test(n: int = 7) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch_generator(0, "test-x"))


def test_training_keeps_what_inference_keeps() -> None:
    module = built(3)
    encoding = module.encode_train(x_of_test())
    assert torch.equal(encoding.z, TopK(3)(encoding.pre_acts))
    assert encoding.index is not None
    assert bool((encoding.index.diff(dim=1) > 0).all())


def test_ties_go_to_the_lowest_index() -> None:
    module = built(2)
    with torch.no_grad():
        module.W_enc.copy_(module.W_enc[:1].expand(10, -1))
    index = module.encode_train(x_of_test()).index
    assert index is not None
    assert index.tolist() == [[0, 1]] * 7


def test_it_starts_with_unit_directions_and_their_copy_as_encoder() -> None:
    module = built()
    torch.testing.assert_close(module.W_dec.norm(dim=1), torch.ones(10))
    assert torch.equal(module.W_enc, module.W_dec)
    assert module.W_enc.data_ptr() != module.W_dec.data_ptr()
    assert not module.b_enc.any()
    assert not module.b_dec.any()


def test_after_a_step_the_rows_are_of_unit_norm_again() -> None:
    module, x = built(), x_of_test()
    encoding = module.encode_train(x)
    before = module.decode_train(encoding)
    with torch.no_grad():
        module.W_dec.mul_(3.0)
    torch.testing.assert_close(module.decode_train(encoding), before)  # the forward pass does not need it
    module.after_step_(encoding)
    torch.testing.assert_close(module.W_dec.norm(dim=1), torch.ones(10))


@pytest.mark.parametrize(("k_aux", "expected"), [(None, 3), (1, 1)])
def test_so_many_dead_latents_are_used(k_aux: int | None, expected: int) -> None:
    """6 dimensions: half of them by default; of one row, the gradient shows which latents were used."""
    module = TopKConfig(k=2, k_aux=k_aux).build(6, 10, torch_generator(0, "test"))
    x = x_of_test(2)
    encoding = module.encode_train(x)
    encoding.pre_acts.retain_grad()
    context = LossContext(fraction_done=0.0, is_dead=torch.arange(10) >= 4)
    module.loss(x, encoding, module.decode_train(encoding), context)["auxk"].backward()
    assert encoding.pre_acts.grad is not None
    assert encoding.pre_acts.grad.count_nonzero(dim=1).tolist() == [expected, expected]


def test_configuration() -> None:
    config = TopKConfig(k=16, k_aux=5)
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (True, "k=16")
    for wrong in ({"k": 0}, {"k": 1, "k_aux": 0}, {"k": 1, "auxk_coefficient": -1.0}):
        with pytest.raises(ValueError, match="at least"):
            TopKConfig(**wrong)
    with pytest.raises(UserError, match="only 10 latents"):
        built(11)
