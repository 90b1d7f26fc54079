"""Oracles: counts by hand and by a dictionary of lists; the frozen corpus' own rule of the token table."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import UserError
from monosemy.evaluation import NO_TOKEN, TokenTable, distinct_masks, fit_bigram_table, fit_token_table, tables

# Of label 0 everything is scored; label 1 is not scored in the last two rows.
TOKENS = np.array([0, 1, 0, 1, 0, 2])
PREVIOUS = np.array([NO_TOKEN, 0, 1, 0, 1, NO_TOKEN])
VALUES = np.array([[1, 0], [0, 1], [0, 0], [1, 1], [1, 1], [0, 1]], dtype=bool)
SCORED = np.array([[1, 1], [1, 1], [1, 1], [1, 1], [1, 0], [1, 0]], dtype=bool)


def by_hand() -> TokenTable:
    return fit_token_table(TOKENS, VALUES, SCORED, vocabulary_size=4)


def test_token_table_by_hand() -> None:
    # Token 0: label 0 in 2 of 3, label 1 in 0 of the 2 scored. Token 2 is not scored for label 1, token 3 never seen:
    # they have the label's overall share, 3 of 6 and 2 of 4.
    expected = np.array([[2 / 3, 0], [1 / 2, 1], [0, 1 / 2], [1 / 2, 1 / 2]], dtype=np.float32)
    np.testing.assert_array_equal(by_hand().p, expected)
    np.testing.assert_array_equal(by_hand().scores(np.array([3, 0])), expected[[3, 0]])


def test_bigram_table_by_hand() -> None:
    table = fit_bigram_table(TOKENS, PREVIOUS, VALUES, SCORED, by_hand(), strength=2)
    found = table.scores(np.array([1, 0, 0, 1, 3]), np.array([0, 1, NO_TOKEN, 1, 2]))
    expected = [
        [(1 + 2 * 1 / 2) / (2 + 2), (2 + 2 * 1) / (2 + 2)],  # (0, 1): twice, label 0 once, label 1 twice
        [(1 + 2 * 2 / 3) / (2 + 2), (0 + 0) / (1 + 2)],  # (1, 0): twice, label 1 scored in one of them
        [(1 + 2 * 2 / 3) / (1 + 2), 0],  # at a start: once
        [1 / 2, 1],  # (1, 1) never seen: what token 1 has
        [1 / 2, 1 / 2],  # nor the token
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(seed=st.integers(0, 1000))
def test_tables_are_those_of_counting_one_row_at_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, vocabulary, strength = 80, 5, 1.5
    tokens, previous = rng.integers(0, vocabulary, n), rng.integers(-1, vocabulary, n)
    values, scored = rng.random((n, 3)) < 0.4, rng.random((n, 3)) < 0.8
    table = fit_token_table(tokens, values, scored, vocabulary)
    pairs = fit_bigram_table(tokens, previous, values, scored, table, strength)
    found = pairs.scores(tokens, previous)
    for row, label in product(range(0, n, 7), range(3)):
        seen = [values[i, label] for i in range(n) if scored[i, label] and tokens[i] == tokens[row]]
        everywhere = [values[i, label] for i in range(n) if scored[i, label]]
        unigram = sum(seen or everywhere) / len(seen or everywhere)
        same = [i for i in range(n) if (tokens[i], previous[i]) == (tokens[row], previous[row])]
        counted = [values[i, label] for i in same if scored[i, label]]
        expected = (sum(counted) + strength * unigram) / (len(counted) + strength)
        assert found[row, label] == pytest.approx(expected, rel=1e-5)
        assert table.p[tokens[row], label] == pytest.approx(unigram, rel=1e-5)


def test_blocks_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    tokens, previous = rng.integers(0, 7, 500), rng.integers(-1, 7, 500)
    values, scored = rng.random((500, 6)) < 0.3, rng.random((500, 6)) < 0.9
    table = fit_token_table(tokens, values, scored, 7)
    pairs = fit_bigram_table(tokens, previous, values, scored, table)
    for n_rows in (1, 13, 499):
        monkeypatch.setattr(tables, "_ROWS_AT_ONCE", n_rows)
        again = fit_token_table(tokens, values, scored, 7)
        np.testing.assert_array_equal(again.p, table.p)
        np.testing.assert_array_equal(fit_bigram_table(tokens, previous, values, scored, again).p, pairs.p)


def test_what_is_not_scored_is_not_looked_at() -> None:
    other = np.where(SCORED, VALUES, ~VALUES)
    np.testing.assert_array_equal(fit_token_table(TOKENS, other, SCORED, 4).p, by_hand().p)


def test_a_label_that_is_never_scored_is_never_expected() -> None:
    nowhere = np.zeros_like(SCORED)
    assert (fit_token_table(TOKENS, VALUES, nowhere, 4).p == 0).all()


def test_the_pair_tells_what_the_token_does_not() -> None:
    """A label that holds exactly after token 0 (planted): the pairs separate it, the tokens do not."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 5, 4000)
    previous = np.concatenate([[NO_TOKEN], tokens[:-1]])
    values, scored = (previous == 0)[:, None], np.ones((4000, 1), dtype=bool)
    table = fit_token_table(tokens, values, scored, 5)
    pairs = fit_bigram_table(tokens, previous, values, scored, table).scores(tokens, previous)
    pairs[0] = 0  # the only row without a previous token, whose pair was seen once
    assert pairs[values].min() > 0.9 > 0.1 > pairs[~values].max()
    assert np.ptp(table.scores(tokens)) < 0.1


