"""Every dictionary meets every check, and every check finds the fault it is there for.

Oracle: the formulas of a Dictionary in numpy and float64 (dictionary_checks), and planted faults.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monosemy.dictionaries import Identity, TopK
from tests.conformance import dictionary_checks
from tests.conformance.conformance import Check, checks_for, pairs
from tests.conformance.dictionary_cases import CASES, DictionaryCase, DictionaryEvidence, gather


@pytest.fixture(scope="module")
def evidence_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[DictionaryCase], DictionaryEvidence]:
    """The evidence of a case, gathered once."""
    gathered: dict[str, DictionaryEvidence] = {}

    def of(case: DictionaryCase) -> DictionaryEvidence:
        if case.name not in gathered:
            gathered[case.name] = gather(case, tmp_path_factory.mktemp(case.name))
        return gathered[case.name]

    return of


@pytest.mark.parametrize(("case", "check"), pairs(CASES, dictionary_checks))
def test_dictionary(case: DictionaryCase, check: Check, evidence_of: Callable) -> None:
    assert check(evidence_of(case)) == []


def test_case_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


SPOILED: dict[str, Callable[[DictionaryEvidence], DictionaryEvidence]] = {
    "latents_are_what_the_formula_says": lambda e: replace(e, z=e.z * 1.001),
    "reconstructions_are_what_the_formula_says": lambda e: replace(e, x_hat=e.x_hat - e.dictionary.b_dec),
    "no_more_than_k_are_active": lambda e: replace(e, z=e.z + 1e-9),
    "a_row_does_not_depend_on_its_batch": lambda e: replace(e, alone=e.alone.roll(1, 0)),
    "zero_rows_and_no_rows_are_encoded": lambda e: replace(e, no_rows=e.no_rows[:, 1:]),
    "what_is_used_is_left_as_it_was": lambda e: replace(e, x_after=e.x_after + 1),
    "weights_are_contiguous_without_gradient": lambda e: replace(e, dictionary=_with_gradient(e)),
    "saving_and_loading_keeps_every_bit": lambda e: replace(e, loaded=e.dictionary.with_sparsifier(Identity())),
    "whatever_is_wrong_is_refused_in_one_line": lambda e: replace(e, refusals={**e.refusals, "NaN": None}),
    "the_seed_decides": lambda e: replace(e, other=e.again),
    "latents_have_no_order": lambda e: replace(e, permutation=e.permutation.roll(1)),
}


def _with_gradient(evidence: DictionaryEvidence):
    dictionary = replace(evidence.dictionary)
    dictionary.b_dec.requires_grad_()
    return dictionary


@pytest.mark.parametrize("check", SPOILED)
def test_a_spoiled_dictionary_is_found(check: str, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "topk")
    sound = gather(case, tmp_path)
    assert isinstance(sound.dictionary.sparsifier, TopK)
    checks = {each.__name__: each for each in checks_for(dictionary_checks)}
    assert checks[check](sound) == []
    assert checks[check](SPOILED[check](sound)) != []


def test_every_check_has_a_planted_fault() -> None:
    assert set(SPOILED) == {check.__name__ for check in checks_for(dictionary_checks)}


def test_the_evidence_has_rows_with_fewer_positive_pre_activations_than_latents() -> None:
    """Otherwise a TopK that forgets its ReLU would pass."""
    case = next(case for case in CASES if case.name == "topk_all")
    dictionary = case.make(0)
    assert bool((dictionary.pre_acts(torch.ones(4, dictionary.d_in)) < 0).any())
