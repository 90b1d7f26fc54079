"""Oracle: examples written down by hand, and laws that hold for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.interpretation.surface import SURFACE_FORMS, SURFACE_WORDS, affix, surface_forms, visible


@pytest.mark.parametrize(
    ("token", "forms"),
    [
        (" the", {"leading_space", "letters", "lower", "word", "length_3"}),
        ("The", {"letters", "capitalized", "word", "length_3"}),
        ("HTTP", {"letters", "upper", "word", "length_4_5"}),
        ("A", {"letters", "word", "length_1"}),
        ("_x1", {"has_digit", "word", "underscore", "length_3"}),
        (" 42", {"leading_space", "digits", "has_digit", "word", "length_2"}),
        ("\n    ", {"white_space", "line_end"}),
        ("  ", {"leading_space", "white_space"}),
        ("',", {"punctuation", "quote", "length_2"}),
        ("([", {"punctuation", "opening_bracket", "length_2"}),
        ("})\n", {"punctuation", "closing_bracket", "line_end", "length_2"}),
        ("sélf", {"letters", "lower", "word", "non_ascii", "length_4_5"}),
        ("\udcf0\udc9f", {"non_ascii", "length_2"}),
        ("walking", {"letters", "lower", "word", "length_6_plus"}),
        ("", set()),
    ],
)
def test_forms_of_tokens(token: str, forms: set[str]) -> None:
    assert surface_forms(token) == forms


def test_every_form_has_words() -> None:
    assert set(SURFACE_WORDS) == set(SURFACE_FORMS)
    assert len(set(SURFACE_WORDS.values())) == len(SURFACE_FORMS)


@given(st.text(max_size=8))
def test_a_token_has_one_length_or_is_blank(token: str) -> None:
    forms = surface_forms(token)
    assert sum(form.startswith("length") for form in forms) == (1 if token.strip() else 0)
    assert ("white_space" in forms) == (token != "" and not token.strip())
    assert not {"lower", "upper"} <= forms


@given(st.text(max_size=8), st.integers(1, 3))
def test_affixes_are_shorter_than_the_token(token: str, n: int) -> None:
    core = token.strip()
    begins, ends = affix(token, "begins", n), affix(token, "ends", n)
    if len(core) <= n:
        assert begins is None
        assert ends is None
    else:
        assert begins is not None
        assert ends is not None
        assert core.startswith(begins)
        assert core.endswith(ends)
        assert len(begins) == len(ends) == n


@pytest.mark.parametrize(
    ("token", "shown"),
    [(" the", "␣the"), ("\n\t", "\\n\\t"), ("\udcf0\udc9f", "\\xf0\\x9f"), ("é", "é"), ("\x00\ud800", "\\x00\\ud800")],
)
def test_what_cannot_be_read_is_escaped(token: str, shown: str) -> None:
    assert visible(token) == shown


@given(st.text(alphabet=st.characters(), max_size=8))
def test_what_is_shown_can_be_printed(token: str) -> None:
    visible(token).encode("utf-8")
    assert visible(token).isprintable()
