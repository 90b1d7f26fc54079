"""Oracle: direct hooks on module names of the test's own (`direct.py`), in float64; for gradients, differences."""

import pytest
import torch
from torch import Tensor, nn

from monosemy.core import UserError
from monosemy.lm import Edit, LanguageModel, Site, replace
from monosemy.lm.hooks import on_input
from tests.unit.lm.direct import close, direct_edit, double_and_shift, hook_count
from tests.unit.lm.tiny_models import (
    D_MODEL,
    N_LAYERS,
    VARIANTS,
    all_sites,
    centered_sites,
    residual_sites,
    tiny_lm,
    tokens,
)

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

    def fail(_: Tensor) -> Tensor:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        lm.splice(tokens(), [Edit(Site(0, "mlp_out"), fail)])
    with pytest.raises(ArithmeticError):
        lm.run_from(Site(0, "resid_post"), torch.zeros(1, 2, D_MODEL).double(), edits=[Edit(Site(1, "mlp_out"), fail)])
    assert hook_count(lm.model) == 0
    assert torch.equal(lm.logits(tokens()), tiny_lm(variant).logits(tokens()))


def test_a_module_called_by_keyword_is_written_too() -> None:
    """Between releases of transformers, blocks are called with `hidden_states` by position or by keyword."""

    class Block(nn.Module):
        def forward(self, hidden_states: Tensor, shift: float) -> Tensor:
            return hidden_states + shift

    block = Block()
    handle = on_input(block, lambda x: 10.0 * x)
    assert float(block(torch.tensor(1.0), 2.0)) == 12.0
    assert float(block(torch.tensor(1.0), shift=2.0)) == 12.0
    assert float(block(hidden_states=torch.tensor(1.0), shift=2.0)) == 12.0
    handle.remove()
    assert float(block(torch.tensor(1.0), 2.0)) == 3.0


# --- centered sites -----------------------------------------------------------------------------------------------


def center(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


def test_centering_changes_no_logit_of_a_layernorm_model_and_those_of_an_rmsnorm_model(lm: LanguageModel) -> None:
    plain = lm.logits(tokens())
    for site in all_sites(lm):
        if site.location not in ("attn_heads", "mlp_hidden"):
            unchanged = close(lm.splice(tokens(), [Edit(site, center)]), plain)
            assert unchanged == (lm.family != "llama"), site


@pytest.mark.parametrize("variant", ["gpt_neox", "gpt_neox_sequential", "gpt2"])
def test_a_centered_site_is_the_raw_one_without_its_mean_and_splice_adds_it_back(variant: str) -> None:
    lm = tiny_lm(variant)
    plain = lm.logits(tokens())
    for site in [site for site in centered_sites(lm) if site.layer == 1]:
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
            exact.load_state_dict(module.state_dict())
            lm.model.set_submodule(name, exact)
    return LanguageModel(lm.model, lm.tokenizer, variant)


@pytest.mark.parametrize(
    ("variant", "centered"),
    [
        (variant, centered)
        for variant in VARIANTS
        for centered in (False, True)
        if not (variant == "llama" and centered)
    ],
)
def test_gradients_at_captured_sites_equal_differences(variant: str, centered: bool) -> None:
    """Directional derivative of the score along a random direction at one site, all sites captured in one pass."""
    lm = differentiable_lm(variant)
    sites = centered_sites(lm) if centered else all_sites(lm)
    run = lm.run(tokens(), sites, grad=True)
    assert torch.equal(run.logits.detach(), lm.logits(tokens()))
    gradients = torch.autograd.grad(score(run.logits), [run.activations[site] for site in sites])
    generator = torch.Generator().manual_seed(1)
    step = 1e-5
    for site, gradient in zip(sites, gradients, strict=True):
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        if site.layer != 1:
            continue
        plus = score(lm.splice(tokens(), [Edit(site, lambda x, d=direction: x + step * d)]))
        minus = score(lm.splice(tokens(), [Edit(site, lambda x, d=direction: x - step * d)]))
        expected = float((plus - minus) / (2 * step))
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-5), site


@pytest.mark.parametrize("variant", ["gpt_neox", "gpt_neox_sequential", "gpt2"])
def test_a_centered_capture_passes_on_the_gradient_of_the_mean_that_it_removed(variant: str) -> None:
    """A centered capture in between changes no gradient, not even of a sum over d_model, which is all mean."""
    lm = tiny_lm(variant)
    below, above = Site(0, "resid_post"), Site(1, "resid_post")
    gradients = []
    for between in ([], [Site(1, "resid_pre", centered=True)]):
        found = lm.capture(tokens(), [below, *between, above], grad=True)
        gradients.append(torch.autograd.grad(found[above].sum(), found[below])[0])
    assert close(gradients[1], gradients[0])


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
    for outside in (torch.no_grad(), torch.inference_mode()):
        with outside:
            run = lm.run(tokens(), [site], grad=True)
        assert run.activations[site].requires_grad and run.logits.requires_grad
    run = lm.run(tokens(), [site], grad=True)
    assert run.activations[site].is_leaf and run.activations[site].requires_grad and run.logits.requires_grad
