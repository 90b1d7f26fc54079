"""Pairs of every task: checked token by token against the tokenizer, which is encoded and decoded anew here."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from monosemy.core import UserError
from monosemy.corpus import StdlibCorpus
from monosemy.corpus.tasks import PAIR_SPLITS, TASKS, Pair, PairSplit, Task, generate, read_vocabulary, task_named
from tests.unit.corpus.tokenizers_of_tests import train_tokenizer

N_PAIRS = 24
TOKENIZER = StdlibCorpus().tokenizer
SPELLED = TOKENIZER.get_vocab()


@pytest.fixture(scope="module")
def other() -> Tokenizer:
    """A tokenizer of another size, trained on part of the same source."""
    documents = [document.text for document in StdlibCorpus().documents("validation")]
    return train_tokenizer(documents, 1536)


@pytest.fixture(params=TASKS, ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


def check(task: Task, pair: Pair, tokenizer: Tokenizer) -> None:
    """Everything that a pair promises, from the tokenizer and its vocabulary alone."""
    end_of_text = tokenizer.token_to_id("<|endoftext|>")
    for text, ids in ((pair.clean_text, pair.clean_ids), (pair.corrupt_text, pair.corrupt_ids)):
        assert ids == (end_of_text, *tokenizer.encode(text, add_special_tokens=False).ids)
        assert tokenizer.decode(list(ids[1:])) == text
    assert len(pair.clean_ids) == len(pair.corrupt_ids)
    assert sum(a != b for a, b in zip(pair.clean_ids, pair.corrupt_ids, strict=True)) == task.n_changed
    spelled = SPELLED if tokenizer is TOKENIZER else tokenizer.get_vocab()
    for answer, ids in zip(task.answer, (pair.answer_ids, pair.wrong_ids), strict=True):
        if task.metric == "character":
            assert sorted(ids) == sorted(id_ for token, id_ in spelled.items() if token.startswith(answer))
        else:
            assert len(ids) == 1
            assert tokenizer.decode(list(ids)).startswith(" ") == (answer == " ")


@pytest.mark.parametrize("split", PAIR_SPLITS)
def test_every_pair_keeps_its_promises(task: Task, split: PairSplit) -> None:
    for pair in generate(task, TOKENIZER, N_PAIRS, seed=0, split=split):
        check(task, pair, TOKENIZER)


def test_every_pair_keeps_its_promises_under_another_tokenizer(task: Task, other: Tokenizer) -> None:
    for pair in generate(task, other, N_PAIRS, seed=0):
        check(task, pair, other)


@settings(max_examples=10, deadline=None)
@given(st.integers(min_value=0, max_value=2**32), st.sampled_from(TASKS))
def test_every_seed_gives_pairs(seed: int, task: Task) -> None:
    for pair in generate(task, TOKENIZER, 10, seed=seed, split="held_out"):
        check(task, pair, TOKENIZER)


@pytest.mark.parametrize("name", ["E1", "E2", "B4"])
def test_the_answer_is_the_token_in_which_the_prompts_differ(name: str) -> None:
    for pair in generate(task_named(name), TOKENIZER, N_PAIRS, seed=1):
        (position,) = pair.changed_positions
        clean, corrupt = (TOKENIZER.decode([ids[position]]).strip() for ids in (pair.clean_ids, pair.corrupt_ids))
        assert TOKENIZER.decode(list(pair.answer_ids)).strip() == clean
        assert TOKENIZER.decode(list(pair.wrong_ids)).strip() == corrupt


def test_the_tokens_of_the_two_answers_are_disjoint(task: Task) -> None:
    for pair in generate(task, TOKENIZER, N_PAIRS, seed=0):
        assert pair.answer_ids
        assert pair.wrong_ids
        assert not set(pair.answer_ids) & set(pair.wrong_ids)


def test_the_same_arguments_give_the_same_pairs_and_fewer_are_the_first_ones(task: Task) -> None:
    pairs = generate(task, TOKENIZER, N_PAIRS, seed=3)
    assert generate(task, TOKENIZER, N_PAIRS, seed=3) == pairs
    assert generate(task, TOKENIZER, 7, seed=3) == pairs[:7]
    assert generate(task, TOKENIZER, 0, seed=3) == []


def test_another_seed_gives_other_pairs(task: Task) -> None:
    first, second = (generate(task, TOKENIZER, N_PAIRS, seed=seed) for seed in (0, 1))
    texts = {pair.clean_text for pair in first} & {pair.clean_text for pair in second}
    assert len(texts) < N_PAIRS // 4


def test_pairs_are_distinct_and_templates_equally_often(task: Task) -> None:
    used: set[str] = set()
    for split in PAIR_SPLITS:
        pairs = generate(task, TOKENIZER, N_PAIRS, seed=0, split=split)
        counts = Counter(pair.template for pair in pairs)
        assert not used & set(counts)  # no template is in both halves
        used |= set(counts)
        assert len({(pair.clean_ids, pair.corrupt_ids) for pair in pairs}) == N_PAIRS
        assert set(counts) == {template.name for template in task.templates_of(split)}
        assert max(counts.values()) - min(counts.values()) <= 1


def test_the_prefix_is_what_is_asked_for(task: Task) -> None:
    with_prefix = generate(task, TOKENIZER, 5, seed=0)
    without = generate(task, TOKENIZER, 5, seed=0, prefix_ids=())
    assert [pair.clean_ids[1:] for pair in with_prefix] == [pair.clean_ids for pair in without]
    assert {pair.clean_ids[0] for pair in with_prefix} == {0}
    longer = generate(task, TOKENIZER, 5, seed=0, prefix_ids=(5, 6))
    assert [pair.corrupt_ids for pair in longer] == [(5, 6, *pair.corrupt_ids) for pair in without]


def test_a_tokenizer_without_end_of_text_needs_a_prefix() -> None:
    tokenizer = train_tokenizer(["a"], 300, special_tokens=("<s>",))
    with pytest.raises(
        UserError, match=r"no token '<\|endoftext\|>' to begin a prompt with; give `prefix_ids` yourself"
    ):
        generate(TASKS[0], tokenizer, 1, seed=0)
    assert read_vocabulary(tokenizer, (0,)).encode("ab") == (0, *tokenizer.encode("ab").ids)


def test_a_tokenizer_without_names_is_refused(task: Task) -> None:
    with pytest.raises(UserError, match="names of one token and the tokenizer has 0"):
        generate(task, train_tokenizer(["a"], 257), 1, seed=0)


def test_prompts_of_unequal_length_are_refused() -> None:
    task = replace(task_named("C1"), corrupt={"Q": '"two words more '})
    with pytest.raises(UserError, match="template 'call' of task 'C1' gives no further pair: under this tokenizer its"):
        generate(task, TOKENIZER, 1, seed=0)


def test_another_number_of_changed_tokens_is_refused() -> None:
    with pytest.raises(UserError, match=r"do not differ in 2 token\(s\)"):
        generate(replace(task_named("C1"), n_changed=2), TOKENIZER, 1, seed=0)


def test_names_that_are_used_up_are_told() -> None:
    words = ["name", "value", "data", "path", "line"]
    tokenizer = train_tokenizer([f"{word} {word}." for word in words] * 20, 320)
    assert set(read_vocabulary(tokenizer).names) == set(words)
    template = replace(task_named("E2").templates[0], prompt="$ANSWER.", rest="")
    task = replace(task_named("E2"), templates=(template, template))
    assert len(generate(task, tokenizer, 20, seed=0)) == 5 * 4
    with pytest.raises(UserError, match="all its names are used up"):
        generate(task, tokenizer, 21, seed=0)


def test_the_text_of_a_token_keeps_its_leading_space() -> None:
    texts = read_vocabulary(TOKENIZER).texts
    spelled = TOKENIZER.get_vocab()
    assert [texts[spelled[token]] for token in ("\u0120name", "name", "):", "\u010a")] == [" name", "name", "):", "\n"]
    assert texts[0] == "<|endoftext|>"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corrupt_ids": (1, 2)}, "prompts of 3 and 2 tokens are no pair"),
        ({"corrupt_ids": (1, 2, 3)}, "the clean and the corrupt prompt are the same"),
        ({"wrong_ids": (8, 9)}, "none in common"),
        ({"answer_ids": ()}, "at least one token each"),
    ],
)
def test_a_pair_that_is_none_is_refused(changes: dict[str, tuple[int, ...]], message: str) -> None:
    pair = Pair(
        task="task",
        template="template",
        clean_text="a",
        corrupt_text="b",
        clean_ids=(1, 2, 3),
        corrupt_ids=(1, 4, 3),
        answer_ids=(7, 8),
        wrong_ids=(9,),
    )
    assert pair.changed_positions == (1,)
    assert pair.n_tokens == 3
    with pytest.raises(ValueError, match=message):
        replace(pair, **changes)
