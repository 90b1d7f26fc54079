"""Documents and the split: the arithmetic written down again from the digest, laws over arbitrary texts."""

import hashlib
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import UserError
from monosemy.corpus.documents import SPLITS, clean_text, content_unit, documents_in, split_of

# Every side at least once in a row of texts, found by their own digests.
TEXTS = [f"text {i}" for i in range(400)]


@given(st.text())
def test_the_split_is_the_stated_function_of_the_digest(key: str) -> None:
    u = int(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16], 16) / 2**64
    assert split_of(key) == ("train" if u < 0.8 else "validation" if u < 0.9 else "test")


def test_the_split_never_changes() -> None:
    # Literal: a text that an earlier version trained on must stay on its side.
    held_out = {f"unit {i}": split_of(f"unit {i}") for i in range(32) if split_of(f"unit {i}") != "train"}
    validation, test = ("unit 3", "unit 10", "unit 31"), ("unit 17", "unit 25", "unit 26")
    assert held_out == {**dict.fromkeys(validation, "validation"), **dict.fromkeys(test, "test")}


def test_the_shares_are_80_10_10() -> None:
    sides = [split_of(f"unit {i}") for i in range(20_000)]
    # 20,000 draws: four standard errors are 0.011 at 0.8 and 0.0085 at 0.1.
    assert sides.count("train") / len(sides) == pytest.approx(0.8, abs=0.0115)
    assert sides.count("validation") / len(sides) == pytest.approx(0.1, abs=0.0085)
    assert sides.count("test") / len(sides) == pytest.approx(0.1, abs=0.0085)


@given(st.text(), st.text())
def test_texts_share_a_unit_only_when_they_are_equal(first: str, second: str) -> None:
    assert (content_unit(first) == content_unit(second)) == (first == second)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("\ufeffa", "a"),
        ("\ud800x", "\ufffdx"),
        ("\ud83d\ude00", "\U0001f600"),
        ("", ""),
    ],
)
def test_a_text_is_cleaned(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff")))
def test_a_clean_text_stays(text: str) -> None:
    assert clean_text(text) == text


def test_the_splits_part_the_texts_in_their_order() -> None:
    rows = [(str(i), text) for i, text in enumerate(TEXTS)]
    parts = {split: list(documents_in(split, rows, "corpus")) for split in SPLITS}
    together = sorted((document for part in parts.values() for document in part), key=lambda each: int(each.id))
    assert [(document.id, document.text) for document in together] == rows
    for split, part in parts.items():
        assert all(split_of(content_unit(document.text)) == split for document in part)
        assert [int(document.id) for document in part] == sorted(int(document.id) for document in part)


def test_duplicates_fall_on_one_side_whatever_their_line_ends() -> None:
    rows = [(f"{i}/{end!r}", f"text {i}{end}more") for i in range(300) for end in ("\n", "\r\n")]
    for split in SPLITS:
        documents = list(documents_in(split, rows, "corpus"))
        assert len(documents) == 2 * len({document.unit for document in documents})


def test_texts_of_white_space_are_left_out() -> None:
    rows = [("blank", " \n\t"), ("none", ""), *((str(i), text) for i, text in enumerate(TEXTS))]
    ids = {document.id for split in SPLITS for document in documents_in(split, rows, "corpus")}
    assert ids == {str(i) for i in range(len(TEXTS))}


def test_a_corpus_without_text_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"'notes' holds no text: all of it is empty; give a corpus with at least 400 texts"
    ):
        list(documents_in("train", [("a", " "), ("b", "")], "notes"))


def test_a_split_without_text_is_refused() -> None:
    only_train = next(text for text in (f"only {i}" for i in count()) if split_of(content_unit(text)) == "train")
    assert len(list(documents_in("train", [("a", only_train)], "notes"))) == 1
    with pytest.raises(UserError, match=r"'notes' holds 1 text\(s\) and none of them falls in the test part"):
        list(documents_in("test", [("a", only_train)], "notes"))
