"""How many counterfactual pairs a language model gets right: the gate before any causal experiment."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from tokenizers import Tokenizer
from torch import Tensor

from monosemy.core import Interval, wilson
from monosemy.corpus.tasks import PAIR_SPLITS, Pair, Task, both_right, generate, logit_difference, stack_pairs
from monosemy.lm import LanguageModel

BATCH_PAIRS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskScore:
    """One task on one half of its templates; arrays have one entry a pair.

    right: the model prefers the right answer in the clean *and* in the corrupt prompt.
    logit_difference_clean, _corrupt: the clean prompt's right answer minus its wrong one, in nats, after each prompt;
    positive is right in the clean prompt, negative in the corrupt one.
    kl: KL(clean || corrupt) of the next-token distributions, nats: the distance that patching has to cover.
    """

    task: Task
    pairs: tuple[Pair, ...]
    right: Bool[np.ndarray, " pairs"]
    logit_difference_clean: Float64[np.ndarray, " pairs"]
    logit_difference_corrupt: Float64[np.ndarray, " pairs"]
    kl: Float64[np.ndarray, " pairs"]

    @property
    def accuracy(self) -> Interval:
        """Share of pairs that are right, with Wilson's interval."""
        return wilson(int(self.right.sum()), len(self.right))


def score_task(lm: LanguageModel, tokenizer: Tokenizer, task: Task, *, n_pairs: int = 400, seed: int = 0) -> TaskScore:
    """Run the model on seeded pairs, n_pairs // 2 of the selection templates, then as many of the held-out ones."""
    pairs = tuple(
        pair for split in PAIR_SPLITS for pair in generate(task, tokenizer, n_pairs // 2, seed=seed, split=split)
    )
    parts = [_score(lm, pairs[start : start + BATCH_PAIRS]) for start in range(0, len(pairs), BATCH_PAIRS)]
    right, clean, corrupt, kl = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return TaskScore(
        task=task, pairs=pairs, right=right, logit_difference_clean=clean, logit_difference_corrupt=corrupt, kl=kl
    )


def _score(lm: LanguageModel, pairs: tuple[Pair, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch = stack_pairs(pairs)
    clean = batch.at_last(lm.logits(batch.clean.to(lm.device)).cpu()).double()
    corrupt = batch.at_last(lm.logits(batch.corrupt.to(lm.device)).cpu()).double()
    log_clean, log_corrupt = clean.log_softmax(dim=-1), corrupt.log_softmax(dim=-1)
    return (
        both_right(clean, corrupt, pairs),
        logit_difference(clean, pairs, "clean"),
        -logit_difference(corrupt, pairs, "corrupt"),
        (log_clean.exp() * (log_clean - log_corrupt)).sum(dim=-1),
    )
