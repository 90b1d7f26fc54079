"""Pairs as tensors, and the one definition of a right answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from monosemy.corpus.tasks.pairs import Pair

PADDING_ID = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PairBatch:
    """Pairs as tensors, padded on the right: causal attention never lets a real position see the padding.

    clean, corrupt: token ids. last: the position whose logits hold the answer, the same in both.
    is_real: False where a position is padding.
    """

    clean: Int64[Tensor, "pairs seq"]
    corrupt: Int64[Tensor, "pairs seq"]
    last: Int64[Tensor, " pairs"]
    is_real: Bool[Tensor, "pairs seq"]

    def at_last(self, values: Float[Tensor, "pairs seq width"]) -> Float[Tensor, "pairs width"]:
        """The rows of `values` at each pair's last position."""
        return values[torch.arange(len(self.last), device=values.device), self.last.to(values.device)]


def stack_pairs(pairs: Sequence[Pair]) -> PairBatch:
    """Stack pairs of any lengths into one padded batch.

    Raises ValueError when there is no pair.
    """
    if not pairs:
        raise ValueError("no pair to stack")
    n_tokens = torch.tensor([pair.n_tokens for pair in pairs])
    width = int(n_tokens.max())
    return PairBatch(
        clean=torch.tensor([pair.clean_ids + (PADDING_ID,) * (width - pair.n_tokens) for pair in pairs]),
        corrupt=torch.tensor([pair.corrupt_ids + (PADDING_ID,) * (width - pair.n_tokens) for pair in pairs]),
        last=n_tokens - 1,
        is_real=torch.arange(width) < n_tokens[:, None],
    )


def logit_difference(
    logits: Float[Tensor, "pairs vocab"], pairs: Sequence[Pair], member: Literal["clean", "corrupt"]
) -> Float[Tensor, " pairs"]:
    """By how much the model prefers the right answer of one member, in nats; positive when it does.

    LD = logsumexp(logits[right tokens]) - logsumexp(logits[wrong tokens]) = log(P(right) / P(wrong))

    logits: those of that member's prompts at the last position. The right tokens are `answer_ids` for the clean prompt
    and `wrong_ids` for the corrupt one. With one token on each side it is the plain difference of two logits.
    """
    differences = []
    for row, pair in zip(logits, pairs, strict=True):
        clean, corrupt = row[list(pair.answer_ids)].logsumexp(0), row[list(pair.wrong_ids)].logsumexp(0)
        differences.append(clean - corrupt if member == "clean" else corrupt - clean)
    return torch.stack(differences) if differences else logits.new_zeros(0)


def both_right(
    clean_logits: Float[Tensor, "pairs vocab"], corrupt_logits: Float[Tensor, "pairs vocab"], pairs: Sequence[Pair]
) -> Bool[Tensor, " pairs"]:
    """Whether the model prefers the right answer after the clean prompt and after the corrupt one.

    Only both together exclude a model that always gives the same answer.
    logits: those at the last position of each prompt.
    """
    clean = logit_difference(clean_logits, pairs, "clean") > 0
    return clean & (logit_difference(corrupt_logits, pairs, "corrupt") > 0)
