"""The effect of ablating a latent. Oracle: whole passes with the edit spliced in, one example at a time, in float64."""

import numpy as np
import pytest
import torch

from monosemy.causal import NO_TOKEN, REMOVALS, ActivePositions, RowPasses, ablation_effects, latent_ablation, removal
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, Identity, ReLU, TopK
from monosemy.lm import Edit, LanguageModel, Site
from tests.unit.lm.tiny_models import N_LAYERS, VARIANTS, tiny_lm, tokens

ROWS = tokens(3, 7).numpy()
AT = ActivePositions(row=np.array([2, 0, 2]), position=np.array([6, 0, 3]), next_token=np.array([NO_TOKEN, 5, 9]))
LATENT = 4


def random_dictionary(d: int, n_latents: int = 9, seed: int = 0) -> Dictionary:
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(2, n_latents, d, dtype=torch.float64, generator=generator)
    zero = torch.zeros(n_latents, dtype=torch.float64)
    return Dictionary(W_enc=W[0], b_enc=zero, W_dec=W[1], b_dec=torch.zeros(d, dtype=torch.float64), sparsifier=TopK(6))


def one_by_one(
    lm: LanguageModel, site: Site, dictionary: Dictionary, how: str, i: int, *, everywhere: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """Logits at the position before and after, and the latent there; the edit written out for each position."""
    row = torch.from_numpy(ROWS[[AT.row[i]], : AT.position[i] + 1])
    x = lm.capture(row, [site])[site][0].numpy()
    y, z = x.copy(), np.zeros(len(x))
    d = dictionary.W_dec[LATENT].numpy()
    for p in range(len(x)):
        z[p] = float(dictionary.encode(torch.from_numpy(x[p : p + 1].copy()))[0, LATENT])
        if everywhere or p == len(x) - 1:
            y[p] = x[p] - z[p] * d if how == "latent" else x[p] - d * (x[p] @ d) / (d @ d)
    edit = Edit(site, lambda _: torch.from_numpy(y)[None])
    before, after = lm.logits(row)[0, -1], lm.splice(row, [edit])[0, -1]
    return before.numpy(), after.numpy(), z[-1]


END = Site(N_LAYERS - 1, "resid_post")
CASES = {
    "gpt_neox": ("resid_pre.1", "attn_out.1", "attn_heads.1", "mlp_hidden.1", "resid_post.1.centered"),
    "gpt_neox_sequential": ("resid_mid.1", "attn_out.1", "mlp_out.1", "mlp_out.1.centered"),
    "gpt2": ("resid_post.0", "attn_heads.1", "mlp_hidden.1", "attn_out.1.centered"),
    "llama": ("attn_heads.1", "mlp_hidden.1", "resid_mid.1"),
}


@pytest.mark.parametrize(("variant", "everywhere"), [*((v, False) for v in VARIANTS), ("gpt2", True)])
def test_it_is_the_difference_of_two_whole_passes(variant: str, everywhere: bool) -> None:
    lm = tiny_lm(variant)
    for site in [*map(Site.parse, CASES[variant]), END]:
        dictionary = random_dictionary(lm.d_site(site))
        effects = ablation_effects(RowPasses(lm, site, ROWS), dictionary, LATENT, AT, everywhere=everywhere)
        for how in REMOVALS:
            found = effects[how]
            for i in range(len(AT.row)):
                before, after, z = one_by_one(lm, site, dictionary, how, i, everywhere=everywhere)
                log_before, log_after = (v - np.log(np.exp(v).sum()) for v in (before, after))
                change = log_after - log_before
                np.testing.assert_allclose(found.logits[i], after - before, atol=1e-5, rtol=1e-5, err_msg=str(site))
                np.testing.assert_allclose(found.log_probs[i], change, atol=1e-5, rtol=1e-5)
                np.testing.assert_allclose(found.original[i], log_before, atol=1e-5, rtol=1e-5)
                assert found.kl[i] == pytest.approx(-(np.exp(log_before) * change).sum(), abs=1e-5)
                assert found.activation[i] == pytest.approx(z, abs=1e-9)
                following = AT.next_token[i]
                expected = np.nan if following == NO_TOKEN else change[following]
                assert found.next_token[i] == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_together_is_what_each_is_alone_whatever_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, site = tiny_lm("gpt_neox"), Site(0, "resid_post")
    dictionary = random_dictionary(24)
    together = ablation_effects(RowPasses(lm, site, ROWS), dictionary, LATENT, AT)
    monkeypatch.setattr(latent_ablation, "_MAX_KEPT_BYTES", 0)
    monkeypatch.setattr(latent_ablation, "_BATCH_TOKENS", 1)
    for i in range(len(AT.row)):
        one = ActivePositions(row=AT.row[[i]], position=AT.position[[i]], next_token=AT.next_token[[i]])
        alone = ablation_effects(RowPasses(lm, site, ROWS), dictionary, LATENT, one, ("direction",))
        assert list(alone) == ["direction"]
        np.testing.assert_allclose(alone["direction"].logits[0], together["direction"].logits[i], atol=1e-6)


def test_a_latent_that_writes_a_token_lowers_it_most_when_it_is_ablated() -> None:
    """Planted: the direction of token 40's unembedding at the end of the model, active at every position."""
    lm, site = tiny_lm("gpt_neox"), Site(N_LAYERS - 1, "resid_post")
    gain = lm.final_norm.weight
    assert isinstance(gain, torch.Tensor)
    direction = (lm.unembedding[40] - lm.unembedding.mean(dim=0)) / gain
    planted = Dictionary(
        W_enc=torch.zeros(1, 24, dtype=torch.float64),
        b_enc=torch.full((1,), 2.0, dtype=torch.float64),
        W_dec=direction[None],
        b_dec=torch.zeros(24, dtype=torch.float64),
        sparsifier=ReLU(),
    )
    found = ablation_effects(RowPasses(lm, site, ROWS), planted, 0, AT)["latent"]
    assert int(found.log_probs.mean(axis=0).argmin()) == 40
    assert (found.log_probs[:, 40] < 0).all()


def test_a_latent_that_is_silent_there_changes_nothing() -> None:
    lm, site = tiny_lm("gpt2"), Site(1, "resid_pre")
    one = torch.ones(1, 24, dtype=torch.float64)
    zero, bias = torch.zeros(24, dtype=torch.float64), torch.full((1,), -1e9, dtype=torch.float64)
    silent = Dictionary(W_enc=one, b_enc=bias, W_dec=one, b_dec=zero, sparsifier=ReLU())
    found = ablation_effects(RowPasses(lm, site, ROWS), silent, 0, AT)
    assert np.abs(found["latent"].logits).max() == 0.0
    assert np.abs(found["direction"].logits).max() > 0.0


def test_what_cannot_be_ablated_is_refused() -> None:
    W = torch.ones(2, 3)
    transcoder = Dictionary(
        W_enc=W, b_enc=torch.zeros(2), W_dec=torch.ones(2, 4), b_dec=torch.zeros(4), sparsifier=Identity()
    )
    for how in REMOVALS:
        with pytest.raises(UserError, match="transcoder"):
            removal(transcoder, 0, how)
    square = Dictionary(W_enc=W, b_enc=torch.zeros(2), W_dec=W, b_dec=torch.zeros(3), sparsifier=Identity())
    with pytest.raises(UserError, match="latent 2 does not exist"):
        removal(square, 2, "latent")
