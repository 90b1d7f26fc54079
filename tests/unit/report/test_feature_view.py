"""Oracle: planted contexts, and what each mark on a token is said to mean."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.report import (
    FeatureContext,
    LatentCard,
    LatentContexts,
    LatentExplanation,
    context_line,
    explanation_line,
    latent_card,
    visible,
)
from monosemy.report.feature_view import LONG_SENTENCE, folded_words, marked
from tests.unit.report.dictionary_run import HOSTILE
from tests.unit.report.test_page import Reader


def context(tokens: list[str], activations: list[float], mask: list[bool] | None = None) -> FeatureContext:
    return FeatureContext(
        tokens=tuple(tokens),
        activations=tuple(activations),
        mask=tuple(mask or [True] * len(tokens)),
        document=HOSTILE,
        unit="json",
    )


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("\n    ", "\u21b5\u00b7\u00b7\u00b7\u00b7"),
        (" return", " return"),
        (" ", "\u00b7"),
        ("\t", "\u21e5"),
        ("\r\n", "\u21b5"),
        ("\x00\x7f", "\u2400\u2421"),
        (b"\xf0\x9f".decode(errors="surrogateescape"), "\\xf0\\x9f"),
        ("\u05e9\u05dc", "\u05e9\u05dc"),
    ],
)
def test_white_space_and_broken_bytes_can_be_seen(token: str, shown: str) -> None:
    assert visible(token) == shown
    assert visible(token).encode()  # what a page holds is UTF-8


def test_only_what_fires_is_marked_and_the_peak_is_another_element() -> None:
    html = context_line(context(["a", "b", "c", "d"], [0.0, 1.0, 4.0, 2.0]), 4.0).html
    assert '<span class="fires heat-2" title="1">b</span><mark class="fires heat-4" title="4">c</mark>' in html
    assert '<span class="fires heat-3" title="2">d</span>' in html
    assert re.search(r'<p class="context">a<', html)


def test_a_silent_fragment_has_no_mark() -> None:
    html = context_line(context(["a", "b"], [0.0, 0.0]), 4.0).html
    assert "fires" not in html


def test_text_around_the_peak_and_nothing_that_is_masked() -> None:
    tokens = [f"<{i}>" for i in range(64)]
    activations = [0.0] * 64
    activations[40] = 1.0
    activations[0] = 9.0  # not recorded: it cannot be the peak
    shown = Reader(context_line(context(tokens, activations, [i > 0 for i in range(64)]), 1.0).html).text
    assert shown.startswith("\u2026<22>")
    assert "<49>\u2026" in shown
    assert "<21>" not in shown
    assert "<50>" not in shown


def test_hostile_text_is_text() -> None:
    html = context_line(context([HOSTILE], [1.0]), 1.0).html
    reader = Reader(html)
    assert HOSTILE in reader.text
    assert "img" not in [tag for tag, _ in reader.tags]


def test_a_card_says_what_it_knows() -> None:
    known = LatentCard(
        latent=7,
        density=0.0123,
        label="slice",
        definition="In a slice.",
        f1_validation=0.5,
        f1=0.45,
        table_f1=0.2,
        ap_lift=0.4,
        contexts=LatentContexts(top=(context(["a"], [2.0]),), drawn=()),
    )
    said = " ".join(Reader(latent_card(known).html).text.split())
    assert "Latent 7: slice" in said
    assert "F1 0.50 on validation, 0.45 on test (token table 0.20), AP lift 0.40; fires on 1.23 % of tokens." in said
    assert "strongest on test (up to 2" in said
    bare = " ".join(Reader(latent_card(LatentCard(latent=8, density=0.0)).html).text.split())
    assert bare == "Latent 8 Never fires on test. No held-out context to show."


@pytest.mark.parametrize(
    ("words", "html"),
    [
        ("fires on `self` right after `(`", "fires on <code>self</code> right after <code>(</code>"),
        ("fires on ```, `a`b`; less on `,`", "fires on <code>`</code>, <code>a`b</code>; less on <code>,</code>"),
        ("where url (a `<b>`)", "where url (a <code>&lt;b&gt;</code>)"),
        ("an odd ` one", "an odd ` one"),
    ],
)
def test_what_stands_between_backquotes_is_code(words: str, html: str) -> None:
    assert folded_words(words).html == f"<p><strong>{html}</strong></p>"


@given(st.text("ab `,;(", max_size=400))
def test_a_long_sentence_opens_to_the_whole(words: str) -> None:
    found = folded_words(words).html
    if len(words) <= LONG_SENTENCE:
        assert "<details" not in found
        return
    summary, _, whole = found.partition("</summary>")
    assert marked(words).html in whole
    shown = re.sub(r"<[^>]+>", "", summary)
    assert shown.endswith(" \u2026")
    assert len(shown) <= LONG_SENTENCE + 2


def test_an_explanation_with_its_worth() -> None:
    explanation = LatentExplanation(sentence="fires on `x`", bits=24.3, uniform=0.512, ceiling=0.8)
    html = latent_card(LatentCard(latent=3, density=0.1, explanation=explanation)).html
    assert "fires on <code>x</code>" in html
    assert "24.3 bits, correlation 0.51 (ceiling 0.80)." in html
    without = replace(explanation, bits=None, ceiling=None, uniform=0.0, is_constant=True)
    assert "predicts the same everywhere, which counts as correlation 0.00." in explanation_line(without).html
