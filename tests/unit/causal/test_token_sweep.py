"""Texts that are changed. Oracle: one text at a time through the whole model, without padding, in float64."""

import numpy as np
import pytest
import torch

from monosemy.causal import LatentReader, context_ablation, greedy_text, minimal_text, token_sweep
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, ReLU, TopK
from monosemy.lm import LanguageModel, Site
from tests.unit.lm.tiny_models import CONTEXT, tiny_lm, tiny_model, tiny_tokenizer

SITE = Site(1, "resid_post")
TEXT = (12, 40, 7, 99, 41)


def reader(lm: LanguageModel, seed: int = 0, latent: int = 3) -> LatentReader:
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(8, 24, dtype=torch.float64, generator=generator)
    zero = torch.zeros(8, dtype=torch.float64)
    dictionary = Dictionary(
        W_enc=W, b_enc=zero + 1, W_dec=W.clone(), b_dec=torch.zeros(24, dtype=torch.float64), sparsifier=TopK(5)
    )
    return LatentReader(lm=lm, site=SITE, dictionary=dictionary, latent=latent)


def alone(read: LatentReader, text: tuple[int, ...]) -> float:
    """The latent at the last token, by the sparsifier's own definition on one row."""
    whole = torch.tensor([[0, *text]])
    x = read.lm.capture(whole, [SITE])[SITE][0, -1]
    pre = read.dictionary.W_enc @ x + 1
    kept = pre.sort(descending=True).values[4]
    return float(pre[read.latent].relu()) if pre[read.latent] >= kept else 0.0


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return tiny_lm("gpt_neox")


def test_texts_of_unlike_lengths_are_what_each_is_alone(lm: LanguageModel) -> None:
    read = reader(lm)
    texts = [TEXT[:n] for n in (3, 1, 5, 0, 2)]
    np.testing.assert_allclose(read(texts), [alone(read, text) for text in texts], atol=1e-9)
    assert read([]).shape == (0,)
    np.testing.assert_allclose(read.everywhere(TEXT), [alone(read, TEXT[: n + 1]) for n in range(5)], atol=1e-9)
    every = read.all_latents(TEXT)
    assert every[3] == pytest.approx(alone(read, TEXT)) and (every > 0).sum() <= 5


def test_context_ablation_leaves_out_one_token_at_a_time(lm: LanguageModel) -> None:
    read = reader(lm)
    expected = [alone(read, TEXT[:i] + TEXT[i + 1 :]) - alone(read, TEXT) for i in range(4)]
    np.testing.assert_allclose(context_ablation(read, TEXT, 40), expected, atol=1e-9)
    np.testing.assert_allclose(context_ablation(read, TEXT, 2), expected[2:], atol=1e-9)
    assert context_ablation(read, TEXT[:1], 40).shape == (0,)


@pytest.mark.parametrize("keep", [0.3, 0.9, 1.0])
def test_the_minimal_text_is_the_shortest_end_that_keeps_enough(lm: LanguageModel, keep: float) -> None:
    read = next(r for r in (reader(lm, latent=n) for n in range(8)) if alone(r, TEXT) > 0)
    found = minimal_text(read, TEXT, keep)
    whole = alone(read, TEXT)
    assert found == TEXT[-len(found) :]
    assert alone(read, found) >= keep * whole - 1e-9
    assert all(alone(read, TEXT[-n:]) < keep * whole for n in range(1, len(found)))
    with pytest.raises(ValueError, match="fires"):
        minimal_text(read, (), keep)


def test_sweeps_and_the_greedy_text_try_every_token(lm: LanguageModel) -> None:
    read, vocabulary = reader(lm), list(range(30))
    text = TEXT[:2]
    np.testing.assert_allclose(
        token_sweep(read, text, "before", vocabulary), [alone(read, (t, *text)) for t in vocabulary], atol=1e-9
    )
    np.testing.assert_allclose(
        token_sweep(read, text, "behind", vocabulary), [alone(read, (*text, t)) for t in vocabulary], atol=1e-9
    )
    found, values = greedy_text(read, 3, vocabulary)
    text = ()
    for value in values:
        best = max(vocabulary, key=lambda t: alone(read, (*text, t)))
        text = (*text, best)
        assert value == pytest.approx(alone(read, text))
    assert found == text


def test_what_cannot_be_read_is_refused(lm: LanguageModel) -> None:
    with pytest.raises(UserError, match=f"context of {CONTEXT}"):
        reader(lm)([tuple(range(CONTEXT))])
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = None
    without = reader(LanguageModel(tiny_model("gpt_neox"), tokenizer, "no-bos"))
    assert without.prefix == ()
    with pytest.raises(UserError, match="beginning-of-sequence"):
        without([()])


def test_a_planted_latent_answers_one_token_only(lm: LanguageModel) -> None:
    """A latent that reads the embedding of token 25 before the first block, and nothing else so strongly."""
    embedding = lm.model.get_input_embeddings().weight.detach()  # pyright: ignore
    unit = embedding / embedding.norm(dim=1, keepdim=True)
    cut = float((unit @ unit[25]).sort().values[-2] + 1) / 2
    planted = Dictionary(
        W_enc=unit[[25]],
        b_enc=-cut * embedding[25].norm()[None],
        W_dec=unit[[25]],
        b_dec=torch.zeros(24, dtype=torch.float64),
        sparsifier=ReLU(),
    )
    read = LatentReader(lm=lm, site=Site(0, "resid_pre"), dictionary=planted, latent=0)
    vocabulary = [t for t in range(300) if embedding[t].norm() <= embedding[25].norm()] + [25]
    found = token_sweep(read, TEXT, "behind", vocabulary)
    assert {vocabulary[i] for i in np.flatnonzero(found > 0)} == {25}
