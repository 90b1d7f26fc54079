"""Oracles: closed forms by hand; the conformance suite has the gradients, the export and the recovery."""

from dataclasses import replace

import pytest
import torch

from monosemy.core import UserError, from_json, to_json, torch_generator
from monosemy.dictionaries import Architecture, JumpReLU, LossContext, TopK, TopKAutoencoder, TopKConfig


def built(k: int = 2) -> TopKAutoencoder:
    return TopKConfig(k=k).build(6, 10, torch_generator(0, "test"))


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


def test_a_frozen_decoder_keeps_its_rows_to_the_bit() -> None:
    module, x = TopKConfig(k=2, frozen_decoder=True).build(6, 10, torch_generator(0, "test")), x_of_test()
    before, form = module.W_dec.clone(), module.sparse_form()
    encoding = module.encode_train(x)
    context = LossContext(fraction_done=0.0, is_dead=torch.arange(10) >= 4)
    sum(module.loss(x, encoding, module.decode_train(encoding), context).values(), start=torch.zeros(())).backward()
    module.after_step_(encoding)
    module.reset_latents_(torch.tensor([3]), torch.ones(1, 6))
    assert torch.equal(module.W_dec, before)
    assert module.W_dec.grad is None
    assert not form.trains_decoder
    assert torch.cosine_similarity(module.W_enc[3], before[3], dim=0).item() == pytest.approx(1.0)
    assert built().sparse_form().trains_decoder


def test_the_threshold_form_needs_a_threshold() -> None:
    module, x = built(3), x_of_test()
    with pytest.raises(UserError, match="was not calibrated"):
        module.export(torch.zeros(6), 1.0, threshold=True)
    module.threshold.fill_(0.4)
    dictionary = module.export(torch.ones(6), 2.0, threshold=True)
    assert isinstance(dictionary.sparsifier, JumpReLU)
    pre = module.encode_train(x).pre_acts.detach()
    torch.testing.assert_close(dictionary.encode(x * 2.0 + 1.0), torch.where(pre > 0.4, pre, 0.0))
    assert module.export(torch.zeros(6), 1.0).sparsifier == TopK(3)


def test_configuration() -> None:
    config = TopKConfig(k=16, k_aux=5)
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (True, "k=16")
    for wrong in ({"k": 0}, {"k": 1, "k_aux": 0}, {"k": 1, "auxk_coefficient": -1.0}):
        with pytest.raises(ValueError, match="at least"):
            replace(config, **wrong)
    with pytest.raises(UserError, match="only 10 latents"):
        built(11)
