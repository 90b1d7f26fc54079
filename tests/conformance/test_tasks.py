"""Every task meets every check, and every check finds the fault it is there for.

Oracle: what the contract of a task says (docs/architecture.md); the tokenizer, asked for whole texts; planted faults.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from monosemy.corpus.tasks import Pair
from tests.conformance import task_checks
from tests.conformance.conformance import Check, checks_for, pairs
from tests.conformance.task_cases import CASES, TaskCase, TaskEvidence, gather, python_tokenizer

evidence_of = cache(gather)


@pytest.mark.parametrize(("case", "check"), pairs(CASES, task_checks))
def test_task(case: TaskCase, check: Check) -> None:
    assert check(evidence_of(case)) == []


def change_pairs(change: Callable[[Pair], Pair]) -> Callable[[TaskEvidence], TaskEvidence]:
    return lambda evidence: replace(evidence, pairs=[change(pair) for pair in evidence.pairs])


def unchecked(pair: Pair, **fields: Any) -> Pair:
    """The pair with other fields, without the checks that a Pair makes of itself."""
    spoiled = replace(pair)
    for name, value in fields.items():
        object.__setattr__(spoiled, name, value)
    return spoiled


# The first byte of a letter outside ASCII: by itself it is no text, so no prompt can be followed by it as one token.
HALF_A_LETTER = python_tokenizer().get_vocab()["\u00c3"]

SPOILED: dict[str, Callable[[TaskEvidence], TaskEvidence]] = {
    "the_number_of_pairs_is_the_one_asked_for": lambda evidence: replace(evidence, held_out=evidence.held_out[1:]),
    "pairs_are_distinct": lambda evidence: replace(evidence, pairs=[evidence.pairs[0]] * len(evidence.pairs)),
    "prompts_of_a_pair_are_equally_long": change_pairs(lambda pair: unchecked(pair, clean_ids=pair.clean_ids[:-1])),
    "prompts_of_a_pair_differ_in_the_stated_number_of_tokens": change_pairs(
        lambda pair: unchecked(pair, corrupt_ids=pair.clean_ids)
    ),
    "prompts_fit_into_the_context": change_pairs(lambda pair: unchecked(pair, clean_ids=pair.clean_ids * 50)),
    "ids_are_those_of_the_text": change_pairs(lambda pair: replace(pair, clean_text=f"{pair.clean_text} ")),
    "every_answer_is_one_token_after_the_prompt": change_pairs(
        lambda pair: unchecked(pair, answer_ids=(HALF_A_LETTER,))
    ),
    "the_two_answers_have_no_token_in_common": change_pairs(lambda pair: unchecked(pair, wrong_ids=pair.answer_ids)),
    "held_out_templates_are_not_those_of_the_selection": lambda evidence: replace(evidence, held_out=evidence.pairs),
    "every_half_has_several_templates": change_pairs(lambda pair: replace(pair, template="the only one")),
    "templates_take_turns": lambda evidence: replace(evidence, pairs=[evidence.pairs[0]] * 2 + evidence.pairs),
    "the_same_seed_gives_the_same_pairs": lambda evidence: replace(evidence, again=evidence.other_seed),
    "another_seed_gives_other_pairs": lambda evidence: replace(evidence, other_seed=evidence.pairs),
    "fewer_pairs_are_the_first_of_more": lambda evidence: replace(evidence, fewer=evidence.other_seed[:5]),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_planted_fault_is_found(name: str) -> None:
    evidence = SPOILED[name](evidence_of(CASES[0]))
    assert name in {check.__name__ for check in checks_for(task_checks) if check(evidence)}


def test_every_check_has_a_planted_fault() -> None:
    assert set(SPOILED) == {check.__name__ for check in checks_for(task_checks)}
