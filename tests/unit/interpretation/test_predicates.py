"""Oracle: what a reader of the fragment sees to the left, in plain Python; nothing to the right changes an answer."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from monosemy.interpretation import AnyPredicate, Text
from monosemy.interpretation.predicates import (
    PLACES,
    AtPosition,
    HasAffix,
    HasLabel,
    HasSurface,
    Repeats,
    TokenIs,
    TokenRecently,
    quoted,
    subset_bits,
)
from tests.unit.interpretation.texts_of_tests import SEPARATOR, WORDS, Seen, random_text, seen_of, text_of_tokens

SELF, OPEN, WALKING = WORDS.index("self"), WORDS.index("("), WORDS.index("walking")


def label_of(text: Text, seen: Seen, back: int) -> bool:
    assert text.labels is not None
    return bool(text.labels.values[seen.row, seen.position - back, 0])


def n_in_line(seen: Seen) -> tuple[int, bool]:
    before = seen.words[:-1]
    ends = [i for i, word in enumerate(before) if "\n" in word]
    if ends:
        return len(before) - ends[-1] - 1, True
    return len(before), seen.index == len(before)


CASES: list[tuple[AnyPredicate, Callable[[Text, Seen], bool]]] = [
    (
        TokenIs(back=0, tokens=(SELF, OPEN), texts=("self", "("), n_tokens=20),
        lambda _, seen: seen.words[-1] in ("self", "("),
    ),
    (TokenIs(back=1, tokens=(OPEN,), texts=("(",), n_tokens=20), lambda _, seen: seen.words[-2:-1] == ("(",)),
    (TokenIs(back=2, tokens=(SELF,), texts=("self",), n_tokens=20), lambda _, seen: seen.words[-3:-2] == ("self",)),
    (TokenRecently(token=SELF, text="self", n_tokens=20), lambda _, seen: "self" in seen.words[-9:-1]),
    (HasSurface(back=0, form="lower"), lambda _, seen: seen.words[-1].strip().isalpha() and seen.words[-1].islower()),
    (HasSurface(back=0, form="line_end", negated=True), lambda _, seen: "\n" not in seen.words[-1]),
    (HasSurface(back=1, form="line_end"), lambda _, seen: any("\n" in word for word in seen.words[-2:-1])),
    (
        HasSurface(back=1, form="line_end", negated=True),
        lambda _, seen: not any("\n" in word for word in seen.words[-2:-1]),
    ),
    (
        HasAffix(side="ends", characters="ing", n_affixes=3),
        lambda _, seen: seen.words[-1].endswith("ing") and seen.words[-1] != "ing",
    ),
    (HasAffix(side="begins", characters="v", n_affixes=9), lambda _, seen: seen.words[-1].strip().startswith("v")),
    (HasAffix(side="begins", characters="zz", n_affixes=9), lambda _, seen: False),
    (
        HasLabel(back=0, label="first_label", definition="In a test.", n_labels=2),
        lambda text, seen: label_of(text, seen, 0),
    ),
    (
        HasLabel(back=1, label="first_label", definition="In a test.", n_labels=2, negated=True),
        lambda text, seen: not (len(seen.words) > 1 and label_of(text, seen, 1)),
    ),
    (HasLabel(back=0, label="no_such_label", definition="In no test.", n_labels=2), lambda text, seen: False),
    *(
        (
            AtPosition(place="line", least=least, most=most),
            lambda _, seen, least=least, most=most: (
                n_in_line(seen)[0] >= least and (most is None or (n_in_line(seen)[1] and n_in_line(seen)[0] <= most))
            ),
        )
        for least, most in ((0, 0), (0, 2), (4, None))
    ),
    (AtPosition(place="document", least=0, most=3), lambda _, seen: seen.index <= 3),
    (AtPosition(place="document", least=64, most=None), lambda _, seen: seen.index >= 64),
    (AtPosition(place="fragment", least=16, most=None), lambda _, seen: seen.position >= 16),
    (Repeats(what="token"), lambda _, seen: seen.words[-1] in seen.words[:-1]),
    (Repeats(what="token", negated=True), lambda _, seen: seen.words[-1] not in seen.words[:-1]),
    (
        Repeats(what="pair"),
        lambda _, seen: seen.words[-2:] in list(zip(seen.words[:-2], seen.words[1:-1], strict=True)),
    ),
    (Repeats(what="previous"), lambda _, seen: any(word in seen.words[:-2] for word in seen.words[-2:-1])),
]


@pytest.mark.parametrize(("predicate", "expected"), CASES, ids=[str(case)[:60] for case, _ in CASES])
def test_a_predicate_holds_where_a_reader_says_so(
    predicate: AnyPredicate, expected: Callable[[Text, Seen], bool]
) -> None:
    text = random_text(seed=2)
    holds = predicate.holds(text)
    by_hand = np.zeros_like(holds)
    for seen in seen_of(text):
        by_hand[seen.row, seen.position] = expected(text, seen)
    np.testing.assert_array_equal(holds & (text.fragments.index >= 0), by_hand)
    assert not holds[text.fragments.index < 0].any()


@pytest.mark.parametrize("predicate", [predicate for predicate, _ in CASES], ids=lambda case: str(case)[:60])
def test_nothing_to_the_right_matters(predicate: AnyPredicate) -> None:
    text = random_text(n_fragments=6, seed=4)
    table = text.fragments
    changed = table.tokens.copy()
    changed[:, 40:] = np.where(table.index[:, 40:] >= 0, WALKING, SEPARATOR)
    assert (changed != table.tokens).any()
    other = text_of_tokens(changed, table.document, table.index, seed=4)
    np.testing.assert_array_equal(predicate.holds(text)[:, :40], predicate.holds(other)[:, :40])


def test_in_a_text_without_labels_none_holds() -> None:
    text = random_text()
    bare = Text(fragments=text.fragments, labels=None)
    label = HasLabel(back=0, label="first_label", definition="In a test.", n_labels=2)
    assert not label.holds(bare).any()


@pytest.mark.parametrize("predicate", [predicate for predicate, _ in CASES], ids=lambda case: str(case)[:60])
def test_every_predicate_costs_bits_and_has_words(predicate: AnyPredicate) -> None:
    assert predicate.bits() > math.log2(12)
    assert predicate.words()


def test_bits_count_choices() -> None:
    """A single token of 1024: the kind, ten bits, and one for "a single one"; pairs of 5: ten."""
    assert TokenIs(back=0, tokens=(3,), texts=("x",), n_tokens=1024).bits() == pytest.approx(math.log2(12) + 10 + 1)
    assert subset_bits(5, 2) == pytest.approx(math.log2(10) + 3)
    assert AtPosition(place="line", least=0, most=0).bits() == pytest.approx(math.log2(12) + math.log2(len(PLACES)))


def test_words_of_some_predicates() -> None:
    assert [
        predicate.words()
        for predicate in (
            TokenIs(back=0, tokens=(1, 2), texts=("self", "\n "), n_tokens=9),
            TokenIs(back=1, tokens=(1,), texts=("(",), n_tokens=9),
            TokenRecently(token=1, text=" v", n_tokens=9),
            HasSurface(back=1, form="white_space", negated=True),
            HasAffix(side="begins", characters="x", n_affixes=3),
            HasLabel(back=0, label="a", definition="In the body of a class.", n_labels=3, negated=True),
            AtPosition(place="line", least=0, most=0),
            AtPosition(place="document", least=256, most=None),
            Repeats(what="pair"),
        )
    ] == [
        "on `self`, `\\n␣`",
        "right after `(`",
        "within 8 tokens after `␣v`",
        "not after white space",
        "on tokens that begin with `x`",
        "not in the body of a class",
        "within the first token of the line",
        "after the first 256 tokens of the document",
        "where the token after the same one stood before in the fragment",
    ]
    assert quoted(("`",)) == "`` ` ``"