def test_distinct_masks_are_the_different_columns() -> None:
    first, second = np.array([1, 1, 0, 1], dtype=bool), np.array([1, 1, 0, 0], dtype=bool)
    masks, mask_of_label = distinct_masks(np.stack([first, second, first, second, second], axis=1))
    assert mask_of_label.tolist() == [0, 1, 0, 1, 1]
    np.testing.assert_array_equal(masks, np.stack([first, second], axis=1))


@pytest.mark.parametrize("row", [0, 1, 5, 6, 7, 19])
def test_masks_that_differ_in_one_row_are_different(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", 6)
    scored = np.repeat(np.random.default_rng(0).random((20, 1)) < 0.5, 3, axis=1)
    assert len(distinct_masks(scored)[0].T) == 1
    scored[row, 1] ^= True
    masks, mask_of_label = distinct_masks(scored)
    assert mask_of_label.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(masks[:, mask_of_label], scored)


@pytest.mark.parametrize(
    ("tokens", "previous", "message"),
    [
        (np.array([0, 4]), np.array([-1, 0]), "tokens 0 to 4 do not fit a vocabulary of 4"),
        (np.array([0, -1]), np.array([-1, 0]), "tokens -1 to 0 do not fit"),
        (np.array([0, 1]), np.array([-2, 0]), "tokens -2 to 0 do not fit"),
        (np.array([0, 1]), np.array([0, 4]), "tokens 0 to 4 do not fit"),
        (np.array([], dtype=int), np.array([], dtype=int), "no token to fit a table on"),
    ],
)
def test_tokens_of_another_vocabulary_are_refused(tokens: np.ndarray, previous: np.ndarray, message: str) -> None:
    anything = np.ones((len(tokens), 2), dtype=bool)
    with pytest.raises(UserError, match=message):
        fit_bigram_table(tokens, previous, anything, anything, by_hand())
    if len(tokens):
        with pytest.raises(UserError, match=message):
            fit_bigram_table(TOKENS, PREVIOUS, VALUES, SCORED, by_hand()).scores(tokens, previous)


def test_a_back_off_needs_a_strength() -> None:
    with pytest.raises(UserError, match="strength of the back-off is 0"):
        fit_bigram_table(TOKENS, PREVIOUS, VALUES, SCORED, by_hand(), strength=0)
