"""The labels against tables written by hand: exactly the pieces a label holds at, nothing more."""

import re
from functools import cache

import numpy as np
import pytest

from monosemy.corpus.labels import CATALOGUE, label_tokens
from tests.unit.corpus.labels.snippet import pieces
from tests.unit.corpus.labels.texts import SNIPPETS, lengths

COLUMN = {label.name: i for i, label in enumerate(CATALOGUE)}
CASES = [(name, label) for name, snippet in SNIPPETS.items() for label in snippet.expected]


labelled = cache(label_tokens)


def held(text: str, parts: list[str], label: str) -> list[str]:
    """The pieces at which the label holds."""
    labels = labelled(text, tuple(lengths(parts)))
    assert labels.status == "ok"
    return [parts[i] for i in np.flatnonzero(labels.values[:, COLUMN[label]])]


@pytest.mark.parametrize(("name", "label"), CASES)
def test_a_label_holds_at_exactly_the_pieces_written_down(name: str, label: str) -> None:
    snippet = SNIPPETS[name]
    found = held(snippet.text, pieces(snippet.text), label)
    assert [part for part in found if re.fullmatch(snippet.only, part)] == snippet.expected[label].split()


def test_every_causal_label_was_written_down_somewhere() -> None:
    white_space = {"white_space", "line_end", "blank_line"}  # in the test below
    written = {label for snippet in SNIPPETS.values() for label, found in snippet.expected.items() if found}
    assert written | white_space == {label.name for label in CATALOGUE if label.causal}


def test_white_space() -> None:
    parts = [
        "a",
        " ",
        "=",
        " ",
        "(",
        "\n  ",
        "2",
        ")",
        " ",
        "# c",
        "\n",
        "\n",
        "# d",
        "\n\n",
        "s",
        "=",
        "'''",
        "\n\n",
        "'''",
        "\n \n",
    ]
    text = "".join(parts)
    assert held(text, parts, "white_space") == [" ", " ", "\n  ", " ", "\n", "\n", "\n\n", "\n\n", "\n \n"]
    assert held(text, parts, "line_end") == ["\n  ", "\n", "\n", "\n\n", "\n \n"]
    assert held(text, parts, "blank_line") == ["\n", "\n\n", "\n \n"]


def test_white_space_in_a_statement_that_goes_on() -> None:
    # At the end of a logical line its regions are over; at that of a joined or bracketed one they are not.
    parts = ["a", " =", " 1", " +", " ", "\\", "\n  ", "(", "2", "\n ", ")", " # \\", "\n", "b", "\n"]
    text = "".join(parts)
    expected = [" 1", " +", " ", "\\", "\n  ", "(", "2", "\n ", ")"]
    assert held(text, parts, "assigned_value") == expected
    # The first letter is no joined line's, and a comment's backslash joins nothing.
    assert held(text, parts, "continuation_line") == ["(", "2", "\n ", ")", " # \\"]
