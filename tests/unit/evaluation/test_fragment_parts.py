"""Oracles: ranks counted by hand, and the arrays that a part was made of."""

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.dictionaries import ReLU
from monosemy.evaluation import Example, FitFragments, FragmentConfig, Fragments, ScoreFragments, strata
from tests.unit.evaluation.fragments_of_tests import dictionary, sampled, text


def examples(peaks: list[float]) -> tuple[Example, ...]:
    part = sampled(FitFragments, text(n_sequences=len(peaks)), dictionary(sparsifier=ReLU()), FragmentConfig())
    fragments = [part.table.fragment(row) for row in range(len(peaks))]
    zeros = np.zeros(64, dtype=np.float32)
    return tuple(
        Example(fragment=fragment, activations=zeros, pre_acts=None, peak=peak)
        for fragment, peak in zip(fragments, peaks, strict=True)
    )


def test_strata_are_the_middles_of_equal_parts_of_the_ranks() -> None:
    firing = examples([3.0, 10.0, 1.0, 7.0, 9.0, 2.0, 8.0, 5.0, 4.0, 6.0])
    assert [e.peak for e in strata(firing, 5)] == [9.0, 7.0, 5.0, 3.0, 1.0]
    assert [e.peak for e in strata(firing, 1)] == [5.0]
    assert [e.peak for e in strata(firing, 4)] == [9.0, 7.0, 4.0, 2.0]
    assert [e.peak for e in strata(firing, 30)] == sorted([e.peak for e in firing], reverse=True)
    assert strata((), 3) == ()
    with pytest.raises(ValueError, match="0 strata"):
        strata(firing, 0)


def test_strata_rank_equal_peaks_by_their_place_in_the_text() -> None:
    firing = examples([1.0, 2.0, 1.0, 2.0])
    assert [e.fragment.number for e in strata(firing[::-1], 4)] == [1, 3, 0, 2]


def test_the_splits_are_types() -> None:
    by = dictionary()
    fit, score = sampled(FitFragments, text(), by), sampled(ScoreFragments, text(seed=1), by)
    assert (fit.split(), score.split()) == ("validation", "test")
    assert Fragments(fit=fit, score=score).fit is fit
    with pytest.raises(Exception, match="score"):  # beartype under test, pyright everywhere
        Fragments(fit=fit, score=fit)  # pyright: ignore[reportArgumentType]
    fewer = sampled(ScoreFragments, text(seed=1), by, FragmentConfig(latents=(1, 2)))
    with pytest.raises(UserError, match="same latents"):
        Fragments(fit=fit, score=fewer)


def test_what_fits_and_what_scores_have_no_document_in_common() -> None:
    by = dictionary()
    with pytest.raises(UserError, match="in the fragments to fit and in those to score, as '0/d0'"):
        Fragments(fit=sampled(FitFragments, text(), by), score=sampled(ScoreFragments, text(), by))


def test_units_are_those_of_the_fragments() -> None:
    table = sampled(FitFragments, text(), dictionary()).uniform().fragments
    assert table.units() == tuple(table.fragment(row).unit for row in range(len(table)))
