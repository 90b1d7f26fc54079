"""Oracle: direct hooks on module names of the test's own (`direct.py`), in float64; for gradients, differences."""

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from monosemy.core import UserError
from monosemy.lm import LOCATIONS, Edit, LanguageModel, Site, replace
from tests.unit.lm.direct import direct_activations, direct_edit, parts
from tests.unit.lm.tiny_models import (
    CONTEXT,
    D_HEADS_LLAMA,
    D_MLP,
    D_MODEL,
    N_LAYERS,
    VARIANTS,
    VOCAB,
    tiny_lm,
    tokens,
)

TOLERANCE = 1e-9


def all_sites(lm: LanguageModel) -> list[Site]:
    parallel = lm.name == "gpt_neox"
    return [Site(n, name) for n in range(N_LAYERS) for name in LOCATIONS if not (parallel and name == "resid_mid")]


def residual_sites(lm: LanguageModel) -> list[Site]:
    return [site for site in all_sites(lm) if site.location.startswith("resid")]


def double_and_shift(x: Tensor) -> Tensor:
    return 2.0 * x + 0.3


def close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() < TOLERANCE)


def count_calls(lm: LanguageModel, calls: Counter[str]) -> list[torch.utils.hooks.RemovableHandle]:
    def counter(name: str) -> object:
        return lambda *_: calls.update([name])

    modules: dict[str, nn.Module] = {f"block {n}": parts(lm.model, n)[0] for n in range(N_LAYERS)}
    modules["unembedding"] = lm.model.get_output_embeddings()
    return [module.register_forward_pre_hook(counter(name)) for name, module in modules.items()]


def hook_counts(lm: LanguageModel) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in lm.model.modules())


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
    before = hook_counts(lm)
    lm.capture(tokens(), [Site(1, "mlp_hidden"), Site(0, "resid_post")])
    assert calls == {"block 0": 1, "block 1": 1}
    lm.run(tokens(), [Site(0, "resid_post")])
    assert calls == {"block 0": 2, "block 1": 2, "block 2": 1, "unembedding": 1}
    assert hook_counts(lm) == before
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
    assert hook_counts(lm) == 0


# --- writing ------------------------------------------------------------------------------------------------------


def test_splicing_nothing_is_bit_identical(lm: LanguageModel) -> None:
    plain = lm.logits(tokens())
    assert torch.equal(lm.splice(tokens(), []), plain)
    assert torch.equal(lm.splice(tokens(), [Edit(site, lambda x: x) for site in all_sites(lm)]), plain)
    assert torch.equal(lm.splice(tokens(), [Edit(site, torch.clone) for site in all_sites(lm)]), plain)
    captured = lm.capture(tokens(), all_sites(lm))
    assert torch.equal(lm.splice(tokens(), [replace(site, x) for site, x in captured.items()]), plain)


@pytest.mark.parametrize("layer", range(N_LAYERS))
def test_splice_equals_direct_hooks(lm: LanguageModel, layer: int) -> None:
    plain = lm.logits(tokens())
    for site in all_sites(lm):
        if site.layer == layer:
            spliced = lm.splice(tokens(), [Edit(site, double_and_shift)])
            assert close(spliced, direct_edit(lm.model, tokens(), layer, site.location, double_and_shift)), site
            assert not close(spliced, plain), site


def test_edits_at_one_layer_act_in_the_order_of_computation(lm: LanguageModel) -> None:
    """Each location of one layer is edited at once, given backwards; the sums must come out term by term."""
    sites = [site for site in all_sites(lm) if site.layer == 1]
    edits = [Edit(site, double_and_shift) for site in reversed(sites)]
    x = lm.capture(tokens(), sites, edits=edits)
    post = Site(1, "resid_post")
    attn_out, mlp_out = x[Site(1, "attn_out")], x[Site(1, "mlp_out")]
    if lm.name == "gpt_neox":
        assert close(x[post], double_and_shift(x[Site(1, "resid_pre")] + attn_out + mlp_out))
    else:
        mid = x[Site(1, "resid_mid")]
        assert close(mid, double_and_shift(x[Site(1, "resid_pre")] + attn_out))
        assert close(x[post], double_and_shift(mid + mlp_out))
    assert close(lm.splice(tokens(), edits), lm.splice(tokens(), [replace(post, x[post])]))


def test_two_edits_of_one_site_act_in_the_order_given(lm: LanguageModel) -> None:
    for site in residual_sites(lm)[:3]:
        twice = [Edit(site, lambda x: x + 1.0), Edit(site, lambda x: 3.0 * x)]
        once = [Edit(site, lambda x: 3.0 * (x + 1.0))]
        assert torch.equal(lm.splice(tokens(), twice), lm.splice(tokens(), once)), site


@pytest.mark.parametrize("variant", VARIANTS)
def test_hooks_are_gone_after_an_error_in_an_edit(variant: str) -> None:
    lm = tiny_lm(variant)

    def fail(x: Tensor) -> Tensor:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        lm.splice(tokens(), [Edit(Site(0, "mlp_out"), fail)])
    with pytest.raises(ArithmeticError):
        lm.run_from(Site(0, "resid_post"), torch.zeros(1, 2, D_MODEL).double(), edits=[Edit(Site(1, "mlp_out"), fail)])
    assert hook_counts(lm) == 0
    assert torch.equal(lm.logits(tokens()), tiny_lm(variant).logits(tokens()))


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
        for site in later:
            edit = Edit(site, double_and_shift)
            assert close(lm.run_from(start, x, edits=[edit]), lm.splice(tokens(), [edit])), (start, site)
        captured = lm.capture_from(start, x, later)
        assert all(close(captured[site], y) for site, y in lm.capture(tokens(), later).items())


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


