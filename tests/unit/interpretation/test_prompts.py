"""Oracle: laws (one line a token, different tokens stay different), and prompts read back line by line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.interpretation import PROMPT_HASH, Sample, Text
from monosemy.interpretation.prompts import (
    N_SHOWN,
    escape,
    escaped_tokens,
    explain_messages,
    intruder_messages,
    levels,
    passage,
    plain_explain,
    plain_intruder,
    plain_simulate,
    repair_messages,
    shown_rows,
    simulate_messages,
    slot_pieces,
)
from tests.unit.interpretation.samples_of_tests import sample, table, texts

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=6)


@given(ANY_TEXT)
def test_an_escaped_token_is_one_line_without_tabs_that_can_be_encoded(token: str) -> None:
    escaped = escape(token)
    assert len(f"a{escaped}b".splitlines()) == 1
    assert "\t" not in escaped and escaped
    assert escaped.encode().decode() == escaped


@given(ANY_TEXT, ANY_TEXT)
def test_different_tokens_stay_different(a: str, b: str) -> None:
    assert (escape(a) == escape(b)) == (a == b)


@pytest.mark.parametrize(
    ("token", "written"),
    [
        (" def", " def"),
        ("\n\t", "\\n\\t"),
        ("\\n", "\\\\n"),
        (b"\xc3".decode(errors="surrogateescape"), "\\xc3"),
        ("\x85", "\\u0085"),
        ("\u2028", "\\u2028"),
        ("\U000e0001", "\\U000e0001"),
        ("", "\\e"),
        ("é", "é"),
    ],
)
def test_what_cannot_stand_on_a_line_is_written_out(token: str, written: str) -> None:
    assert escape(token) == written


def test_bytes_that_make_a_character_together_are_joined_in_a_passage() -> None:
    first, second = (byte.decode(errors="surrogateescape") for byte in (b"\xc3", b"\xa9"))
    assert passage(("a", first, second, "\n", second, "\ud800")) == "aé\\n\ufffd\ufffd"


def rows_of(table_text: str) -> list[tuple[str, int]]:
    return [
        (token, int(level)) for line in table_text.split("\n") if "\t" in line for token, level in [line.split("\t")]
    ]


@pytest.mark.parametrize(("share", "twice"), [(0.05, True), (0.5, False)])
def test_an_explainer_sees_every_token_with_its_level_and_the_rare_ones_again(share: float, twice: bool) -> None:
    of = sample(share=share)
    shown = explain_messages(of)[-1].content
    fragments = of.text.fragments
    pairs = [
        (token, int(level))
        for row in range(5)
        for token, level in zip(escaped_tokens(fragments, row), of.values[row].tolist(), strict=True)
    ]
    active = [pair for pair in pairs if pair[1]]
    assert (len(active) < 0.2 * len(pairs)) == twice
    assert rows_of(shown) == pairs + (active if twice else [])
    plain = plain_explain(of)
    assert shown in plain
    assert plain.endswith("Explanation of unit 3: it responds to")


def test_levels_are_the_whole_ones_from_0_to_10() -> None:
    values = np.array([-3.0, 0.0, 0.99, 1.0, 9.99, 10.0, 25.0], dtype=np.float32)
    assert levels(values).tolist() == [0, 0, 0, 1, 9, 10, 10]


def test_of_a_full_budget_the_ranks_are_spread_and_some_are_silent() -> None:
    n = 120
    values = np.zeros((n, 4), dtype=np.float32)
    values[:100, 2] = np.arange(100, 0, -1) / 10
    of = Sample(budget="full", text=texts(n, 4), values=values, weight=np.ones(n))
    rows = shown_rows(of)
    assert rows[:12] == tuple(i * 100 // 12 for i in range(12))
    assert rows[12:] == (100, 105, 110, 115)
    assert len(rows) == N_SHOWN
    few = Sample(budget="full", text=texts(3, 4), values=values[:3], weight=np.ones(3))
    assert shown_rows(few) == (0, 1, 2)
    none = Sample(
        budget="full",
        text=Text(fragments=table([]), labels=None),
        values=values[:0, :1].repeat(64, 1),
        weight=np.ones(0),
    )
    assert shown_rows(none) == ()
    assert explain_messages(none)[-1].content == ""


def test_a_simulator_sees_the_sentence_and_the_tokens_and_no_activation() -> None:
    tokens = ("a", "\\n", " b")
    shown = simulate_messages("letters", tokens)[-1].content
    assert shown.endswith("1\ta\tunknown\n2\t\\n\tunknown\n3\t b\tunknown")
    assert "letters" in shown and "3 tokens" in shown
    text = plain_simulate("letters") + "".join(slot_pieces(tokens))
    assert text.endswith("Unit 3 responds to: letters\nActivations of unit 3:\na\tunknown\n\\n\tunknown\n b\t")


def test_other_prompts_say_what_they_ask() -> None:
    assert intruder_messages(("one", "two"))[-1].content == "Excerpts 1 to 2:\n1. one\n2. two"
    assert plain_intruder(("one", "two"), ("A", "B")).endswith("A. one\nB. two\n\nThe odd one is excerpt")
    assert [m.role for m in repair_messages("bad", "too long")] == ["assistant", "user"]
    assert [m.role for m in repair_messages("", "too long")] == ["user"]
    assert len(PROMPT_HASH) == 16
