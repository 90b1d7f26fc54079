"""From a task's templates to seeded counterfactual pairs, every one checked against the tokenizer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template as Substitution
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from monosemy.core import UserError, numpy_generator
from monosemy.corpus.tasks.pairs import Pair, PairSplit
from monosemy.corpus.tasks.vocabulary import Vocabulary, read_vocabulary

MAX_DRAWS_PER_PAIR = 50
"""A draw fails when it repeats a pair or does not tokenize to equal lengths; 50 in a row mean that none is left."""

_NAME_SLOT = re.compile(r"\$([a-z])")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A Python module cut off where the answer comes.

    name: the statement that holds the cut, unique within the task.
    prompt, rest: the source before the answer, and a valid end of the module after it.
    Slots: `$a` ... `$z` are distinct drawn names; `$ANSWER` and those of `Task.clean` differ between clean and corrupt.
    """

    name: str
    prompt: str
    rest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A behavior of the language model that a counterfactual pair tests.

    name: short and unique; it stands in the metric names `task_accuracy/<task>` and `patching_kl_area/<task>`.
    description: one line with the two prompts and the answer.
    hard_case: the model is not expected to do it always, or no single latent to carry it.
    n_changed: the number of tokens in which the two prompts of a pair differ.
    metric: "character": any token counts whose text begins with the character `answer`;
            "name": the one token of the name that fills `$ANSWER`, after the text `answer` (a space or nothing).
    answer: per member (clean, corrupt), see `metric`.
    clean, corrupt: what fills the upper-case slots of the templates in each member.
    templates: even places are for selection, odd ones are held out.
    """

    name: str
    description: str
    hard_case: bool
    n_changed: int
    metric: Literal["character", "name"]
    answer: tuple[str, str]
    clean: Mapping[str, str]
    corrupt: Mapping[str, str]
    templates: tuple[Template, ...]

    def templates_of(self, split: PairSplit) -> tuple[Template, ...]:
        """The templates of one half: no template is in both."""
        return self.templates[0::2] if split == "selection" else self.templates[1::2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """A template with every slot filled, for both members: (clean, corrupt)."""

    prompts: tuple[str, str]
    answers: tuple[str, str]
    rests: tuple[str, str]

    @property
    def modules(self) -> tuple[str, str]:
        """The complete source of the two modules, each with its right answer."""
        clean, corrupt = zip(self.prompts, self.answers, self.rests, strict=True)
        return "".join(clean), "".join(corrupt)


def fill(task: Task, template: Template, names: tuple[str, ...], generator: np.random.Generator) -> Filled:
    """Fill a template's slots with distinct names that occur nowhere else in it.

    Raises UserError when `names` has too few.
    """
    source = template.prompt + template.rest
    slots = sorted(set(_NAME_SLOT.findall(source)))
    written = set(_WORD.findall(re.sub(r"\$[a-zA-Z]+", " ", source)))
    free = [name for name in names if name not in written]
    n_drawn = len(slots) + 2
    if len(free) < n_drawn:
        raise UserError(
            f"task {task.name!r} needs {n_drawn} names of one token and the tokenizer has {len(free)} "
            "(lower-case identifiers, both bare and after a space); use a tokenizer trained on Python source"
        )
    clean_name, corrupt_name, *others = (free[i] for i in generator.choice(len(free), size=n_drawn, replace=False))
    drawn = dict(zip(slots, others, strict=True))
    clean = {**drawn, **task.clean, "ANSWER": clean_name}
    corrupt = {**drawn, **task.corrupt, "ANSWER": corrupt_name}
    named = task.metric == "name"
    prompt, rest = Substitution(template.prompt), Substitution(template.rest)
    return Filled(
        prompts=(prompt.substitute(clean), prompt.substitute(corrupt)),
        answers=(task.answer[0] + clean_name * named, task.answer[1] + corrupt_name * named),
        rests=(rest.substitute(clean), rest.substitute(corrupt)),
    )


def generate(
    task: Task,
    tokenizer: Tokenizer,
    n_pairs: int,
    *,
    seed: int,
    split: PairSplit = "selection",
    prefix_ids: tuple[int, ...] | None = None,
) -> list[Pair]:
    """Draw distinct pairs of a task, an equal number (to within one) from each template of the split.

    The same arguments always give the same pairs, and fewer pairs are the first ones of more.
    prefix_ids: the tokens that begin every prompt; None means the tokenizer's `<|endoftext|>`.
    Raises UserError when the tokenizer has too few names of one token, or makes two prompts unequal in length.
    """
    vocabulary = read_vocabulary(tokenizer, prefix_ids)
    sets = (
        tuple(vocabulary.tokens_that_begin_with(answer) for answer in task.answer) if task.metric == "character" else ()
    )
    generator = numpy_generator(seed, f"tasks/{task.name}/{split}")
    templates = task.templates_of(split)
    pairs: dict[tuple[str, str], Pair] = {}
    while len(pairs) < n_pairs:
        template = templates[len(pairs) % len(templates)]
        for _ in range(MAX_DRAWS_PER_PAIR):
            filled = fill(task, template, vocabulary.names, generator)
            pair = _checked(task, template, filled, vocabulary, sets)
            if pair is not None and filled.prompts not in pairs:
                pairs[filled.prompts] = pair
                break
        else:
            raise UserError(
                f"template {template.name!r} of task {task.name!r} gives no further pair: under this tokenizer its "
                f"prompts are unequal in length or do not differ in {task.n_changed} token(s), or all its names are "
                "used up; use another tokenizer or fewer pairs"
            )
    return list(pairs.values())


def _checked(
    task: Task, template: Template, filled: Filled, vocabulary: Vocabulary, sets: tuple[tuple[int, ...], ...]
) -> Pair | None:
    """The pair; None where the tokenizer merges across the cut or not just `n_changed` tokens differ."""
    prompts = tuple(vocabulary.encode(text) for text in filled.prompts)
    answers: list[tuple[int, ...]] = []
    for ids, text, answer in zip(prompts, filled.prompts, filled.answers, strict=True):
        completed = vocabulary.encode(text + answer)
        if len(completed) != len(ids) + 1 or completed[: len(ids)] != ids:
            return None
        answers.append(completed[-1:])
    if len(prompts[0]) != len(prompts[1]):
        return None
    pair = Pair(
        task=task.name,
        template=template.name,
        clean_text=filled.prompts[0],
        corrupt_text=filled.prompts[1],
        clean_ids=prompts[0],
        corrupt_ids=prompts[1],
        answer_ids=sets[0] if sets else answers[0],
        wrong_ids=sets[1] if sets else answers[1],
    )
    return pair if len(pair.changed_positions) == task.n_changed else None
