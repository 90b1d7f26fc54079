"""Oracle: the functions of left_context.py themselves."""

import gc
import weakref

import numpy as np

from monosemy.interpretation.left_context import repeats, token_back, token_place
from monosemy.interpretation.text_context import text_context
from tests.unit.interpretation.texts_of_tests import random_text


def test_a_context_is_what_its_functions_say_and_computed_once() -> None:
    text = random_text()
    context = text_context(text)
    assert text_context(text) is context
    for back in (0, 1, 5):
        np.testing.assert_array_equal(context.back(back), token_back(text.fragments, back))
        assert context.back(back) is context.back(back)
        tokens = np.array([3, 7])
        np.testing.assert_array_equal(context.is_one_of(back, tokens), np.isin(context.back(back), tokens))
        assert not context.is_one_of(back, tokens[:0]).any()
        assert not context.is_one_of(back, np.array([10_000])).any()
    for place in ("line", "document", "fragment"):
        expected = token_place(text.fragments, place)
        np.testing.assert_array_equal(context.places(place).n_before, expected.n_before)
        np.testing.assert_array_equal(context.places(place).known, expected.known)
        assert (expected.n_before[text.fragments.index < 0] == -1).all()
    for what in ("token", "pair", "previous"):
        np.testing.assert_array_equal(context.repeats(what), repeats(text.fragments, what))
        assert context.repeats(what) is context.repeats(what)


def test_a_context_is_gone_with_its_text() -> None:
    text = random_text(n_fragments=3)
    gone = weakref.ref(text_context(text))
    assert gone() is not None
    del text
    gc.collect()
    assert gone() is None
