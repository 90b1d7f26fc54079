"""Losses by document and position against a loop in float64, copying on a model made to copy, and sampling."""

import math

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from monosemy.core import numpy_generator
from monosemy.corpus import IGNORED_TARGET, TokenizedDocument
from monosemy.evaluation import TextLosses, induction, language_model, sample_text, text_losses, token_nats
from monosemy.lm import LanguageModel
from tests.unit.lm.tiny_models import VOCAB, tiny_lm, tiny_tokenizer

CONTEXT = 12
LENGTHS = (30, 5, 12, 1, 24, 13)


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return tiny_lm("gpt_neox")


def documents() -> list[TokenizedDocument]:
    random = numpy_generator(0, "test-documents")
    return [
        TokenizedDocument(
            id=f"{i}", unit=f"{i}", tokens=random.integers(VOCAB, size=n).astype(np.uint16), n_bytes=3 * n + i
        )
        for i, n in enumerate(LENGTHS)
    ]


def losses_of(lm: LanguageModel, document: TokenizedDocument) -> list[float]:
    """One forward pass for each token, on the part of its row before it."""
    nats = []
    for i, token in enumerate(document.tokens.tolist()):
        start = i // CONTEXT * CONTEXT
        row = torch.tensor([[0, *document.tokens[start:i].tolist()]])
        nats.append(-lm.model(row).logits[0, -1].double().log_softmax(-1)[token].item())
    return nats


