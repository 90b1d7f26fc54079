"""How well a language model predicts text, document by document and position by position, and whether it copies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from monosemy.core import Progress, numpy_generator, silent, torch_generator
from monosemy.corpus import END_OF_TEXT_ID, IGNORED_TARGET, TokenizedDocument, scored_windows
from monosemy.lm import LanguageModel

BATCH_ROWS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class TextLosses:
    """Sums: `nats`, `n_tokens`, `n_bytes` of each document; `nats_at`, `n_at` of each position in a row."""

    nats: Float64[np.ndarray, " documents"]
    n_tokens: Float64[np.ndarray, " documents"]
    n_bytes: Float64[np.ndarray, " documents"]
    nats_at: Float64[np.ndarray, " context"]
    n_at: Float64[np.ndarray, " context"]

    @property
    def bits_per_byte(self) -> float:
        """sum of nats / (ln 2 * sum of UTF-8 bytes)."""
        return float(self.nats.sum() / np.log(2) / self.n_bytes.sum())


def text_losses(
    lm: LanguageModel, documents: Sequence[TokenizedDocument], context_length: int, *, progress: Progress | None = None
) -> TextLosses:
    """Cross-entropy of every token of every document, once, each row starting afresh after `<|endoftext|>`.

    The mean context is half of what a sliding window would give, so the figure is an upper bound of the model's.
    """
    windows = [scored_windows(document, context_length) for document in documents]
    owner = np.repeat(np.arange(len(windows)), [len(window.tokens) for window in windows])
    tokens, targets = torch.cat([w.tokens for w in windows]), torch.cat([w.targets for w in windows])
    nats = np.empty(tokens.shape)
    with (progress or silent()).task("cross-entropy of held-out text", len(tokens), "sequences") as task:
        for start in range(0, len(tokens), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            nats[rows] = token_nats(lm, tokens[rows], targets[rows]).numpy()
            task.advance(len(tokens[rows]))
    is_real = (targets != IGNORED_TARGET).numpy()
    return TextLosses(
        nats=np.bincount(owner, weights=nats.sum(axis=1), minlength=len(windows)),
        n_tokens=np.bincount(owner, weights=is_real.sum(axis=1), minlength=len(windows)),
        n_bytes=np.array([document.n_bytes for document in documents], dtype=np.float64),
        nats_at=nats.sum(axis=0),
        n_at=is_real.sum(axis=0).astype(np.float64),
    )


def joined_losses(parts: Sequence[TextLosses]) -> TextLosses:
    """The losses of all parts' documents, in order, as if measured at once; ValueError where there is no part."""
    return TextLosses(
        nats=np.concatenate([part.nats for part in parts]),
        n_tokens=np.concatenate([part.n_tokens for part in parts]),
        n_bytes=np.concatenate([part.n_bytes for part in parts]),
        nats_at=np.sum([part.nats_at for part in parts], axis=0),
        n_at=np.sum([part.n_at for part in parts], axis=0),
    )


def token_nats(lm: LanguageModel, tokens: Tensor, targets: Tensor) -> Tensor:
    """-log p(target) `[batch seq]` in float64 on the CPU; 0 where the target is ignored."""
    logits = lm.logits(tokens.to(lm.device))
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.to(lm.device).flatten(), reduction="none", ignore_index=IGNORED_TARGET
    )
    return losses.view(tokens.shape).cpu().double()


@dataclass(frozen=True, kw_only=True, slots=True)
class Induction:
    """On random tokens given twice: mean nats and share of right first guesses at each position of each copy."""

    nats_first: Float64[np.ndarray, " segment"]
    nats_second: Float64[np.ndarray, " segment"]
    right_first: Float64[np.ndarray, " segment"]
    right_second: Float64[np.ndarray, " segment"]


def induction(lm: LanguageModel, context_length: int, *, n_sequences: int = 128, seed: int = 0) -> Induction:
    """Can the model copy? Sequences `<|endoftext|> r r` with r uniformly random tokens, half of the context long.

    Nothing but the first copy predicts the second. Position 0 of the second copy is where copying begins and cannot be
    known; from position 1 on an induction head (Olsson et al. 2022) predicts each token.
    """
    segment = (context_length - 1) // 2
    random = numpy_generator(seed, "induction").integers(1, lm.vocab_size, size=(n_sequences, segment))
    rows = torch.from_numpy(np.concatenate([np.full((n_sequences, 1), END_OF_TEXT_ID), random, random], axis=1))
    nats, right = [], []
    for batch in rows.split(BATCH_ROWS):
        logits = lm.logits(batch.to(lm.device))[:, :-1].float()
        targets = batch[:, 1:].to(lm.device)
        nats.append(torch.nn.functional.cross_entropy(logits.mT, targets, reduction="none").cpu().double())
        right.append((logits.argmax(dim=-1) == targets).cpu().double())
    nats_at, right_at = torch.cat(nats).mean(dim=0).numpy(), torch.cat(right).mean(dim=0).numpy()
    return Induction(
        nats_first=nats_at[:segment],
        nats_second=nats_at[segment:],
        right_first=right_at[:segment],
        right_second=right_at[segment:],
    )


def sample_text(lm: LanguageModel, prompt: str, *, n_tokens: int = 80, temperature: float = 0.7, seed: int = 0) -> str:
    """The prompt and its continuation, each token drawn from softmax(logits / temperature) with a seeded stream.

    For people to look at; no figure is computed from it.
    """
    generator = torch_generator(seed, f"sample/{prompt}")
    ids = [END_OF_TEXT_ID, *lm.tokenizer.encode(prompt, add_special_tokens=False)]
    for _ in range(n_tokens):
        row = torch.tensor([ids[-lm.context_length :]], device=lm.device)
        probabilities = (lm.logits(row, n_last=1)[0, -1].float().cpu() / temperature).softmax(dim=-1)
        ids.append(int(torch.multinomial(probabilities, 1, generator=generator)))
    return str(lm.tokenizer.decode(ids[1:]))
