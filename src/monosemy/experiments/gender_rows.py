"""Activations of prompts in which an English model has to know the gender that a first name suggests."""

from collections.abc import Sequence

import numpy as np
import torch

from monosemy.causal import ConceptRows
from monosemy.core import UserError
from monosemy.corpus import GenderForm, GenderPrompt, Split, gender_prompts
from monosemy.experiments.texts import backend_tokenizer
from monosemy.lm import LanguageModel, Site

GENDER_CONCEPTS = ("gender", "gender_transfer")
"""What is erased with names in place of exact labels; of the second, the rows reported are of the other prompts."""

GENDER_DEFINITION = "The first name in the prompt is a woman's"
_AT_ONCE = 64


def gender_rows(lm: LanguageModel, site: Site, split: Split, form: GenderForm, seed: int) -> ConceptRows:
    """The activations at each prompt's name and at the tokens after it, whether the name is a woman's; a unit a name.

    Tokens before the name cannot know it and are left out. Prompts are those of `corpus.gender_prompts`, of names that
    no other split has. Raises UserError as it does, and for a prompt that is longer than the model's context.
    """
    prompts = gender_prompts(backend_tokenizer(lm), split, seed=seed, form=form)
    longest = max(len(prompt.ids) for prompt in prompts)
    if longest > lm.context_length:
        raise UserError(
            f"a gender prompt has {longest} tokens, longer than the model's context of {lm.context_length}; choose a "
            "model that reads more"
        )
    n_after = _n_from_the_name(prompts)
    x = [torch.empty(0)] * len(prompts)
    for n_tokens in sorted({len(prompt.ids) for prompt in prompts}):  # of one length, so that nothing is padded
        places = [i for i, prompt in enumerate(prompts) if len(prompt.ids) == n_tokens]
        for start in range(0, len(places), _AT_ONCE):
            some = places[start : start + _AT_ONCE]
            tokens = torch.tensor([prompts[i].ids for i in some], device=lm.device)
            found = lm.capture(tokens, [site])[site][:, -n_after:].float().cpu()
            for i, rows in zip(some, found.clone(), strict=True):
                x[i] = rows
    names = tuple(dict.fromkeys(prompt.name for prompt in prompts))
    unit = np.array([names.index(prompt.name) for prompt in prompts], dtype=np.int64)
    holds = np.array([prompt.gender == "female" for prompt in prompts])
    return ConceptRows(x=torch.cat(x), holds=np.repeat(holds, n_after), unit=np.repeat(unit, n_after), units=names)


def _n_from_the_name(prompts: Sequence[GenderPrompt]) -> int:
    """How many tokens a question has from its name on: names are one token, so that all questions are alike else."""
    questions = np.array([prompt.ids[prompt.n_shown_tokens :] for prompt in prompts])
    varies = (questions != questions[0]).any(axis=0)
    return int(questions.shape[1] - np.flatnonzero(varies)[0])
