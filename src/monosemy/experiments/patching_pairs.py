"""Counterfactual pairs by the name of their task, and which of them the model gets right."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from monosemy.core import UserError, nearest
from monosemy.corpus import generate_ioi
from monosemy.corpus.tasks import TASKS, Pair, PairSplit, both_right, generate, stack_pairs, task_named
from monosemy.experiments.texts import backend_tokenizer
from monosemy.lm import LanguageModel

IOI = "IOI"
IOI_DESCRIPTION = "When A and B went to the place, B gave a thing to -> A: name the indirect object"
BATCH_PAIRS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskWords:
    """What is said of a task: its name, one line, and whether the model is not expected to do it always."""

    name: str
    description: str
    hard_case: bool


def patching_tasks() -> tuple[str, ...]:
    """The names of all tasks: those of the embedded Python model, then IOI of English ones."""
    return (*(task.name for task in TASKS), IOI)


def task_words(name: str) -> TaskWords:
    """What is said of a task. Raises UserError when there is none of that name."""
    if name not in patching_tasks():
        known = ", ".join(patching_tasks())
        raise UserError(f"there is no task {name!r}{nearest(name, patching_tasks())}; allowed are {known}")
    if name == IOI:
        return TaskWords(name=IOI, description=IOI_DESCRIPTION, hard_case=False)
    task = task_named(name)
    return TaskWords(name=name, description=task.description, hard_case=task.hard_case)


def task_pairs(name: str, lm: LanguageModel, n_pairs: int, *, seed: int, split: PairSplit) -> list[Pair]:
    """Seeded pairs of one half of a task's templates, for this model's tokenizer.

    Raises UserError for an unknown task, where the tokenizer gives no such pairs (it splits the names, the prompts are
    of unequal length), and for a prompt that is longer than the model's context.
    """
    task_words(name)
    tokenizer = backend_tokenizer(lm)
    if name == IOI:
        pairs = generate_ioi(tokenizer, n_pairs, seed=seed, split=split)
    else:
        pairs = generate(task_named(name), tokenizer, n_pairs, seed=seed, split=split)
    longest = max(pairs, key=lambda pair: pair.n_tokens)
    if longest.n_tokens > lm.context_length:
        raise UserError(
            f"template {longest.template!r} of task {name!r} makes a prompt of {longest.n_tokens} tokens, longer than "
            f"the model's context of {lm.context_length}; choose another task or a model that reads more"
        )
    return pairs


def right_pairs(lm: LanguageModel, pairs: list[Pair]) -> Bool[np.ndarray, " pairs"]:
    """Whether the model prefers the right answer after the clean and after the corrupt prompt, pair by pair."""
    right = np.zeros(len(pairs), dtype=np.bool_)
    for n_tokens in {pair.n_tokens for pair in pairs}:  # of one length, so that only the last logits are needed
        places = [i for i, pair in enumerate(pairs) if pair.n_tokens == n_tokens]
        for start in range(0, len(places), BATCH_PAIRS):
            some = places[start : start + BATCH_PAIRS]
            batch = stack_pairs([pairs[i] for i in some])
            clean, corrupt = (
                lm.logits(tokens.to(lm.device), n_last=1)[:, 0].cpu().double()
                for tokens in (batch.clean, batch.corrupt)
            )
            right[some] = both_right(clean, corrupt, [pairs[i] for i in some]).numpy()
    return right
