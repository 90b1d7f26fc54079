"""Oracle: each candidate's own predicate, asked on the whole text; plain sums over the rows where it holds."""

import numpy as np
import pytest

from monosemy.interpretation import Text
from monosemy.interpretation.candidate_table import CandidateTable
from monosemy.interpretation.predicates import HasAffix, TokenIs
from tests.unit.interpretation.texts_of_tests import random_text


@pytest.mark.parametrize("labelled", [True, False])
def test_candidates_hold_where_their_predicates_do(labelled: bool) -> None:
    text = random_text(n_fragments=6, seed=1)
    if not labelled:
        text = Text(fragments=text.fragments, labels=None)
    table = CandidateTable(text)
    rows = np.arange(table.n_rows)
    mask = text.fragments.mask
    assert table.n_rows == mask.sum()
    values = np.random.default_rng(0).normal(size=(2, table.n_rows))
    sums = table.sums(rows, values)
    some = np.sort(np.random.default_rng(1).permutation(rows)[:100])
    sums_of_some = table.sums(some, values[:, some])
    kinds = set()
    for candidate in range(table.n_candidates):
        predicate = table.predicate(candidate)
        kinds.add(type(predicate).__name__)
        holds = predicate.holds(text)[mask]
        if isinstance(predicate, HasAffix) and not table.holds(candidate, rows).any():
            assert len(np.unique(text.fragments.tokens[mask][holds])) < 2  # what one token has is said by naming it
            continue
        np.testing.assert_array_equal(table.holds(candidate, rows), holds, err_msg=predicate.words())
        np.testing.assert_array_equal(table.holds(candidate, some), holds[some])
        expected = [*(values @ holds), holds.sum()]
        np.testing.assert_allclose(sums[:, candidate], expected, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(sums_of_some[2, candidate], holds[some].sum(), atol=1e-4)
        np.testing.assert_allclose(sums_of_some[:2, candidate], values[:, some] @ holds[some], rtol=1e-5, atol=1e-4)
        assert table.bits[candidate] == pytest.approx(predicate.bits())
        if table.can_be_negated[candidate]:
            np.testing.assert_array_equal(table.predicate(candidate, negated=True).holds(text)[mask], ~holds)
    assert len(kinds) == (7 if labelled else 6)


def test_token_sets_hold_where_one_of_their_tokens_stands() -> None:
    text = random_text(n_fragments=6, seed=1)
    table = CandidateTable(text)
    rows = np.arange(table.n_rows)
    for back in (0, 1, 2):
        items = np.array([3, 0, 5])
        predicate = table.tokens(back, items)
        assert isinstance(predicate, TokenIs)
        assert list(predicate.tokens) == sorted(predicate.tokens)
        assert predicate.texts == tuple(text.fragments.text[token] for token in predicate.tokens)
        np.testing.assert_array_equal(table.holds_any(back, items, rows), predicate.holds(text)[text.fragments.mask])
        segment = table.token_segment(back)
        for item in (0, 5):
            assert table.predicate(segment.start + item) == table.tokens(back, np.array([item]))
