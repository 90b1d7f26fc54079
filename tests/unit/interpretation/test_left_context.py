"""Oracle: a walk to the left from every position, one place at a time, in plain Python."""

import itertools

import numpy as np
import pytest

from monosemy.interpretation.left_context import line_place, pair_numbers, seen_before, token_back
from tests.unit.interpretation.texts_of_tests import random_text, seen_of, text_of_tokens


@pytest.mark.parametrize("back", range(9))
def test_tokens_to_the_left_end_with_the_document_and_the_fragment(back: int) -> None:
    text = random_text()
    found = token_back(text.fragments, back)
    expected = np.full_like(found, -1)
    number = {word: id_ for id_, word in text.fragments.text.items()}
    for seen in seen_of(text):
        if len(seen.words) > back:
            expected[seen.row, seen.position] = number[seen.words[-1 - back]]
    np.testing.assert_array_equal(found, expected)


def test_lines_begin_after_line_ends_and_with_the_document() -> None:
    text = random_text(seed=3)
    place = line_place(text.fragments)
    for seen in seen_of(text):
        before = seen.words[:-1]
        ends = [i for i, word in enumerate(before) if "\n" in word]
        starts = seen.index == len(before)
        known = bool(ends) or starts
        n_before = len(before) - ends[-1] - 1 if ends else len(before)
        assert (place.n_before[seen.row, seen.position], place.known[seen.row, seen.position]) == (n_before, known)


def test_repetitions_are_those_within_document_and_fragment() -> None:
    text = random_text(seed=5)
    token, pair = token_back(text.fragments, 0), pair_numbers(text.fragments)
    tokens, pairs = seen_before(token, text.fragments), seen_before(pair, text.fragments)
    n_checked = 0
    for seen in seen_of(text):
        before, last = seen.words[:-1], seen.words[-1]
        at = seen.row, seen.position
        assert tokens[at] == (last in before)
        assert pairs[at] == (bool(before) and (before[-1], last) in itertools.pairwise(before))
        n_checked += int(pairs[at])
    assert n_checked > 20
    separators = text.fragments.index < 0
    assert not tokens[separators].any()
    assert not pairs[separators].any()


def test_what_is_left_of_the_first_token_of_a_document_is_nothing() -> None:
    tokens = np.zeros((1, 64), dtype=np.int64)
    index = np.concatenate([np.arange(10, 20), [-1], np.arange(53)])[None]
    document = np.concatenate([np.zeros(10), np.ones(54)]).astype(np.int64)[None]
    text = text_of_tokens(tokens, document, index)
    assert token_back(text.fragments, 1)[0, [0, 1, 10, 11, 12]].tolist() == [-1, 0, -1, -1, 0]
    assert not seen_before(token_back(text.fragments, 0), text.fragments)[0, 11]
    assert line_place(text.fragments).n_before[0, [9, 11, 14]].tolist() == [9, 0, 3]
    assert line_place(text.fragments).known[0, [9, 11, 14]].tolist() == [False, True, True]