@torch.no_grad()
def test_losses_are_those_of_a_loop_over_tokens(lm: LanguageModel) -> None:
    found = text_losses(lm, documents(), CONTEXT)
    expected = [losses_of(lm, document) for document in documents()]
    np.testing.assert_allclose(found.nats, [sum(each) for each in expected], rtol=1e-6)
    assert found.n_tokens.tolist() == list(LENGTHS)
    assert found.n_bytes.tolist() == [document.n_bytes for document in documents()]
    at = [[each[i] for each in expected for i in range(p, len(each), CONTEXT)] for p in range(CONTEXT)]
    np.testing.assert_allclose(found.nats_at, [sum(each) for each in at], rtol=1e-6)
    assert found.n_at.tolist() == [len(each) for each in at]
    bits = sum(map(sum, expected)) / math.log(2) / sum(document.n_bytes for document in documents())
    assert found.bits_per_byte == pytest.approx(bits, rel=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_losses_do_not_depend_on_the_batches(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    one = text_losses(lm, documents(), CONTEXT)
    monkeypatch.setattr(language_model, "BATCH_ROWS", rows)
    other = text_losses(lm, documents(), CONTEXT)
    np.testing.assert_allclose(other.nats, one.nats, rtol=1e-6)
    np.testing.assert_allclose(other.nats_at, one.nats_at, rtol=1e-6)
    assert np.array_equal(other.n_at, one.n_at)


def test_documents_do_not_see_each_other(lm: LanguageModel) -> None:
    all_at_once = text_losses(lm, documents(), CONTEXT)
    one_by_one = [text_losses(lm, [document], CONTEXT).nats[0] for document in documents()]
    np.testing.assert_allclose(all_at_once.nats, one_by_one, rtol=1e-6)


def test_a_document_without_tokens_costs_nothing(lm: LanguageModel) -> None:
    empty = TokenizedDocument(id="e", unit="e", tokens=np.array([], dtype=np.uint16), n_bytes=0)
    found = text_losses(lm, [empty, *documents()], CONTEXT)
    assert (found.nats[0], found.n_tokens[0]) == (0.0, 0.0)
    np.testing.assert_allclose(found.nats[1:], text_losses(lm, documents(), CONTEXT).nats, rtol=1e-6)


def test_bits_per_byte_of_given_sums() -> None:
    """8 ln 2 nats on 4 bytes are 2 bits a byte."""
    one = np.ones(1)
    losses = TextLosses(nats=8 * math.log(2) * one, n_tokens=one, n_bytes=4 * one, nats_at=one, n_at=one)
    assert losses.bits_per_byte == pytest.approx(2.0)


def test_ignored_targets_have_no_nats(lm: LanguageModel) -> None:
    targets = torch.tensor([[5, IGNORED_TARGET, 7]])
    nats = token_nats(lm, torch.tensor([[0, 5, 6]]), targets)
    assert nats.dtype == torch.float64
    assert nats[0, 1] == 0
    assert (nats[0, [0, 2]] > 0).all()


def copying_lm(vocabulary: int, context: int) -> LanguageModel:
    """A GPT-2 that predicts the token `(context - 1) // 2 - 1` places back, exactly: made by hand, one head.

    Residual: one-hot token (V), one-hot position (T), room for the copy (V). The head's query and key make position t
    attend to t - (segment - 1) with a weight of 1 up to e^-100, its value is the token, its output goes to the room.
    Position t of the rows `0 r r` with t > segment so predicts the token that followed its own in the first copy.
    """
    v, t, shift = vocabulary, context, (context - 1) // 2 - 1
    d = 2 * v + t
    config = GPT2Config(
        vocab_size=v, n_embd=d, n_layer=1, n_head=1, n_inner=1, n_positions=t, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, scale_attn_weights=False, tie_word_embeddings=False,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).double()
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in weights.items():
            parameter.fill_(1.0 if "ln_" in name and name.endswith("weight") else 0.0)
        weights["transformer.wte.weight"][:, :v] = torch.eye(v)
        weights["transformer.wpe.weight"][:, v : v + t] = torch.eye(t)
        qkv = weights["transformer.h.0.attn.c_attn.weight"]  # [d, 3 d], x @ weight
        for position in range(t):
            qkv[v + position, position] = 100.0
        for position in range(t - shift):
            qkv[v + position, d + position + shift] = 100.0  # the key of a position meets the query of one later
        qkv[:v, 2 * d : 2 * d + v] = torch.eye(v)
        weights["transformer.h.0.attn.c_proj.weight"][:v, v + t :] = torch.eye(v)
        weights["lm_head.weight"][:, v + t :] = 100 * torch.eye(v)
    return LanguageModel(model, tiny_tokenizer(), "copying")


def test_a_model_that_copies_is_found_to_copy() -> None:
    """By distance, so it is right in all of the second copy; in the first by chance, at most 1 in V - 1."""
    vocabulary, context, n = 40, 16, 200
    found = induction(copying_lm(vocabulary, context), context, n_sequences=n, seed=1)
    segment = (context - 1) // 2
    assert [len(each) for each in (found.nats_first, found.nats_second)] == [segment, segment]
    assert (found.right_second == 1).all()
    assert (found.nats_second < 1e-3).all()
    chance = 1 / (vocabulary - 1)
    assert found.right_first.mean() < chance + 5 * math.sqrt(chance / (n * segment))
    assert (found.nats_first > 1).all()


def test_a_model_that_knows_nothing_is_at_chance_everywhere() -> None:
    """All logits equal: ln V nats at every position."""
    lm = copying_lm(40, 16)
    lm.unembedding.zero_()
    found = induction(lm, 16, n_sequences=40)
    np.testing.assert_allclose([*found.nats_first, *found.nats_second], math.log(40), rtol=1e-6)


def test_induction_is_a_function_of_its_seed(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    one, same, other = (induction(lm, CONTEXT, n_sequences=10, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.nats_second, same.nats_second)
    assert not np.array_equal(one.nats_second, other.nats_second)
    monkeypatch.setattr(language_model, "BATCH_ROWS", 3)
    batched = induction(lm, CONTEXT, n_sequences=10, seed=0)
    np.testing.assert_allclose(batched.nats_first, one.nats_first, rtol=1e-5)
    np.testing.assert_array_equal(batched.right_first, one.right_first)


def test_samples_are_a_function_of_prompt_and_seed() -> None:
    lm = tiny_lm("gpt_neox", seed=1)
    before = torch.random.get_rng_state()
    text = sample_text(lm, "the quick", n_tokens=30, temperature=5.0)
    assert text.startswith("the quick")
    assert len(text) > len("the quick")
    assert sample_text(lm, "the quick", n_tokens=30, temperature=5.0) == text
    assert sample_text(lm, "the quick", n_tokens=30, temperature=5.0, seed=1) != text
    assert torch.equal(torch.random.get_rng_state(), before)


@torch.no_grad()
def test_samples_at_a_low_temperature_are_the_likeliest_tokens(lm: LanguageModel) -> None:
    """Greedy decoding with the model itself, over the last `context_length` tokens."""
    ids = [0, *lm.tokenizer.encode("the fox")]
    start = len(ids)
    for _ in range(20):
        ids.append(int(lm.model(torch.tensor([ids[-lm.context_length :]])).logits[0, -1].argmax()))
    assert start < lm.context_length < len(ids)
    assert sample_text(lm, "the fox", n_tokens=20, temperature=1e-4) == lm.tokenizer.decode(ids[1:])


def test_a_prompt_comes_back_as_it_was_given(lm: LanguageModel) -> None:
    prompt = "a , b . it 's n't\n    x  ?"
    assert sample_text(lm, prompt, n_tokens=0) == prompt
