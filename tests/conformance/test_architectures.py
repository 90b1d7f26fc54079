"""Every architecture meets every check, and every check finds the fault it is there for.

Oracle: the losses written densely in float64 (architecture_formulas), planted directions, and planted faults.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
import torch

import monosemy.dictionaries
from monosemy.dictionaries import Architecture, TrainableDictionary
from tests.conformance import architecture_checks
from tests.conformance.architecture_cases import CASES, ArchitectureCase
from tests.conformance.architecture_evidence import ArchitectureEvidence, LossEvidence, built, gather
from tests.conformance.conformance import Check, checks_for, pairs

GATHERED: dict[str, ArchitectureEvidence] = {}


def evidence_of(case: ArchitectureCase) -> ArchitectureEvidence:
    """The evidence of a case, gathered once."""
    if case.name not in GATHERED:
        GATHERED[case.name] = gather(case)
    return GATHERED[case.name]


@pytest.mark.parametrize(("case", "check"), pairs(CASES, architecture_checks))
def test_architecture(case: ArchitectureCase, check: Check) -> None:
    assert check(evidence_of(case)) == []


def test_every_architecture_has_a_case() -> None:
    assert {type(case.config) for case in CASES} == set(get_args(Architecture))
    exported = [getattr(monosemy.dictionaries, name) for name in monosemy.dictionaries.__all__]
    trainable = {each for each in exported if inspect.isclass(each) and issubclass(each, TrainableDictionary)}
    assert trainable - {TrainableDictionary} == {type(built(case.config)) for case in CASES}


Spoil = Callable[[ArchitectureEvidence], ArchitectureEvidence]


def spoil_losses(change: Callable[[LossEvidence], LossEvidence]) -> Spoil:
    return lambda e: replace(e, losses={name: change(losses) for name, losses in e.losses.items()})


def without_encoder_gradient(losses: LossEvidence) -> LossEvidence:
    """The defect of a toolkit whose auxiliary loss never reached the encoder."""
    auxk = {**losses.gradients["auxk"], "W_enc": torch.zeros_like(losses.gradients["auxk"]["W_enc"])}
    return replace(losses, gradients={**losses.gradients, "auxk": auxk})


SPOILED: dict[str, Spoil] = {
    "terms_are_those_of_the_formula": spoil_losses(
        lambda each: replace(each, terms={name: value * 12 for name, value in each.terms.items()})
    ),
    "each_term_has_the_gradient_of_the_formula": spoil_losses(without_encoder_gradient),
    "each_term_moves_what_it_should": spoil_losses(without_encoder_gradient),
    "the_loss_changes_nothing": lambda e: replace(e, states=(e.states[0], [*e.states[1][:-1], e.states[0][-1] + 1])),
    "exactly_k_are_active": lambda e: replace(e, n_active=e.n_active + 1),
    "the_exported_dictionary_is_the_trained_one": lambda e: replace(
        e, folded={2.0: (e.folded[1.0][0], e.folded[37.0][1])}
    ),
    "the_schedule_weighs_the_penalty_only": spoil_losses(
        lambda each: replace(each, scheduled={name: value / 4 for name, value in each.terms.items()})
    ),
    "activations_in_another_unit_give_the_same_dictionary": lambda e: replace(
        e, scaled={2.0: (e.folded[1.0][0], e.folded[37.0][1])}
    ),
    "the_sparse_form_says_the_loss": lambda e: replace(
        e, by_sparse_form=(e.losses["none"].terms, e.losses["few"].terms)
    ),
    "latents_start_anew_where_they_are_told": lambda e: replace(
        e, restart=replace(e.restart, changed={**e.restart.changed, "b_enc": [1, 2, 9]})
    ),
    "odd_batches_train": lambda e: replace(e, edges={"one row": "the loss is nan"}),
    "nan_is_refused_with_member_and_step": lambda e: replace(e, nan=None),
    "the_seed_decides_and_company_does_not": lambda e: replace(e, runs={**e.runs, "in_company": e.runs["other"]}),
    "planted_directions_are_found": lambda e: replace(e, recovered=e.random),
}


@pytest.mark.parametrize("check", SPOILED)
def test_a_spoiled_architecture_is_found(check: str) -> None:
    case = next(case for case in CASES if case.name == "topk")
    checks = {each.__name__: each for each in checks_for(architecture_checks)}
    assert checks[check](SPOILED[check](evidence_of(case))) != []


def test_every_check_has_a_planted_fault() -> None:
    assert set(SPOILED) == {check.__name__ for check in checks_for(architecture_checks)}
