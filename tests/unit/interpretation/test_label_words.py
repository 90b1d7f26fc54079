"""Oracle: sentences written down by hand, and every definition of the catalogue."""

import pytest

from monosemy.corpus.labels import CATALOGUE
from monosemy.interpretation.label_words import after_label, label_place


@pytest.mark.parametrize(
    ("definition", "place", "after"),
    [
        ("In the condition of `while`.", "in the condition of `while`", "a token in the condition of `while`"),
        ("Part of a comment.", "where the token is part of a comment", "a token that is part of a comment"),
        ("The name after `def`.", "where the token is the name after `def`", "a token that is the name after `def`"),
        (
            "The innermost open bracket is `(`.",
            "where the innermost open bracket is `(`",
            "a token where the innermost open bracket is `(`",
        ),
        ("Shows the quote.", "where the token shows the quote", "a token that shows the quote"),
        ("On a later line; a string too.", "on a later line", "a token on a later line"),
    ],
)
def test_definitions_in_a_sentence(definition: str, place: str, after: str) -> None:
    assert (label_place(definition), after_label(definition)) == (place, after)


def test_labels_have_words_of_their_own() -> None:
    said = [label_place(label.definition) for label in CATALOGUE]
    assert len(set(said)) == len(said)
    assert not [words for words in said if words.endswith(".") or ";" in words]
