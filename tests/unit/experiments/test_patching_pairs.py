"""Oracle: the corpus's own generators, and the score of a task done pair by pair."""

import pytest
import torch

from monosemy.core import UserError
from monosemy.corpus import StdlibCorpus
from monosemy.corpus.tasks import TASKS, generate, logit_difference, task_named
from monosemy.experiments import patching_tasks, right_pairs, task_pairs, task_words
from monosemy.lm import LanguageModel, ModelSource
from tests.unit.lm.tiny_models import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return ModelSource().load()


def test_every_task_has_words() -> None:
    assert patching_tasks() == (*(task.name for task in TASKS), "IOI")
    assert task_words("B4").hard_case and not task_words("IOI").hard_case
    assert task_words("E2").description == task_named("E2").description
    with pytest.raises(UserError, match="there is no task 'E3'"):
        task_words("E3")


def test_pairs_are_those_of_the_corpus(lm: LanguageModel) -> None:
    tokenizer = StdlibCorpus().tokenizer
    for split in ("selection", "held_out"):
        expected = generate(task_named("C1"), tokenizer, 6, seed=3, split=split)
        assert task_pairs("C1", lm, 6, seed=3, split=split) == expected


def test_right_is_both_prompts_one_by_one(lm: LanguageModel) -> None:
    pairs = task_pairs("A_list_4", lm, 12, seed=0, split="held_out")
    expected = []
    for pair in pairs:
        rows = [lm.logits(torch.tensor([ids]))[:, -1].double() for ids in (pair.clean_ids, pair.corrupt_ids)]
        clean, corrupt = (
            float(logit_difference(row, [pair], which))
            for row, which in zip(rows, ("clean", "corrupt"), strict=True)  # pyright: ignore[reportArgumentType]
        )
        expected.append(clean > 0 and corrupt > 0)
    assert right_pairs(lm, pairs).tolist() == expected


def test_a_tokenizer_that_splits_names_and_a_short_context_are_said(lm: LanguageModel) -> None:
    splitting = LanguageModel(tiny_model("gpt_neox"), tiny_tokenizer(), "tiny")
    for task in ("E2", "IOI"):
        with pytest.raises(UserError, match="one token"):
            task_pairs(task, splitting, 2, seed=0, split="held_out")
    short = LanguageModel(tiny_model("gpt_neox"), lm.tokenizer, "tiny")
    with pytest.raises(UserError, match=r"makes a prompt of \d+ tokens, longer than the model's context of 16"):
        task_pairs("E1", short, 4, seed=0, split="held_out")
