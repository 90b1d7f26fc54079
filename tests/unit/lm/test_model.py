"""Oracle: direct hooks on module names of the test's own (`direct.py`), in float64."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch.utils.hooks import RemovableHandle

from monosemy.core import UserError
from monosemy.lm import Edit, LanguageModel, Site
from tests.unit.lm.direct import close, direct_activations, direct_edit, double_and_shift, hook_count, parts
from tests.unit.lm.tiny_models import (
    CONTEXT,
    D_HEADS_LLAMA,
    D_MLP,
    D_MODEL,
    N_LAYERS,
    VOCAB,
    all_sites,
    residual_sites,
    tiny_lm,
    tokens,
)


def count_calls(lm: LanguageModel, calls: Counter[str]) -> list[RemovableHandle]:
    def counter(name: str) -> Callable[..., None]:
        return lambda *_: calls.update([name])

    modules = {f"block {n}": parts(lm.model, n)[0] for n in range(N_LAYERS)}
    modules["unembedding"] = lm.model.get_submodule("lm_head")
    return [module.register_forward_pre_hook(counter(name)) for name, module in modules.items()]


# --- what it is ---------------------------------------------------------------------------------------------------


def test_sizes(lm: LanguageModel) -> None:
    assert (lm.n_layers, lm.d_model, lm.vocab_size, lm.context_length) == (N_LAYERS, D_MODEL, VOCAB, CONTEXT)
    assert (lm.device, lm.dtype) == (torch.device("cpu"), torch.float64)
    assert lm.unembedding.shape == (VOCAB, D_MODEL)
    activations = lm.capture(tokens(), all_sites(lm))
    assert {site: x.shape[2] for site, x in activations.items()} == {site: lm.d_site(site) for site in all_sites(lm)}
    assert lm.d_site(Site(0, "mlp_hidden")) == D_MLP
    assert lm.d_site(Site(0, "attn_heads")) == (D_HEADS_LLAMA if lm.family == "llama" else D_MODEL)


def test_final_norm_and_unembedding_turn_the_last_residual_into_logits(lm: LanguageModel) -> None:
    run = lm.run(tokens(), [Site(N_LAYERS - 1, "resid_post")])
    x = run.activations[Site(N_LAYERS - 1, "resid_post")]
    assert close(lm.final_norm(x) @ lm.unembedding.T, run.logits)


def test_wrapping_freezes_the_model(lm: LanguageModel) -> None:
    assert not lm.model.training
    assert not any(parameter.requires_grad for parameter in lm.model.parameters())


def test_sites_lists_every_layer(lm: LanguageModel) -> None:
    assert lm.sites("mlp_out") == (Site(0, "mlp_out"), Site(1, "mlp_out"), Site(2, "mlp_out"))


# --- reading ------------------------------------------------------------------------------------------------------


def test_logits_are_the_models_own(lm: LanguageModel) -> None:
    with torch.no_grad():
        own = lm.model(tokens()).logits
    assert torch.equal(lm.logits(tokens()), own)
    assert close(lm.logits(tokens(), n_last=2), own[:, -2:])


@pytest.mark.parametrize("layer", range(N_LAYERS))
def test_capture_equals_direct_hooks(lm: LanguageModel, layer: int) -> None:
    direct = direct_activations(lm.model, tokens(), layer)
    sites = [site for site in all_sites(lm) if site.layer == layer]
    for site, x in lm.capture(tokens(), sites).items():
        assert close(x, direct[site.location]), site


def test_several_sites_in_one_pass_equal_one_at_a_time(lm: LanguageModel) -> None:
    sites = all_sites(lm)[::-1]
    together = lm.capture(tokens(), sites)
    assert list(together) == sites
    for site in sites:
        assert torch.equal(together[site], lm.capture(tokens(), [site])[site]), site


def test_the_block_output_is_the_next_blocks_input(lm: LanguageModel) -> None:
    found = lm.capture(tokens(), [Site(0, "resid_post"), Site(1, "resid_pre")])
    assert torch.equal(found[Site(0, "resid_post")], found[Site(1, "resid_pre")])


def test_capture_stops_after_the_last_site(lm: LanguageModel) -> None:
    calls: Counter[str] = Counter()
    handles = count_calls(lm, calls)
    before = hook_count(lm.model)
    lm.capture(tokens(), [Site(1, "mlp_hidden"), Site(0, "resid_post")])
    assert calls == {"block 0": 1, "block 1": 1}
    lm.run(tokens(), [Site(0, "resid_post")])
    assert calls == {"block 0": 2, "block 1": 2, "block 2": 1, "unembedding": 1}
    assert hook_count(lm.model) == before
    for handle in handles:
        handle.remove()


def test_run_gives_logits_and_activations_of_one_pass(lm: LanguageModel) -> None:
    site = Site(1, "attn_out")
    run = lm.run(tokens(), [site, site])
    assert torch.equal(run.logits, lm.logits(tokens()))
    assert torch.equal(run.activations[site], lm.capture(tokens(), [site])[site])


def test_capturing_nothing_gives_nothing(lm: LanguageModel) -> None:
    assert lm.capture(tokens(), []) == {}


def test_a_pass_that_misses_a_site_is_an_error() -> None:
    lm = tiny_lm("gpt2")
    lm.model.transformer.h[1].attn.forward = lambda hidden, **_: (hidden, None)  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match=r"never reached attn_heads\.1$"):
        lm.capture(tokens(), [Site(1, "attn_heads"), Site(0, "resid_pre")])
    assert hook_count(lm.model) == 0


# --- continuing ---------------------------------------------------------------------------------------------------


def test_continuing_from_a_captured_residual_gives_the_full_pass(lm: LanguageModel) -> None:
    plain = lm.logits(tokens())
    for site, x in lm.capture(tokens(), residual_sites(lm)).items():
        assert close(lm.run_from(site, x), plain), site
        assert close(lm.run_from(site, x, n_last=1), plain[:, -1:]), site


def test_continuing_from_another_residual_equals_direct_hooks(lm: LanguageModel) -> None:
    for site, x in lm.capture(tokens(), residual_sites(lm)).items():
        direct = direct_edit(lm.model, tokens(), site.layer, site.location, double_and_shift)
        assert close(lm.run_from(site, double_and_shift(x)), direct), site


def test_the_layers_below_do_not_run(lm: LanguageModel) -> None:
    for site, x in lm.capture(tokens(), residual_sites(lm)).items():
        calls: Counter[str] = Counter()
        handles = count_calls(lm, calls)
        lm.run_from(site, x)
        for handle in handles:
            handle.remove()
        first = site.layer + (site.location == "resid_post")
        assert calls == {"unembedding": 1} | {f"block {n}": 1 for n in range(first, N_LAYERS)}, site


def test_edits_and_captures_after_continuing(lm: LanguageModel) -> None:
    for start, x in lm.capture(tokens(), residual_sites(lm)).items():
        later = [site for site in all_sites(lm) if site.layer == N_LAYERS - 1 > start.layer]
        edits = [Edit(site, double_and_shift) for site in later]
        assert close(lm.run_from(start, x, edits=edits), lm.splice(tokens(), edits)), start
        captured = lm.capture_from(start, x, later)
        assert all(close(captured[site], y) for site, y in lm.capture(tokens(), later).items()), start


def test_what_was_not_computed_is_refused_after_continuing(lm: LanguageModel) -> None:
    x = torch.zeros(1, 2, D_MODEL, dtype=torch.float64)
    with pytest.raises(UserError, match=r"resid_pre\.1 is not computed when the pass continues from resid_post\.1;"):
        lm.capture_from(Site(1, "resid_post"), x, [Site(1, "resid_pre")])
    with pytest.raises(UserError, match=r"mlp_out\.0 is not computed when the pass continues from resid_pre\.1;"):
        lm.run_from(Site(1, "resid_pre"), x, edits=[Edit(Site(0, "mlp_out"), torch.clone)])
    if lm.name != "gpt_neox":
        with pytest.raises(UserError, match=r"attn_out\.1 is not computed when the pass continues from resid_mid\.1;"):
            lm.capture_from(Site(1, "resid_mid"), x, [Site(1, "attn_out")])


def test_only_a_residual_can_be_continued_from(lm: LanguageModel) -> None:
    allowed = "resid_pre, resid_post" if lm.name == "gpt_neox" else "resid_pre, resid_mid, resid_post"
    for location in ("attn_heads", "attn_out", "mlp_hidden", "mlp_out"):
        with pytest.raises(UserError, match=rf"cannot continue from {location}\.0, .*; allowed: {allowed}$"):
            lm.run_from(Site(0, location), torch.zeros(1, 2, D_MODEL))
    with pytest.raises(ValueError, match=r"with vectors of 5; the model has 24"):
        lm.run_from(Site(0, "resid_pre"), torch.zeros(1, 2, 5))


# --- what is refused ----------------------------------------------------------------------------------------------


def test_sites_that_do_not_exist(lm: LanguageModel) -> None:
    for use in (lm.check, lm.d_site, lambda site: lm.capture(tokens(), [site])):
        with pytest.raises(UserError, match=r"^site resid_post\.3 does not exist: the model has layers 0 to 2$"):
            use(Site(3, "resid_post"))
    with pytest.raises(UserError, match=r"site resid_pre\.7 does not exist"):
        lm.splice(tokens(), [Edit(Site(7, "resid_pre"), torch.clone)])
    if lm.name == "gpt_neox":
        with pytest.raises(UserError, match=r"resid_mid\.1 does not exist: attention and MLP .*allowed: resid_pre, "):
            lm.capture(tokens(), [Site(1, "resid_mid")])
        with pytest.raises(UserError, match="resid_mid"):
            lm.sites("resid_mid")


def test_a_sequence_longer_than_the_context_is_refused(lm: LanguageModel) -> None:
    assert lm.logits(tokens(1, CONTEXT)).shape == (1, CONTEXT, VOCAB)
    with pytest.raises(UserError, match="a sequence of 17 tokens is longer than the model's context of 16"):
        lm.logits(tokens(1, CONTEXT + 1))
    with pytest.raises(UserError, match="longer than the model's context"):
        lm.run_from(Site(0, "resid_pre"), torch.zeros(1, CONTEXT + 1, D_MODEL))


# --- fingerprint --------------------------------------------------------------------------------------------------


def test_the_fingerprint_follows_weights_and_configuration(lm: LanguageModel) -> None:
    assert lm.fingerprint() == tiny_lm(lm.name).fingerprint()
    assert len(lm.fingerprint()) == 16
    other = tiny_lm(lm.name)
    with torch.no_grad():
        next(other.model.parameters()).view(-1)[0] += 1e-12
    assert other.fingerprint() != lm.fingerprint()
    other = tiny_lm(lm.name)
    other.model.config.max_position_embeddings = 17
    assert other.fingerprint() != lm.fingerprint()
