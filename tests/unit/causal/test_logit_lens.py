"""The logit lens. Oracles: the formula written out in loops with the modules' own matrices, scipy, hand-made cases."""

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis, spearmanr

from monosemy.causal import (
    excess_kurtosis,
    lens_agreement,
    logit_lens,
    plain_lens,
    rank_correlation,
    used_tokens,
    written,
)
from monosemy.core import UserError
from monosemy.lm import LanguageModel, Site
from tests.unit.lm.tiny_models import VARIANTS, all_sites, tiny_lm


def projected(lm: LanguageModel, site: Site, f: np.ndarray) -> np.ndarray:
    """The direction in the residual stream, by the weights of the block."""
    block = {
        "gpt_neox": lambda m: m.gpt_neox.layers,
        "gpt2": lambda m: m.transformer.h,
        "llama": lambda m: m.model.layers,
    }[lm.family](lm.model)[site.layer]
    names = {
        "gpt_neox": {"mlp_hidden": "mlp.dense_4h_to_h", "attn_heads": "attention.dense"},
        "gpt2": {"mlp_hidden": "mlp.c_proj", "attn_heads": "attn.c_proj"},
        "llama": {"mlp_hidden": "mlp.down_proj", "attn_heads": "self_attn.o_proj"},
    }[lm.family]
    if site.location not in names:
        return f
    weight = block.get_submodule(names[site.location]).weight.numpy()
    return weight.T @ f if lm.family == "gpt2" else weight @ f


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_the_formula_at_every_site(variant: str) -> None:
    lm = tiny_lm(variant)
    W, gain = lm.unembedding.numpy(), lm.final_norm.weight.detach().numpy()  # pyright: ignore
    generator = torch.Generator().manual_seed(3)
    for site in all_sites(lm)[-7:-2]:
        directions = torch.randn(2, lm.d_site(site), dtype=torch.float64, generator=generator)
        found, plain = logit_lens(lm, site, directions).numpy(), plain_lens(lm, site, directions).numpy()
        for row, f in enumerate(directions.numpy()):
            f = projected(lm, site, f)
            np.testing.assert_allclose(written(lm, site, directions)[row].numpy(), f, atol=1e-10)
            np.testing.assert_allclose(plain[row], [float(np.dot(w, f)) for w in W], atol=1e-9)
            inner = f if lm.family == "llama" else f - f.mean()
            v = np.array([float(np.dot(w, gain * inner)) for w in W])
            np.testing.assert_allclose(found[row], v - v.mean(), atol=1e-9)


def test_a_direction_made_for_a_token_has_it_on_top() -> None:
    lm = tiny_lm("gpt2")
    W, gain = lm.unembedding, lm.final_norm.weight
    assert isinstance(gain, torch.Tensor)
    direction = (W[17] - W.mean(dim=0))[None] / gain
    assert int(logit_lens(lm, Site(1, "resid_post"), direction).argmax()) == 17
    with pytest.raises(UserError, match="does not exist"):
        logit_lens(lm, Site(7, "resid_post"), direction)


def test_long_unembeddings_are_those_of_unused_tokens() -> None:
    lm = tiny_lm("gpt_neox")
    norms = lm.unembedding.norm(dim=1)
    assert used_tokens(lm).all()
    assert used_tokens(lm, float(norms.median())).tolist() == (norms <= norms.median()).tolist()


def test_the_kurtosis_is_scipys_and_zero_of_a_constant() -> None:
    v = np.random.default_rng(0).standard_normal((3, 500)) ** 3 + 2
    np.testing.assert_allclose(excess_kurtosis(v), kurtosis(v, axis=1), rtol=1e-9)
    assert excess_kurtosis(np.full((1, 9), 4.2)).tolist() == [0.0]


def test_the_rank_correlation_is_scipys_with_ties_and_none_of_a_constant() -> None:
    random = np.random.default_rng(1)
    a, b = random.integers(0, 20, 200).astype(float), random.standard_normal(200)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)  # pyright: ignore
    assert rank_correlation(np.ones(5), np.arange(5.0)) is None


def test_agreement_by_hand() -> None:
    """Lens tops are tokens 0, 1, 2; lowered most are 0, 2, 3: two of three."""
    lens, change = np.array([5.0, 4.0, 3.0, 0.0, -1.0]), np.array([-3.0, 0.5, -2.0, -1.0, 1.0])
    found = lens_agreement(lens, change, k=3)
    assert found.precision == pytest.approx(2 / 3)
    assert found.spearman == pytest.approx(0.7)  # 1 - 6 (4 + 1 + 1) / (5 (25 - 1))
    perfect = lens_agreement(lens, -lens, k=100)
    assert perfect.precision == 1.0 and perfect.k == 5 and perfect.spearman == pytest.approx(1.0)
