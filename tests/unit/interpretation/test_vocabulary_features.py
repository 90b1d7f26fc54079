"""Oracle: the functions of one token, asked token by token."""

import numpy as np

from monosemy.interpretation.surface import SURFACE_FORMS, affix, surface_forms
from monosemy.interpretation.vocabulary_features import vocabulary_features
from tests.unit.interpretation.texts_of_tests import WORDS

TEXTS = {3 * i + 1: word for i, word in reversed(list(enumerate(WORDS)))}


def test_features_are_those_of_each_token() -> None:
    features = vocabulary_features(TEXTS)
    assert features.ids.tolist() == sorted(TEXTS)
    assert features.texts == WORDS
    for row, word in enumerate(WORDS):
        assert {form for form, has in zip(SURFACE_FORMS, features.forms[row], strict=True) if has} == surface_forms(
            word
        )
        for codes in features.affixes:
            found = (*codes.characters, None)[codes.code[row]]
            assert found == affix(word, codes.side, len(codes.characters[0]))


def test_tokens_of_a_form_and_with_an_affix() -> None:
    features = vocabulary_features(TEXTS)
    assert [TEXTS[i] for i in features.of_form("line_end").tolist()] == ["\n    ", "\n"]
    assert [TEXTS[i] for i in features.with_affix("ends", "ing").tolist()] == ["walking", " talking"]
    assert features.with_affix("begins", "zzz").tolist() == []


def test_a_vocabulary_is_looked_at_once() -> None:
    assert vocabulary_features(TEXTS) is vocabulary_features(TEXTS)
    others = [{0: str(i)} for i in range(10)]
    for other in others:
        assert vocabulary_features(other).texts == (other[0],)
    np.testing.assert_array_equal(vocabulary_features(TEXTS).ids, sorted(TEXTS))
