"""From token streams to the fixed-length sequences a language model reads: training batches and held-out windows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, Integer
from tokenizers import Tokenizer
from torch import Tensor

from monosemy.core import UserError, numpy_generator
from monosemy.corpus.documents import Document

END_OF_TEXT_ID = 0
IGNORED_TARGET = -100
"""A target with this id carries no loss (the default `ignore_index` of torch's cross-entropy)."""

MIN_REPEAT_TOKENS, MAX_REPEAT_TOKENS = 24, 120
SHUFFLED_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizedDocument:
    """A document's tokens, and the bytes of UTF-8 they stand for."""

    id: str
    unit: str
    tokens: Integer[np.ndarray, " n_tokens"]
    n_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenBatch:
    """Inputs `[batch seq]` and the token each position should predict `[batch seq]`, or IGNORED_TARGET."""

    tokens: Int64[Tensor, "batch seq"]
    targets: Int64[Tensor, "batch seq"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingBatches:
    """Step -> batch, a pure function of (seed, step): a resumed training sees exactly the batches it would have seen.

    Every epoch cuts the stream at a new random offset into windows of `context_length` tokens and visits each once.
    A row is `[<|endoftext|>] + window[:-1]` and its targets are `window`. A share of the rows (`repeat_fraction`) is
    replaced by a segment of 24 to 120 tokens of the window, repeated to fill the context; half of these segments are
    shuffled first, so that only copying can predict them. Their first copy carries no loss. Without such rows a model
    of this size does not learn to copy names (induction) in the time it is given.

    stream: `[n_tokens]` token ids of the training documents, separated by `<|endoftext|>`.
    Raises UserError when the stream does not fill a batch, or the context cannot hold a segment and its repetition.
    """

    stream: Integer[np.ndarray, " n_tokens"]
    context_length: int
    batch_sequences: int
    repeat_fraction: float
    seed: int

    def __post_init__(self) -> None:
        if self.n_windows < self.batch_sequences:
            raise UserError(
                f"the training text has {len(self.stream)} tokens; one batch needs at least "
                f"{(self.batch_sequences + 1) * self.context_length}; give more text or a smaller batch"
            )
        if self.repeat_fraction > 0 and self.context_length <= MAX_REPEAT_TOKENS:
            raise UserError(
                f"repeated segments have up to {MAX_REPEAT_TOKENS} tokens and the context has {self.context_length}: "
                "such a row would have no target; take a longer context or set repeat_fraction to 0"
            )

    @property
    def n_windows(self) -> int:
        """Windows an epoch, whatever its offset; less than two windows at the ends of the stream are not visited."""
        return len(self.stream) // self.context_length - 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch; the remainder of windows that fills no batch is left out of that epoch."""
        return self.n_windows // self.batch_sequences

    def __call__(self, step: int) -> TokenBatch:
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        order = numpy_generator(self.seed, f"lm-epoch/{epoch}")
        offset = int(order.integers(self.context_length))
        first = step_in_epoch * self.batch_sequences
        windows = order.permutation(self.n_windows)[first : first + self.batch_sequences]
        starts = offset + windows * self.context_length
        targets = self.stream[starts[:, None] + np.arange(self.context_length)].astype(np.int64)
        tokens = np.concatenate([np.full((len(targets), 1), END_OF_TEXT_ID), targets[:, :-1]], axis=1)
        rows = numpy_generator(self.seed, f"lm-repeats/{step}")
        for row in np.flatnonzero(rows.random(len(targets)) < self.repeat_fraction):
            tokens[row], targets[row] = repeated_segment(targets[row], rows)
        return TokenBatch(tokens=torch.from_numpy(tokens), targets=torch.from_numpy(targets))


def repeated_segment(
    window: Int64[np.ndarray, " seq"], generator: np.random.Generator
) -> tuple[Int64[np.ndarray, " seq"], Int64[np.ndarray, " seq"]]:
    """A random segment of `window`, half of the time shuffled, repeated to the window's length; (tokens, targets)."""
    length = int(generator.integers(MIN_REPEAT_TOKENS, MAX_REPEAT_TOKENS + 1))
    start = int(generator.integers(max(1, len(window) - length)))
    segment = window[start : start + length]
    if generator.random() < SHUFFLED_SHARE:
        segment = generator.permutation(segment)
    repeated = np.resize(segment, len(window))
    targets = np.where(np.arange(len(window)) < len(segment), IGNORED_TARGET, repeated)
    return np.concatenate([[END_OF_TEXT_ID], repeated[:-1]]), targets


def join(documents: Sequence[Integer[np.ndarray, " _"]]) -> Integer[np.ndarray, " n_tokens"]:
    """One stream of all documents, each preceded by `<|endoftext|>`."""
    separator = np.array([END_OF_TEXT_ID], dtype=np.uint16)
    return np.concatenate([part for document in documents for part in (separator, document)])


def scored_windows(document: TokenizedDocument, context_length: int) -> TokenBatch:
    """A held-out document as rows `[n_rows context_length]` in training's form, every token predicted exactly once.

    Row r predicts tokens r*C .. r*C + C - 1 from `<|endoftext|>` and the ones before them in the row: what stands in an
    earlier row is not seen. The last row is filled up with `<|endoftext|>` and ignored targets.
    """
    n_rows = -(-len(document.tokens) // context_length)
    targets = np.full(n_rows * context_length, IGNORED_TARGET, dtype=np.int64)
    targets[: len(document.tokens)] = document.tokens
    targets = targets.reshape(n_rows, context_length)
    inputs = np.where(targets == IGNORED_TARGET, END_OF_TEXT_ID, targets)
    tokens = np.concatenate([np.full((n_rows, 1), END_OF_TEXT_ID), inputs[:, :-1]], axis=1)
    return TokenBatch(tokens=torch.from_numpy(tokens), targets=torch.from_numpy(targets))


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """The UTF-8 bytes of every token of a byte-level tokenizer, by id; special tokens stand for none.

    Byte-level BPE writes each byte as a printable character: the printable Latin-1 ones as themselves, the others, in
    order, as the characters from U+0100 on (Radford et al. 2019).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}
    added = {
        id_: b"" if token.special else token.content.encode()
        for id_, token in tokenizer.get_added_tokens_decoder().items()
    }
    tokens = (tokenizer.id_to_token(id_) or "" for id_ in range(tokenizer.get_vocab_size()))
    return [added[id_] if id_ in added else bytes(byte_of[c] for c in token) for id_, token in enumerate(tokens)]


def tokenize(documents: Iterable[Document], tokenizer: Tokenizer) -> Iterator[TokenizedDocument]:
    """Tokenize documents as they come, without special tokens; one that has no token is left out."""
    for document in documents:
        ids = tokenizer.encode(document.text, add_special_tokens=False).ids
        if ids:
            tokens = np.array(ids, dtype=np.int32)
            n_bytes = len(document.text.encode("utf-8", "surrogatepass"))
            yield TokenizedDocument(id=document.id, unit=document.unit, tokens=tokens, n_bytes=n_bytes)
