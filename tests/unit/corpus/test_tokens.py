"""Training batches, held-out windows and token bytes: against plain Python over the stream, and the tokenizer."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from monosemy.core import UserError, numpy_generator
from monosemy.corpus import (
    END_OF_TEXT_ID,
    IGNORED_TARGET,
    Document,
    TokenizedDocument,
    TrainingBatches,
    join,
    scored_windows,
    token_bytes,
    tokenize,
)
from monosemy.corpus.tokens import MAX_REPEAT_TOKENS, MIN_REPEAT_TOKENS, repeated_segment
from tests.unit.corpus.tokenizers_of_tests import train_tokenizer

CONTEXT = 128


def batches(
    n_tokens: int = 5000, *, context: int = 16, batch: int = 4, repeat: float = 0.0, seed: int = 0
) -> TrainingBatches:
    """Over the stream 1, 2, 3, ...: every token tells its place."""
    return TrainingBatches(
        stream=np.arange(1, n_tokens + 1),
        context_length=context,
        batch_sequences=batch,
        repeat_fraction=repeat,
        seed=seed,
    )


def epoch_targets(of: TrainingBatches, epoch: int) -> np.ndarray:
    """The targets of all batches of an epoch, `[steps * batch context]`."""
    first = epoch * of.steps_per_epoch
    return torch.cat([of(step).targets for step in range(first, first + of.steps_per_epoch)]).numpy()


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    one, other = batches(context=CONTEXT, repeat=0.5), batches(context=CONTEXT, repeat=0.5)
    backwards = {step: other(step) for step in reversed(range(20))}
    for step in range(20):
        assert torch.equal(one(step).tokens, backwards[step].tokens)
        assert torch.equal(one(step).targets, backwards[step].targets)
    assert not torch.equal(one(0).targets, one(1).targets)
    assert not torch.equal(one(0).targets, batches(context=CONTEXT, repeat=0.5, seed=1)(0).targets)


def test_targets_are_the_inputs_shifted() -> None:
    batch = batches()(3)
    assert (batch.tokens[:, 0] == END_OF_TEXT_ID).all()
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])


@settings(max_examples=30, deadline=None)
@given(
    context=st.integers(1, 20),
    batch=st.integers(1, 5),
    extra=st.integers(0, 60),
    epoch=st.integers(0, 3),
    seed=st.integers(0, 100),
)
def test_an_epoch_visits_each_window_at_most_once_at_one_offset(
    context: int, batch: int, extra: int, epoch: int, seed: int
) -> None:
    of = batches((batch + 1) * context + extra, context=context, batch=batch, seed=seed)
    targets = epoch_targets(of, epoch)
    assert (np.diff(targets, axis=1) == 1).all()  # every row is a window of the stream, as its tokens count up
    starts = targets[:, 0] - 1
    assert len(set(starts.tolist())) == len(starts) == of.steps_per_epoch * batch
    assert len(set((starts % context).tolist())) == 1
    assert starts.min() >= 0
    assert targets.max() <= len(of.stream)
    # What an epoch leaves out is less than a batch, and the ends that the offset cuts off.
    assert len(of.stream) - targets.size < (batch - 1) * context + 2 * context


def test_the_offset_differs_between_epochs() -> None:
    of = batches()
    first_steps = (of(epoch * of.steps_per_epoch) for epoch in range(12))
    offsets = {int(batch.targets[0, 0] - 1) % of.context_length for batch in first_steps}
    assert len(offsets) > 4


def test_all_tokens_but_the_last_ones_are_seen_over_epochs() -> None:
    """200 tokens in windows of 16: 11 windows from an offset of 0 to 15 end before token 15 + 11 * 16 = 191."""
    of = batches(200, batch=11)
    seen = np.unique(np.concatenate([epoch_targets(of, epoch) for epoch in range(120)]))
    assert np.array_equal(seen, of.stream[:191])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_repeated_row_has_its_period_and_no_loss_on_the_first_copy(seed: int) -> None:
    window = np.arange(1000, 1000 + CONTEXT * 2)
    tokens, targets = repeated_segment(window, numpy_generator(seed, "test"))
    period = int((targets == IGNORED_TARGET).sum())
    assert MIN_REPEAT_TOKENS <= period <= MAX_REPEAT_TOKENS
    assert (targets[:period] == IGNORED_TARGET).all()
    assert tokens[0] == END_OF_TEXT_ID
    row = tokens[1:]
    assert np.array_equal(row[period:], row[:-period])
    assert np.array_equal(targets[period:-1], row[period:])
    segment = np.sort(row[:period])
    assert np.array_equal(segment, np.arange(segment[0], segment[0] + period))  # a run of the window, maybe shuffled
    assert segment[0] >= window[0]
    assert segment[-1] <= window[-1]


def test_the_shares_of_repeated_and_of_shuffled_rows() -> None:
    """Binomial: n rows with p = 0.17 and half of them shuffled; five standard deviations are allowed."""
    of = batches(100_000, context=CONTEXT, batch=8, repeat=0.17)
    n_steps = 400
    rows = [of(step) for step in range(n_steps)]
    repeated = torch.cat([(batch.targets == IGNORED_TARGET).any(dim=1) for batch in rows])
    n, k = len(repeated), int(repeated.sum())
    assert abs(k - 0.17 * n) < 5 * math.sqrt(n * 0.17 * 0.83)
    first = torch.cat([batch.tokens[:, 1:MIN_REPEAT_TOKENS] for batch in rows])[repeated]
    shuffled = int((first.diff(dim=1) != 1).any(dim=1).sum())
    assert abs(shuffled - 0.5 * k) < 5 * math.sqrt(k * 0.25)


def test_rows_that_are_not_repeated_are_those_without_repeats() -> None:
    plain, mixed = batches(context=CONTEXT), batches(context=CONTEXT, repeat=0.5)
    n_same = 0
    for step in range(plain.steps_per_epoch):
        untouched = (mixed(step).targets != IGNORED_TARGET).all(dim=1)
        assert torch.equal(mixed(step).targets[untouched], plain(step).targets[untouched])
        n_same += int(untouched.sum())
    assert n_same > 0


def test_a_text_too_short_for_a_batch_is_refused() -> None:
    assert batches(80, context=16, batch=4).steps_per_epoch == 1
    with pytest.raises(UserError, match="79 tokens; one batch needs at least 80"):
        batches(79, context=16, batch=4)


def test_a_context_that_cannot_hold_a_repetition_is_refused() -> None:
    assert (batches(context=MAX_REPEAT_TOKENS + 1, repeat=1.0)(0).targets >= 0).any(dim=1).all()
    with pytest.raises(UserError, match="longer context"):
        batches(context=MAX_REPEAT_TOKENS, repeat=0.1)


def test_small_unsigned_tokens_are_read_as_they_are() -> None:
    stream = np.arange(2000, dtype=np.uint16)
    of = TrainingBatches(stream=stream, context_length=16, batch_sequences=4, repeat_fraction=0.0, seed=0)
    assert of(0).targets.dtype == of(0).tokens.dtype == torch.int64
    assert torch.equal(of(0).targets, batches(2000)(0).targets - 1)


def test_join_puts_the_separator_before_every_document() -> None:
    joined = join([np.array([5, 6], dtype=np.uint16), np.array([], dtype=np.uint16), np.array([7], dtype=np.uint16)])
    assert joined.tolist() == [END_OF_TEXT_ID, 5, 6, END_OF_TEXT_ID, END_OF_TEXT_ID, 7]
    assert joined.dtype == np.uint16


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 70), st.integers(1, 20))
def test_every_token_of_a_document_is_a_target_once_and_sees_its_row(n_tokens: int, context: int) -> None:
    tokens = np.arange(1, n_tokens + 1, dtype=np.uint16)
    rows = scored_windows(TokenizedDocument(id="a", unit="a", tokens=tokens, n_bytes=n_tokens), context)
    assert rows.tokens.shape == rows.targets.shape == (math.ceil(n_tokens / context), context)
    assert rows.targets[rows.targets != IGNORED_TARGET].tolist() == tokens.tolist()
    for r, (row, targets) in enumerate(zip(rows.tokens.tolist(), rows.targets.tolist(), strict=True)):
        for i, target in enumerate(targets):
            if target != IGNORED_TARGET:
                assert target == tokens[r * context + i]
                assert row[: i + 1] == [END_OF_TEXT_ID, *tokens[r * context : r * context + i].tolist()]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["def f(x):\n    return x\n", "les élèves naïfs, die Prüfung", "for i in range(10):"], 320)


@settings(max_examples=80, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_bytes_of_a_texts_tokens_are_its_utf8(tokenizer: Tokenizer, text: str) -> None:
    of_token = token_bytes(tokenizer)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    joined = b"".join(of_token[id_] for id_ in ids)
    assert joined == text.encode()
    assert joined.decode() == tokenizer.decode(ids)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_the_bytes_of_any_tokens_decode_as_the_tokenizer_does(tokenizer: Tokenizer, data: st.DataObject) -> None:
    """Also tokens that are no UTF-8 together: both then write the replacement character."""
    ids = data.draw(st.lists(st.integers(0, tokenizer.get_vocab_size() - 1), max_size=30))
    joined = b"".join(token_bytes(tokenizer)[id_] for id_ in ids)
    assert joined.decode(errors="replace") == tokenizer.decode(ids)


def test_every_byte_is_one_token_and_special_tokens_are_none(tokenizer: Tokenizer) -> None:
    of_token = token_bytes(tokenizer)
    assert len(of_token) == tokenizer.get_vocab_size()
    assert of_token[END_OF_TEXT_ID] == b""
    single = Counter(part for part in of_token if len(part) == 1)
    assert single == Counter(bytes([byte]) for byte in range(256))


def test_tokenize_leaves_out_documents_without_tokens(tokenizer: Tokenizer) -> None:
    texts = ["def f", "", "élève 語"]
    documents = [Document(id=f"id{i}", unit=f"unit{i}", text=text) for i, text in enumerate(texts)]
    found = list(tokenize(iter(documents), tokenizer))
    assert [(each.id, each.unit, each.n_bytes) for each in found] == [("id0", "unit0", 5), ("id2", "unit2", 11)]
    assert [tokenizer.decode(each.tokens.tolist()) for each in found] == ["def f", "élève 語"]
