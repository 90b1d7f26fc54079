"""Tokens against characters, texts without tree or tokens, and the same labels on every version of Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.corpus.labels import CATALOGUE, label_tokens
from monosemy.corpus.labels.labelling import token_spans
from tests.unit.corpus.labels.texts import TEXTS, digest, lengths

NAMES = [label.name for label in CATALOGUE]
FAMILIES = np.array([label.family for label in CATALOGUE])
IS_CAUSAL = np.array([label.causal for label in CATALOGUE])


def held(text: str, token_lengths: list[int], label: str) -> list[bool | None]:
    """The label at every token, None where it is not scored."""
    labels, column = label_tokens(text, token_lengths), NAMES.index(label)
    return [
        bool(value) if scored else None
        for value, scored in zip(labels.values[:, column], labels.scored[:, column], strict=True)
    ]


def test_the_catalogue_names_every_label_once() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(FAMILIES) == {"lexical", "structure", "syntax", "scope"}
    assert all(label.definition.endswith(".") for label in CATALOGUE)
    assert [label.name for label in CATALOGUE if not label.causal] == [
        "callee",
        "keyword_argument_name",
        "assignment_target",
    ]


def test_a_label_that_is_not_causal_is_scored_nowhere() -> None:
    labels = label_tokens("f(a=1)\n", [1] * 7)
    assert not labels.scored[:, ~IS_CAUSAL].any()
    assert labels.scored[:, IS_CAUSAL].any(axis=0).all()


def test_a_text_without_a_tree_has_lexical_and_structural_labels_only() -> None:
    labels = label_tokens("return = def f x\n", lengths(["return", " =", " def", " f", " x", "\n"]))
    assert labels.status == "no_syntax_tree"
    needs_tree = np.isin(FAMILIES, ["syntax", "scope"])
    assert not labels.scored[:, needs_tree].any()
    assert labels.scored[:5, ~needs_tree].all()
    assert labels.values[:, NAMES.index("keyword")].tolist() == [True, False, True, False, False, False]


@pytest.mark.parametrize("text", ["a = (1\n", "a)\n", "'''a\n", "a ? b\n", "if a:\n    b\n  c\n", "a\rb\n", "a\0b\n"])
def test_a_text_without_tokens_has_no_labels(text: str) -> None:
    labels = label_tokens(text, [1] * len(text))
    assert labels.status == "no_tokens"
    assert labels.scored.shape == (len(text), len(CATALOGUE))
    assert not labels.scored.any()
    assert not labels.values.any()


@pytest.mark.parametrize("token_lengths", [[], [3], [1, 1, 1, 1, 1]])
def test_lengths_that_are_not_the_texts_are_refused(token_lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="the text has 4"):
        label_tokens("a=1\n", token_lengths)


def test_a_token_has_the_labels_of_its_first_character_that_is_no_white_space() -> None:
    # "\n    re" shows the beginning of a word; the white space before it is not what it is about.
    parts = ["def f():", "\n    re", "turn", " 1", "\n"]
    assert held("".join(parts), lengths(parts), "name") == [False, True, False, False, False]
    assert held("".join(parts), lengths(parts), "return_keyword") == [False, False, True, False, False]
    assert held("".join(parts), lengths(parts), "in_function") == [False, True, True, True, None]


def test_a_word_is_what_is_visible_of_it() -> None:
    parts = ["def", "ault", " =", " self", "ish", " ==", " b", "'x'", "\n"]
    assert held("".join(parts), lengths(parts), "def_keyword") == [True] + [False] * 8
    assert held("".join(parts), lengths(parts), "self_word") == [False] * 3 + [True] + [False] * 5
    assert held("".join(parts), lengths(parts), "word_continuation") == [False, True, False, False, True] + [False] * 4
    # `b` may be a name, up to the quote.
    assert held("".join(parts), lengths(parts), "bytes_string") == [False] * 7 + [True, False]
    assert held("".join(parts), lengths(parts), "name")[6:8] == [True, False]


def test_a_token_that_cuts_its_first_character_is_scored_nowhere() -> None:
    # "\u4e2d" has three bytes. `[1, 1, 2]`: a quote; a byte of it; two bytes of it; then the quote that closes.
    text = "'\u4e2d'\n"
    assert held(text, [1, 1, 2, 1, 1], "string") == [True, None, True, True, False]
    assert held(text, [2, 2, 1, 1], "string") == [True, True, True, False]
    assert held(" \u00e9\n".lstrip(), [1, 1, 1], "name") == [None, True, False]
    assert held("a =\u00e9\n", [1, 2, 1, 1, 1], "name") == [True, False, None, True, False]
    assert held("(  \u00e9)\n", [1, 3, 1, 1, 1], "white_space") == [False, None, False, False, True]


def test_a_token_of_no_bytes_is_scored_nowhere() -> None:
    assert held("a=1\n", [0, 1, 0, 2, 1, 0], "name") == [None, True, None, False, False, None]


def test_a_formatted_string_is_labelled_from_outside() -> None:
    parts = ["f", "(", "f'", "{", "self", ".", "x", "}", "'", ")", "\n"]
    text = "".join(parts)
    assert held(text, lengths(parts), "fstring") == [False] * 2 + [True] * 7 + [False] * 2
    assert held(text, lengths(parts), "call_arguments") == [False] * 2 + [True] * 8 + [False]
    for label in ("name", "self_word", "dot", "attribute_name", "not_bound_yet", "seen_before"):
        assert held(text, lengths(parts), label)[2:9] == [None] * 7


def test_a_line_that_may_be_a_match_statement_is_not_scored() -> None:
    parts = ["match", " (", "x", ")", ":", "\n  ", "case", " 1", ":", " y", "\n"]
    found = held("".join(parts), lengths(parts), "call_arguments")
    assert found[:2] == [False, False]
    assert found[2:5] == [None] * 3
    other = ["match", ".", "x", "(", "y", ")", "\n"]
    assert held("".join(other), lengths(other), "call_arguments") == [False] * 4 + [True, True, False]


def test_ast_columns_are_bytes_and_others_are_characters() -> None:
    # Two statements in a line, the first with wide characters: what the second binds is found by its column.
    parts = ["'\u00e9\u4e2d\U0001f600'", ";", " a", " =", " 1", "\n", "a", "\n"]
    assert held("".join(parts), lengths(parts), "module_name") == [False] * 6 + [True, False]


@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_spans_are_those_of_the_decoded_prefixes(name: str, data: st.DataObject) -> None:
    # Oracle: decode what is visible, one token at a time.
    encoded = TEXTS[name].encode()[:60].decode(errors="ignore").encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=12)))
    ends = [*cuts, len(encoded)]
    token_lengths = np.diff([0, *ends]).tolist()
    spans = token_spans(encoded.decode(), token_lengths)
    for start, end, span in zip([0, *cuts], ends, spans, strict=True):
        before = encoded[:start].decode(errors="ignore")
        shown = encoded[:end].decode(errors="ignore")[len(before) :]
        partial = len(encoded[:end].decode(errors="ignore").encode()) < end
        code = shown.lstrip(" \t\n\r\f\v")
        assert span.is_cut == (not code and (partial or start == end))
        assert span.is_space == (not code and not span.is_cut)
        assert span.end == len(before) + len(shown)
        if not span.is_cut:
            assert span.first == len(before) + (len(shown) - len(code) if code else 0)


def test_the_labels_are_the_same_on_every_version_of_python() -> None:
    # Computed on 3.11, 3.12 and 3.13; a new CATALOGUE_VERSION has another.
    assert digest() == "564c2c2511f67822"
