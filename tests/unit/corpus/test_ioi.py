"""Indirect object identification: the sentences read back as text, and every promise checked against the tokenizer."""

import re
from collections import Counter

import pytest
from tokenizers import Tokenizer

from monosemy.core import UserError
from monosemy.corpus.ioi import NAMES, OBJECTS, ORDERS, PLACES, SENTENCES, generate_ioi
from monosemy.corpus.tasks import PAIR_SPLITS, Pair, PairSplit
from tests.unit.corpus.tokenizers_of_tests import train_tokenizer

N_PAIRS = 60


def english(
    names: tuple[str, ...] = NAMES, places: tuple[str, ...] = PLACES, objects: tuple[str, ...] = OBJECTS
) -> Tokenizer:
    """A tokenizer that has seen the sentences, and of the lists only the words that are given."""
    words = " ".join(f" {word}" for word in (*names, *places, *objects))
    sentences = [re.sub(r"\$\w+", "", sentence) for sentence in SENTENCES]
    return train_tokenizer([*sentences, words] * 20, 4000)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return english()


def words_of(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", text)


def names_of(pair: Pair) -> tuple[list[str], list[str]]:
    """The names in the clean and in the corrupt prompt, in their order."""
    clean, corrupt = (
        [word for word in words_of(text) if word in NAMES] for text in (pair.clean_text, pair.corrupt_text)
    )
    return clean, corrupt


def test_the_lists_are_long_enough_and_without_doubles() -> None:
    assert (len(NAMES) >= 60, len(PLACES) >= 12, len(OBJECTS) >= 12, len(SENTENCES) >= 8) == (True,) * 4
    assert len({*NAMES, *PLACES, *OBJECTS}) == len(NAMES) + len(PLACES) + len(OBJECTS)
    assert not {word for sentence in SENTENCES for word in words_of(sentence)} & {*NAMES, *PLACES, *OBJECTS}


def test_the_sentences_read_as_english() -> None:
    for sentence in SENTENCES:
        assert Counter(re.findall(r"\$(\w+)", sentence)) == Counter(["first", "second", "place", "S", "object"])
        assert sentence.index("$first") < sentence.index("$second") < sentence.index("$S")
        assert re.search(r" \$first and \$second ", sentence)
        assert " a $object" in sentence
        assert sentence.endswith(" to")
        assert all(sentence[match.start() - 1] == " " for match in re.finditer(r"\$", sentence))
    assert not [word for word in OBJECTS if word[0] in "aeiou"]  # "a $object"


@pytest.mark.parametrize("split", PAIR_SPLITS)
def test_the_indirect_object_is_the_answer(tokenizer: Tokenizer, split: PairSplit) -> None:
    for pair in generate_ioi(tokenizer, N_PAIRS, seed=0, split=split):
        clean, corrupt = names_of(pair)
        (subject, n_subject), (io, n_io) = Counter(clean).most_common()
        (other_subject, _), (third, n_third) = Counter(corrupt).most_common()
        assert (n_subject, n_io, n_third, len({io, subject, third})) == (2, 1, 1, 3)
        assert subject == other_subject == clean[-1]
        assert clean[:2] == ([io, subject] if pair.template.startswith("ABBA") else [subject, io])
        assert tokenizer.decode(list(pair.answer_ids)) == f" {io}"
        assert tokenizer.decode(list(pair.wrong_ids)) == f" {third}"
        assert pair.corrupt_text == re.sub(rf"\b{io}\b", third, pair.clean_text)


@pytest.mark.parametrize("split", PAIR_SPLITS)
def test_prompts_differ_in_the_one_token_of_the_name(tokenizer: Tokenizer, split: PairSplit) -> None:
    for pair in generate_ioi(tokenizer, N_PAIRS, seed=0, split=split):
        for text, ids in ((pair.clean_text, pair.clean_ids), (pair.corrupt_text, pair.corrupt_ids)):
            assert ids == (0, *tokenizer.encode(text).ids)
        (position,) = pair.changed_positions
        assert (pair.clean_ids[position],) == pair.answer_ids
        assert (pair.corrupt_ids[position],) == pair.wrong_ids
        assert len(pair.clean_ids) == len(pair.corrupt_ids)


def test_no_template_is_in_both_halves_and_all_are_used_equally(tokenizer: Tokenizer) -> None:
    counts = {
        split: Counter(pair.template for pair in generate_ioi(tokenizer, N_PAIRS, seed=0, split=split))
        for split in PAIR_SPLITS
    }
    sentences = {split: {template.split()[1] for template in counts[split]} for split in PAIR_SPLITS}
    assert not sentences["selection"] & sentences["held_out"]
    assert sentences["selection"] | sentences["held_out"] == {str(i) for i in range(len(SENTENCES))}
    for each in counts.values():
        assert len(each) == len(SENTENCES) // 2 * len(ORDERS)
        assert max(each.values()) - min(each.values()) <= 1


def test_pairs_are_distinct_and_the_same_each_time(tokenizer: Tokenizer) -> None:
    pairs = generate_ioi(tokenizer, N_PAIRS, seed=4)
    assert len({pair.clean_text + pair.corrupt_text for pair in pairs}) == N_PAIRS
    assert generate_ioi(tokenizer, N_PAIRS, seed=4) == pairs
    assert generate_ioi(tokenizer, 9, seed=4) == pairs[:9]
    assert generate_ioi(tokenizer, N_PAIRS, seed=5) != pairs
    without = generate_ioi(tokenizer, 3, seed=4, prefix_ids=())
    assert [pair.clean_ids for pair in without] == [pair.clean_ids[1:] for pair in pairs[:3]]


def test_only_words_of_one_token_are_used() -> None:
    kept = (NAMES[5:25], PLACES[2:6], OBJECTS[1:5])
    pairs = generate_ioi(english(*kept), 40, seed=0)
    words = {word for pair in pairs for text in (pair.clean_text, pair.corrupt_text) for word in words_of(text)}
    for everything, some in zip((NAMES, PLACES, OBJECTS), kept, strict=True):
        assert words & set(everything) <= set(some)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (
            (NAMES[:3], PLACES, OBJECTS),
            rf"3 of {len(NAMES)} names are one token and 10 are needed \(not: .*, William\)",
        ),
        ((NAMES, PLACES[:1], OBJECTS), rf"1 of {len(PLACES)} places are one token and 3 are needed \(not: church, "),
        ((NAMES, PLACES, ()), rf"0 of {len(OBJECTS)} objects are one token and 3 are needed \(not: bag, ball, "),
    ],
)
def test_too_few_words_of_one_token_are_named(kept: tuple[tuple[str, ...], ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        generate_ioi(english(*kept), 1, seed=0)


def test_more_pairs_than_there_are_is_refused() -> None:
    tokenizer = english(NAMES[:10], PLACES[:3], OBJECTS[:3])
    with pytest.raises(UserError, match=r"1000000 distinct pairs are too many; allowed are 32400"):
        generate_ioi(tokenizer, 1_000_000, seed=0)