# --- centered sites -----------------------------------------------------------------------------------------------


def center(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


def test_centering_changes_no_logit_of_a_layernorm_model_and_those_of_an_rmsnorm_model(lm: LanguageModel) -> None:
    plain = lm.logits(tokens())
    for site in all_sites(lm):
        if site.location not in ("attn_heads", "mlp_hidden"):
            unchanged = close(lm.splice(tokens(), [Edit(site, center)]), plain)
            assert unchanged == (lm.family != "llama"), site


def centered_sites(lm: LanguageModel) -> list[Site]:
    names = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
    return [Site(site.layer, site.location, centered=True) for site in all_sites(lm) if site.location in names]


@pytest.mark.parametrize("variant", ["gpt_neox", "gpt_neox_sequential", "gpt2"])
def test_a_centered_site_is_the_raw_one_without_its_mean_and_splice_adds_it_back(variant: str) -> None:
    lm = tiny_lm(variant)
    plain = lm.logits(tokens())
    for site in centered_sites(lm):
        raw_site = Site(site.layer, site.location)
        found = lm.capture(tokens(), [site, raw_site])
        raw, centered = found[raw_site], found[site]
        assert close(centered, center(raw)), site
        assert torch.equal(lm.splice(tokens(), [Edit(site, torch.clone)]), plain), site
        edit = Edit(site, double_and_shift)
        written = lm.capture(tokens(), [raw_site], edits=[edit])[raw_site]
        assert close(written, double_and_shift(centered) + raw.mean(-1, keepdim=True)), site
        assert close(lm.splice(tokens(), [edit]), lm.splice(tokens(), [replace(raw_site, written)])), site
        if site.location.startswith("resid"):
            assert close(lm.run_from(site, centered), plain), site


def test_centered_sites_that_do_not_exist(lm: LanguageModel) -> None:
    if lm.family == "llama":
        with pytest.raises(UserError, match=r"resid_post\.0\.centered cannot be centered: llama uses RMSNorm"):
            lm.capture(tokens(), [Site(0, "resid_post", centered=True)])
    else:
        with pytest.raises(UserError, match=r"mlp_hidden\.0\.centered cannot be centered: .*; allowed: resid_pre, "):
            lm.capture(tokens(), [Site(0, "mlp_hidden", centered=True)])


# --- gradients ----------------------------------------------------------------------------------------------------


def score(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits, -1)[..., :5].sum()


def differentiable_lm(variant: str) -> LanguageModel:
    """transformers' RMSNorm rounds to float32, in which small differences drown; torch's does not."""
    lm = tiny_lm(variant)
    for name, module in list(lm.model.named_modules()):
        if type(module).__name__ == "LlamaRMSNorm":
            exact = nn.RMSNorm(D_MODEL, eps=lm.model.config.rms_norm_eps, dtype=torch.float64)
            exact.weight = module.weight
            lm.model.set_submodule(name, exact)
    return LanguageModel(lm.model, lm.tokenizer, variant)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_at_captured_sites_equal_differences(variant: str, centered: bool) -> None:
    """Directional derivative of the score along a random direction at one site, all sites captured in one pass."""
    if centered and variant == "llama":
        pytest.skip("an RMSNorm model has no centered sites")
    lm = differentiable_lm(variant)
    sites = centered_sites(lm) if centered else all_sites(lm)
    run = lm.run(tokens(), sites, grad=True)
    assert torch.equal(run.logits.detach(), lm.logits(tokens()))
    gradients = torch.autograd.grad(score(run.logits), [run.activations[site] for site in sites])
    generator = torch.Generator().manual_seed(1)
    step = 1e-5
    for site, gradient in zip(sites, gradients, strict=True):
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        plus = score(lm.splice(tokens(), [Edit(site, lambda x, d=direction: x + step * d)]))
        minus = score(lm.splice(tokens(), [Edit(site, lambda x, d=direction: x - step * d)]))
        expected = float((plus - minus) / (2 * step))
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-5), site


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_what_an_edit_uses(variant: str) -> None:
    lm = differentiable_lm(variant)
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    site = Site(1, "mlp_out")
    edit = Edit(site, lambda x: scale * x)
    (gradient,) = torch.autograd.grad(score(lm.splice(tokens(), [edit], grad=True)), scale)
    plus, minus = (score(lm.splice(tokens(), [Edit(site, lambda x, s=s: s * x)])) for s in (1 + 1e-5, 1 - 1e-5))
    assert float(gradient) == pytest.approx(float((plus - minus) / 2e-5), rel=1e-5)


def test_gradients_of_a_continued_pass(lm: LanguageModel) -> None:
    site = Site(0, "resid_post")
    run = lm.run(tokens(), [site], grad=True)
    (expected,) = torch.autograd.grad(score(run.logits), run.activations[site])
    x = run.activations[site].detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score(lm.run_from(site, x, grad=True)), x)
    assert close(gradient, expected)
    captured = lm.capture(tokens(), [site])[site]  # an inference tensor
    found = lm.capture_from(site, captured, [Site(1, "resid_pre"), Site(2, "resid_pre")], grad=True)
    torch.autograd.grad(found[Site(2, "resid_pre")].sum(), found[Site(1, "resid_pre")])
    assert not captured.requires_grad


def test_only_a_pass_with_gradients_is_recorded(lm: LanguageModel) -> None:
    site = Site(0, "resid_post")
    assert lm.run(tokens(), [site]).activations[site].is_inference()
    run = lm.run(tokens(), [site], grad=True)
    assert run.activations[site].is_leaf and run.activations[site].requires_grad and run.logits.requires_grad


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
