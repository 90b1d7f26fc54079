"""Oracle: closed-form moments of the initializer; byte equality where nothing may change."""

import math

import pytest
import torch

from monosemy.lm import LanguageModel, Site, random_control
from tests.unit.lm.tiny_models import VARIANTS, tiny_lm, tokens


def weights(lm: LanguageModel) -> dict[str, torch.Tensor]:
    return dict(lm.model.named_parameters())


def test_the_seed_decides_every_byte(lm: LanguageModel) -> None:
    first, again, other = random_control(lm, 1), random_control(lm, 1), random_control(lm, 2)
    assert first.fingerprint() == again.fingerprint()
    assert len({lm.fingerprint(), first.fingerprint(), other.fingerprint()}) == 3
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(again).values(), strict=True))


def test_the_trained_weights_have_no_part_in_it(lm: LanguageModel) -> None:
    assert random_control(tiny_lm(lm.name, seed=5), 1).fingerprint() == random_control(lm, 1).fingerprint()


def test_the_original_and_the_global_rng_are_left_alone(lm: LanguageModel) -> None:
    logits, state = lm.logits(tokens()), torch.random.get_rng_state()
    control = random_control(lm, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(lm.logits(tokens()), logits)
    assert not torch.equal(control.logits(tokens()), logits)


def test_architecture_tokenizer_and_sites_stay(lm: LanguageModel) -> None:
    control = random_control(lm, 1)
    assert control.model.config.to_dict() == lm.model.config.to_dict()
    assert control.tokenizer is lm.tokenizer
    assert control.name == f"{lm.name}-random-seed1"
    assert (control.dtype, control.device) == (lm.dtype, lm.device)
    assert control.capture(tokens(), [Site(1, "mlp_out")])[Site(1, "mlp_out")].shape == (3, 7, lm.d_model)
    tied = lm.model.get_input_embeddings().weight is lm.unembedding
    assert (control.model.get_input_embeddings().weight is control.unembedding) == tied


def test_moments(lm: LanguageModel) -> None:
    std = lm.model.config.initializer_range
    for name, values in weights(random_control(lm, 3)).items():
        if name.endswith("bias"):
            assert bool((values == 0).all()), name
        elif values.ndim == 1:
            assert bool((values == 1).all()), name
        else:
            residual = any(part in name for part in ("attention.dense", "4h_to_h", "c_proj", "o_proj", "down_proj"))
            expected = std / math.sqrt(2 * lm.n_layers) if residual else std
            error = 5 / math.sqrt(2 * values.numel())  # five standard errors of a standard deviation
            assert float(values.std()) == pytest.approx(expected, rel=error), name
            assert abs(float(values.mean())) < 5 * expected / math.sqrt(values.numel()), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_further_layer_changes_no_draw_of_the_others(variant: str) -> None:
    two = weights(random_control(tiny_lm(variant, n_layers=2), 1))
    three = weights(random_control(tiny_lm(variant, n_layers=3), 1))
    for name, values in two.items():
        ratio = three[name].norm() / values.norm().clamp(min=1e-30)
        if values.any():
            torch.testing.assert_close(values * ratio, three[name], rtol=1e-6, atol=0)
            assert float(ratio) in (1.0, pytest.approx(math.sqrt(2 / 3), rel=1e-6))
