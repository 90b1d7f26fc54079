"""Every baseline meets every check of baselines and of dictionaries, and every check finds the fault it is there for.

Oracle: laws that hold whatever the data (baseline_checks), the formulas of a Dictionary (dictionary_checks), and
planted faults.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from tests.conformance import baseline_checks, dictionary_cases, dictionary_checks
from tests.conformance.baseline_cases import CASES, DICTIONARY_CASES, BaselineCase, BaselineEvidence, gather
from tests.conformance.conformance import Check, checks_for, pairs
from tests.conformance.dictionary_cases import DictionaryCase, DictionaryEvidence

evidence_of = cache(gather)


@pytest.mark.parametrize(("case", "check"), pairs(CASES, baseline_checks))
def test_baseline(case: BaselineCase, check: Check) -> None:
    assert check(evidence_of(case)) == []


@pytest.fixture(scope="module")
def dictionary_evidence_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[DictionaryCase], DictionaryEvidence]:
    """The evidence of a baseline as a dictionary, gathered once."""

    @cache
    def of(case: DictionaryCase) -> DictionaryEvidence:
        return dictionary_cases.gather(case, tmp_path_factory.mktemp(case.name))

    return of


@pytest.mark.parametrize(("case", "check"), pairs(DICTIONARY_CASES, dictionary_checks))
def test_baseline_as_a_dictionary(case: DictionaryCase, check: Check, dictionary_evidence_of: Callable) -> None:
    assert check(dictionary_evidence_of(case)) == []


def scaled(evidence: BaselineEvidence, factor: int | float) -> BaselineEvidence:
    return replace(evidence, fitted=replace(evidence.fitted, W_dec=factor * evidence.fitted.W_dec))


SPOILED: dict[str, tuple[str, Callable[[BaselineEvidence], BaselineEvidence]]] = {
    "it_has_as_many_latents_as_asked_for": ("pca", lambda e: replace(e, case=replace(e.case, n_latents=3))),
    "the_activations_are_left_as_they_were": ("pca", lambda e: replace(e, x_after=e.x_after - e.x_after.mean(dim=0))),
    "the_seed_decides": ("random", lambda e: replace(e, other=e.again)),
    "nothing_is_drawn_from_the_global_generator": ("pca", lambda e: replace(e, global_state_moved=True)),
    "batch_boundaries_do_not_matter": ("pca", lambda e: replace(e, small_batches=e.moved)),
    "exact_ones_reconstruct_exactly": ("ica", lambda e: scaled(e, 1.0001)),
    "top_k_forms_keep_k": ("pca_topk", lambda e: replace(e, fitted=evidence_of(named("pca")).fitted)),
    "moving_the_activations_moves_the_reconstruction_alone": ("pca", lambda e: replace(e, moved=e.fitted)),
    "the_order_of_the_dimensions_does_not_matter": ("pca_few", lambda e: replace(e, mirrored=e.fitted)),
    "what_cannot_be_fitted_is_refused_in_one_line": ("pca", lambda e: replace(e, refusals={"NaN": None})),
}


def named(name: str) -> BaselineCase:
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize("name", SPOILED)
def test_a_planted_fault_is_found(name: str) -> None:
    case, spoil = SPOILED[name]
    evidence = spoil(evidence_of(named(case)))
    assert name in {check.__name__ for check in checks_for(baseline_checks) if check(evidence)}


def test_every_check_has_a_planted_fault() -> None:
    assert set(SPOILED) == {check.__name__ for check in checks_for(baseline_checks)}


def test_case_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
