"""Ablations and attributions between two layers. Oracle: one window and one latent at a time, from the tokens.

The model and the dictionaries are random and float64, so that every latent changes every other one.
"""

import math

import pytest
import torch
from torch import Tensor

from monosemy.causal import Contexts, Influence, SiteText, ablated, ablation_drops, influence, promised_drops
from monosemy.causal import tree_effects as module
from monosemy.dictionaries import Dictionary, ReLU, Sparsifier, TopK
from monosemy.evaluation import sparse_rows
from monosemy.lm import Edit, LanguageModel, Site
from tests.unit.lm.tiny_models import D_MODEL, VOCAB, tiny_lm

N, N_CONTEXTS, WIDTH, TARGET = 10, 4, 7, 3
LENGTHS = (7, 5, 7, 3)
BELOW, ABOVE = Site(0, "resid_post"), Site(1, "resid_post")


def dictionary(seed: int, sparsifier: Sparsifier) -> Dictionary:
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(N, D_MODEL, generator=generator, dtype=torch.float64) / D_MODEL**0.5
    bias = torch.full((N,), -0.4, dtype=torch.float64)
    bias[0] = -100.0  # latent 0 never fires
    return Dictionary(W_enc=W, b_enc=bias, W_dec=W.clone(), b_dec=torch.zeros_like(W[0]), sparsifier=sparsifier)


def text(site: Site, of: Dictionary) -> SiteText:
    """A dictionary at a site; of its text nothing is read here."""
    none = torch.zeros(1, N).numpy()
    return SiteText(
        name="random-seed0",
        site=site,
        dictionary=of,
        tokens=torch.zeros(1, 1, dtype=torch.int64).numpy(),
        is_recorded=torch.zeros(1, 1, dtype=torch.bool).numpy(),
        place=torch.zeros(1, dtype=torch.int64).numpy(),
        codes=sparse_rows(none, none.dtype.type),
    )


def windows() -> Contexts:
    tokens = torch.randint(0, VOCAB, (N_CONTEXTS, WIDTH), generator=torch.Generator().manual_seed(3))
    last = torch.tensor(LENGTHS) - 1
    edited = (torch.arange(WIDTH) <= last[:, None]) & (torch.arange(WIDTH) > 0)
    return Contexts(
        peak=1.0,
        tokens=tokens,
        last=last,
        edited=edited,
        activation=torch.zeros(N_CONTEXTS, dtype=torch.float64),
        place=last.numpy(),
        n_firing=1,
        n_in_range=1,
        n_dropped=0,
    )


def between(sparsifier: Sparsifier, lm: LanguageModel) -> Influence:
    return influence(lm, text(BELOW, dictionary(0, TopK(4))), text(ABOVE, dictionary(1, sparsifier)), TARGET, windows())


def one_by_one(made: Influence, context: int, latent: int | None) -> float:
    """The target in one window alone, from its tokens on, with one latent ablated by `interventions.ablated`."""
    found = windows()
    n = LENGTHS[context]
    tokens, at = found.tokens[context : context + 1, :n], found.edited[context : context + 1, :n]
    edits = [] if latent is None else [Edit(BELOW, ablated(made.dictionary_below, torch.tensor([latent])), at)]
    x = made.lm.capture(tokens, [ABOVE], edits=edits)[ABOVE][0, n - 1]
    of = made.dictionary_above
    pre = [float(of.W_enc[i] @ x + of.b_enc[i]) for i in range(N)]
    if isinstance(of.sparsifier, TopK):
        kept = sorted(range(N), key=lambda i: -pre[i])[: of.sparsifier.k]
        return max(0.0, pre[TARGET]) if TARGET in kept else 0.0
    return max(0.0, pre[TARGET])


@pytest.mark.parametrize("variant", ["gpt_neox", "llama"])
@pytest.mark.parametrize("sparsifier", [ReLU(), TopK(3)], ids=["relu", "topk"])
def test_every_ablation_one_at_a_time(variant: str, sparsifier: Sparsifier) -> None:
    made = between(sparsifier, tiny_lm(variant))
    drops = ablation_drops(made, torch.arange(N))
    for context in range(N_CONTEXTS):
        whole = one_by_one(made, context, None)
        assert math.isclose(float(made.activation[context]), whole, abs_tol=1e-9)
        for latent in range(N):
            expected = whole - one_by_one(made, context, latent)
            assert math.isclose(float(drops[latent, context]), expected, abs_tol=1e-5)
    assert drops.abs().max() > 1e-3


def test_batched_equals_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = between(ReLU(), tiny_lm("gpt_neox"))
    some = torch.tensor([7, 2, 5, 0])
    together = ablation_drops(made, some)
    monkeypatch.setattr(module, "PASSES_AT_ONCE", 1)
    apart = torch.cat([ablation_drops(made, some[i : i + 1]) for i in range(len(some))])
    assert (together - apart).abs().max() < 1e-12


def test_inactive_latents_are_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only pairs of a latent and a window in which it is active anywhere are counted, and the others drop by 0."""
    made = between(ReLU(), tiny_lm("gpt_neox"))
    run: list[int] = []
    real = module._target

    def counted(between: Influence, x: Tensor, contexts: Tensor) -> Tensor:
        run.append(len(x))
        return real(between, x, contexts)

    monkeypatch.setattr(module, "_target", counted)
    drops = ablation_drops(made, torch.arange(N))
    assert sum(run) == int(made.active.sum()) < N * N_CONTEXTS
    assert (drops[~made.active.T] == 0).all()
    assert not made.active[:, 0].any()


def test_attribution_is_the_slope_of_a_small_ablation() -> None:
    """Removing a millionth of a latent's contribution lowers the pre-activation by a millionth of its attribution."""
    made = between(ReLU(), tiny_lm("gpt_neox"))
    found = promised_drops(made)
    weights = made.dictionary_above.W_enc[TARGET]
    small = 1e-6
    for latent in range(N):
        written = small * made.z[..., latent, None] * made.dictionary_below.W_dec[latent]
        rows = torch.arange(N_CONTEXTS)
        ends = [
            made.lm.capture_from(BELOW, x, [ABOVE])[ABOVE][rows, made.last] @ weights
            for x in (made.x, made.x - written)
        ]
        assert ((ends[0] - ends[1]) / small - found[:, latent]).abs().max() < 1e-5
    assert (found[~made.active] == 0).all()
