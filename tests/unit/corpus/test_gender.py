"""Gender prompts, read back as text, and every promise checked against the tokenizer."""

import re

import pytest
from tokenizers import Tokenizer

from monosemy.core import UserError
from monosemy.corpus import GENDER_NAMES as NAMES
from monosemy.corpus import GENDERS, SPLITS, GenderForm, Split, gender_prompts, names_of_split
from tests.unit.corpus.tokenizers_of_tests import train_tokenizer

TEXTS = (
    " My name is and I am a male. My name is and I am a female.",
    " went to the store, and he bought a book. went to the store, and she bought a hat, coat, lamp, map, ticket.",
)
FORMS: tuple[GenderForm, ...] = ("primary", "transfer")


def english(names: tuple[str, ...] = (*NAMES["female"], *NAMES["male"])) -> Tokenizer:
    return train_tokenizer([*TEXTS, " ".join(f" {name}" for name in names)] * 20, 3000)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return english()


def test_no_name_is_of_both_genders_and_there_are_enough() -> None:
    assert not set(NAMES["female"]) & set(NAMES["male"])
    assert all(len(set(names)) == len(names) >= 40 for names in NAMES.values())


def test_no_two_splits_share_a_name_and_both_genders_have_as_many(tokenizer: Tokenizer) -> None:
    parts = [names_of_split(tokenizer, split, 0) for split in SPLITS]
    for gender in GENDERS:
        everything = [name for part in parts for name in part[gender]]
        assert len(everything) == len(set(everything))
        assert set(everything) <= set(NAMES[gender])
    assert all(len(part["female"]) == len(part["male"]) > 0 for part in parts)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("split", SPLITS)
def test_a_prompt_reads_as_it_should(tokenizer: Tokenizer, split: Split, form: GenderForm) -> None:
    prompts = gender_prompts(tokenizer, split, seed=0, form=form, n_per_name=2)
    names = names_of_split(tokenizer, split, 0)
    assert len(prompts) == 2 * sum(len(each) for each in names.values())
    female = [name for each in NAMES["female"] for name in (each,)]
    for prompt in prompts:
        words = {"primary": (" female", " male"), "transfer": (" she", " he")}[form]
        right = words[0] if prompt.name in female else words[1]
        assert tokenizer.decode([prompt.answer_id]) == right
        assert {tokenizer.decode([prompt.answer_id]), tokenizer.decode([prompt.wrong_id])} == set(words)
        assert tokenizer.decode(list(prompt.ids[1:])) == prompt.text
        question = tokenizer.decode(list(prompt.ids[prompt.n_shown_tokens :]))
        ends = {
            "primary": f" My name is {prompt.name} and I am a",
            "transfer": f" {prompt.name} went to the store, and",
        }
        assert question == ends[form]
        lines = [line for line in prompt.text[: -len(question)].split(".") if line]
        assert len(lines) == 6
        for line in lines:
            shown = re.search(r"is (\w+) and" if form == "primary" else r"^ (\w+) went", line)
            assert shown is not None
            assert shown[1] != prompt.name
            told = line.endswith(" female") or " she " in line
            assert told == (shown[1] in female)


def test_equal_arguments_give_equal_prompts(tokenizer: Tokenizer) -> None:
    assert gender_prompts(tokenizer, "test", seed=1) == gender_prompts(tokenizer, "test", seed=1)
    assert gender_prompts(tokenizer, "test", seed=1) != gender_prompts(tokenizer, "test", seed=2)


def test_a_tokenizer_that_splits_the_names_is_refused_with_their_number() -> None:
    few = english((*NAMES["female"][:4], *NAMES["male"]))
    with pytest.raises(UserError, match=r"of 45 female names are one token and 10 are needed"):
        gender_prompts(few, "train", seed=0)
