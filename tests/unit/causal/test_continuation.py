"""Last logits of pairs whose activations are replaced. Oracle: a full pass of one prompt with the activation in it."""

import pytest
import torch

from monosemy.causal import Continuation
from monosemy.core import UserError
from monosemy.lm import LanguageModel, Site, replace
from tests.unit.causal.patching_cases import KINDS, pair_of, tiny_pairs
from tests.unit.lm.tiny_models import CONTEXT, VARIANTS, tiny_lm

SITES = ("resid_pre.0", "resid_post.1", "resid_post.2", "mlp_out.1", "mlp_hidden.0", "attn_out.2")


@pytest.fixture(params=VARIANTS)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny_lm(request.param)


@pytest.mark.parametrize("name", SITES)
def test_logits_equal_full_passes_one_by_one(lm: LanguageModel, name: str) -> None:
    site, pairs = Site.parse(name), tiny_pairs()
    continuation = Continuation(lm, site, pairs)
    rows = torch.tensor([4, 0, 6, 3, 2, 5, 1, 0, 0, 4])
    generator = torch.Generator().manual_seed(1)
    edit = torch.randn(len(rows), *continuation.base.shape[1:], generator=generator, dtype=torch.float64)
    x = continuation.base[rows] + edit
    reused, whole = continuation.logits(x, rows), continuation.whole_logits(x, rows)
    for i, row in enumerate(rows.tolist()):
        first = KINDS[row][1]
        tokens = torch.tensor([pairs[row].clean_ids])
        values = lm.capture(tokens, [site])[site].clone()
        values[0, first:] = x[i, : tokens.shape[1] - first]
        direct = lm.splice(tokens, [replace(site, values)])[0, -1]
        assert torch.allclose(reused[i], direct, rtol=0, atol=1e-5)
        assert torch.allclose(whole[i], direct, rtol=0, atol=1e-5)


def test_both_prompts_are_kept_from_their_first_difference_on(lm: LanguageModel) -> None:
    site, pairs = Site(1, "resid_post"), tiny_pairs()
    continuation = Continuation(lm, site, pairs)
    assert (continuation.n_pairs, continuation.n_window) == (len(pairs), 6)
    for n, (pair, (length, first)) in enumerate(zip(pairs, KINDS, strict=True)):
        assert continuation.n_tokens[n] == length
        assert continuation.is_real[n].tolist() == [s < length - first for s in range(6)]
        for ids, x, logits in (
            (pair.clean_ids, continuation.base, continuation.base_logits),
            (pair.corrupt_ids, continuation.target, continuation.target_logits),
        ):
            run = lm.run(torch.tensor([ids]), [site])
            assert torch.allclose(x[n, : length - first], run.activations[site][0, first:], rtol=0, atol=1e-10)
            assert (x[n, length - first :] == 0).all()
            assert torch.allclose(logits[n], run.logits[0, -1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["resid_post.0", "resid_pre.0", "mlp_out.1"])
def test_the_gradient_is_the_slope(name: str) -> None:
    """Central differences of one number of x at a time."""
    lm = tiny_lm("gpt_neox")
    continuation = Continuation(lm, Site.parse(name), tiny_pairs(((7, 3), (5, 0))))
    rows = torch.arange(2)
    x = continuation.base.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(continuation.whole_logits(x, rows, grad=True)[:, 3].sum(), x)
    for place in [(0, 0, 2), (0, 3, 5), (1, 0, 0), (1, 4, 11)]:
        step = torch.zeros_like(continuation.base)
        step[place] = 1e-5
        up, down = (continuation.logits(continuation.base + s * step, rows)[:, 3].sum() for s in (1, -1))
        assert float(gradient[place]) == pytest.approx(float(up - down) / 2e-5, rel=1e-5, abs=1e-7)


def test_no_rows_give_no_logits() -> None:
    lm = tiny_lm("gpt2")
    continuation = Continuation(lm, Site(0, "resid_post"), tiny_pairs())
    rows = torch.zeros(0, dtype=torch.int64)
    assert continuation.logits(continuation.base[rows], rows).shape == (0, lm.vocab_size)


def test_what_cannot_be_run_is_named() -> None:
    lm, site = tiny_lm("gpt_neox"), Site(1, "resid_post")
    with pytest.raises(UserError, match="no pair to patch"):
        Continuation(lm, site, [])
    long = pair_of(tuple(range(CONTEXT + 1)), (9, *range(1, CONTEXT + 1)))
    with pytest.raises(UserError, match=rf"copy \(tiny\) have {CONTEXT + 1} tokens; the model's context is {CONTEXT}"):
        Continuation(lm, site, [*tiny_pairs(), long])
    with pytest.raises(UserError, match=r"resid_mid\.1 does not exist"):
        Continuation(lm, Site(1, "resid_mid"), tiny_pairs())
