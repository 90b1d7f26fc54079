"""Prompts in which an English model has to know the gender that a first name suggests: a concept to erase.

Primary: a few lines " My name is X and I am a male.", then " My name is Y and I am a" -> " male" or " female".
Transfer: lines "X went to the store, and he bought a book.", then "Y went to the store, and" -> " he" or " she".
Source: the experiment of the first version of Cunningham et al. 2023 (arXiv 2309.08600); the lists are our own.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from monosemy.core import UserError, numpy_generator
from monosemy.corpus.documents import SPLITS, Split
from monosemy.corpus.tasks import Vocabulary, read_vocabulary

Gender = Literal["female", "male"]
GenderForm = Literal["primary", "transfer"]

_FEMALE = (
    "Alice Amanda Amy Anna Barbara Carol Caroline Catherine Charlotte Christina Claire Diana Elizabeth Emily Emma Eva "
    "Grace Hannah Helen Jane Jennifer Jessica Julia Karen Kate Laura Linda Lisa Lucy Margaret Maria Mary Megan "
    "Michelle Nancy Nicole Rachel Rebecca Rose Ruth Samantha Sarah Sophie Susan Victoria"
)
_MALE = (
    "Aaron Adam Alan Andrew Anthony Benjamin Brian Carl Charles Christopher Daniel David Dennis Edward Eric Frank Gary "
    "George Greg Henry Jack Jacob James Jason Jeremy Joe John Jonathan Joseph Justin Kevin Larry Louis Mark Martin "
    "Matthew Michael Nathan Paul Peter Philip Richard Robert Scott Simon Stephen Steve Thomas Tom William"
)
GENDER_NAMES: dict[Gender, tuple[str, ...]] = {"female": tuple(_FEMALE.split()), "male": tuple(_MALE.split())}
GENDERS: tuple[Gender, ...] = ("female", "male")
MIN_NAMES = 10
"""So many names of each gender have to be one token: three to show, and some in each split."""

N_SHOWN = 3  # of each gender, before the question
_OBJECTS = ("book", "hat", "coat", "lamp", "map", "ticket")
_PRONOUNS: dict[Gender, str] = {"female": "she", "male": "he"}


@dataclass(frozen=True, kw_only=True, slots=True)
class GenderPrompt:
    """A prompt that ends before the answer.

    ids: token ids, prefix included. n_shown_tokens: length of what stands before the question, which is not edited.
    answer_id, wrong_id: the token that the name's gender calls for, and the other one.
    """

    name: str
    gender: Gender
    text: str
    ids: tuple[int, ...]
    n_shown_tokens: int
    answer_id: int
    wrong_id: int


def names_of_split(tokenizer: Tokenizer, split: Split, seed: int) -> dict[Gender, tuple[str, ...]]:
    """The names of each gender that are one token after a space, of which no two splits share one.

    Half are of train, a quarter each of validation and test, drawn with the seed; as many of either gender.
    Raises UserError, saying how many are left, when fewer than 10 of a gender are one token.
    """
    vocabulary = read_vocabulary(tokenizer, ())
    kept: dict[Gender, list[str]] = {gender: _single(GENDER_NAMES[gender], vocabulary) for gender in GENDERS}
    for gender, names in kept.items():
        if len(names) < MIN_NAMES:
            split_up = [name for name in GENDER_NAMES[gender] if name not in names]
            raise UserError(
                f"under this tokenizer {len(names)} of {len(GENDER_NAMES[gender])} {gender} names are one token and "
                f"{MIN_NAMES} are needed (split: {', '.join(split_up[:5])}...); use a model with an English vocabulary"
            )
    n = min(len(names) for names in kept.values())
    cuts = (0, n // 2, n // 2 + n // 4, n)
    place = SPLITS.index(split)
    chosen: dict[Gender, tuple[str, ...]] = {}
    for gender, names in kept.items():
        order = numpy_generator(seed, f"gender/{gender}").permutation(len(names))[:n]
        chosen[gender] = tuple(names[i] for i in order[cuts[place] : cuts[place + 1]])
    return chosen


def gender_prompts(
    tokenizer: Tokenizer,
    split: Split,
    *,
    seed: int,
    form: GenderForm = "primary",
    n_per_name: int = 5,
    prefix_ids: tuple[int, ...] | None = None,
) -> list[GenderPrompt]:
    """n_per_name prompts of every name of the split, each with its own six lines before the question, shuffled.

    The lines show names of the same split, of either gender three, never the one that is asked for.
    prefix_ids: the tokens that begin every prompt; None means the tokenizer's `<|endoftext|>`.
    Raises UserError as `names_of_split`, and when an answer or a question is not one token longer.
    """
    names = names_of_split(tokenizer, split, seed)
    vocabulary = read_vocabulary(tokenizer, prefix_ids)
    generator = numpy_generator(seed, f"gender/{split}/{form}")
    return [
        _prompt(vocabulary, form, name, gender, names, generator)
        for gender in GENDERS
        for name in names[gender]
        for _ in range(n_per_name)
    ]


def _prompt(
    vocabulary: Vocabulary,
    form: GenderForm,
    name: str,
    gender: Gender,
    names: dict[Gender, tuple[str, ...]],
    generator: np.random.Generator,
) -> GenderPrompt:
    shown: list[tuple[str, Gender]] = []
    for each in GENDERS:
        others = [other for other in names[each] if other != name]
        n = min(N_SHOWN, len(others))
        for i in generator.choice(len(others), size=n, replace=False):
            shown.append((others[i], each))
    order = generator.permutation(len(shown))
    before = ""
    for shown_name, shown_gender in (shown[i] for i in order):
        before += _line(form, shown_name, shown_gender, _OBJECTS[generator.integers(len(_OBJECTS))])
    text = before + _question(form, name)
    ids = vocabulary.encode(text)
    other: Gender = "male" if gender == "female" else "female"
    answers = [vocabulary.encode(text + _answer(form, each)) for each in (gender, other)]
    if any(len(answer) != len(ids) + 1 or answer[: len(ids)] != ids for answer in answers):
        raise UserError(
            f"under this tokenizer{_answer(form, gender)} or{_answer(form, other)} is not one token after "
            f"{text[-20:]!r}; "
            "use a model with an English vocabulary"
        )
    return GenderPrompt(
        name=name,
        gender=gender,
        text=text,
        ids=ids,
        n_shown_tokens=len(vocabulary.encode(before)),
        answer_id=answers[0][-1],
        wrong_id=answers[1][-1],
    )


def _line(form: GenderForm, name: str, gender: Gender, thing: str) -> str:
    if form == "primary":
        return f"{_question(form, name)}{_answer(form, gender)}."
    return f"{_question(form, name)}{_answer(form, gender)} bought a {thing}."


def _question(form: GenderForm, name: str) -> str:
    return f" My name is {name} and I am a" if form == "primary" else f" {name} went to the store, and"


def _answer(form: GenderForm, gender: Gender) -> str:
    return f" {gender}" if form == "primary" else f" {_PRONOUNS[gender]}"


def _single(names: tuple[str, ...], vocabulary: Vocabulary) -> list[str]:
    return [name for name in names if len(vocabulary.encode(f" {name}")) == 1]
