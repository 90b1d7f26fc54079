"""What every task must do. Each function is a check: evidence in, faults out."""

from monosemy.corpus.tasks import Pair
from tests.conformance.task_cases import N_PAIRS, TaskEvidence


def _all_pairs(evidence: TaskEvidence) -> list[Pair]:
    return [*evidence.pairs, *evidence.other_seed, *evidence.held_out]


def _members(evidence: TaskEvidence) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """(text, ids, right tokens) of every prompt."""
    pairs = _all_pairs(evidence)
    clean = [(pair.clean_text, pair.clean_ids, pair.answer_ids) for pair in pairs]
    return clean + [(pair.corrupt_text, pair.corrupt_ids, pair.wrong_ids) for pair in pairs]


def the_number_of_pairs_is_the_one_asked_for(evidence: TaskEvidence) -> list[str]:
    return [
        str(len(pairs)) for pairs in (evidence.pairs, evidence.other_seed, evidence.held_out) if len(pairs) != N_PAIRS
    ]


def pairs_are_distinct(evidence: TaskEvidence) -> list[str]:
    halves = (evidence.pairs, evidence.held_out)
    return [
        pairs[0].task for pairs in halves if len({(pair.clean_ids, pair.corrupt_ids) for pair in pairs}) < len(pairs)
    ]


def prompts_of_a_pair_are_equally_long(evidence: TaskEvidence) -> list[str]:
    return [pair.clean_text for pair in _all_pairs(evidence) if len(pair.clean_ids) != len(pair.corrupt_ids)]


def prompts_of_a_pair_differ_in_the_stated_number_of_tokens(evidence: TaskEvidence) -> list[str]:
    pairs = [(pair, zip(pair.clean_ids, pair.corrupt_ids, strict=False)) for pair in _all_pairs(evidence)]
    return [pair.clean_text for pair, ids in pairs if sum(a != b for a, b in ids) != evidence.case.n_changed]


def prompts_fit_into_the_context(evidence: TaskEvidence) -> list[str]:
    return [text for text, ids, _ in _members(evidence) if len(ids) > evidence.case.context_length]


def ids_are_those_of_the_text(evidence: TaskEvidence) -> list[str]:
    encode = evidence.tokenizer.encode
    start = evidence.tokenizer.token_to_id("<|endoftext|>")
    return [text for text, ids, _ in _members(evidence) if [start, *encode(text).ids] != list(ids)]


def every_answer_is_one_token_after_the_prompt(evidence: TaskEvidence) -> list[str]:
    """Written out as text behind the prompt, at least one right token is tokenized as just that token."""
    tokenizer = evidence.tokenizer

    def continues(text: str, ids: tuple[int, ...], token: int) -> bool:
        completed = text + tokenizer.decode([token], skip_special_tokens=False)
        return [*ids[1:], token] == tokenizer.encode(completed).ids

    return [text for text, ids, right in _members(evidence) if not any(continues(text, ids, token) for token in right)]


def the_two_answers_have_no_token_in_common(evidence: TaskEvidence) -> list[str]:
    return [pair.clean_text for pair in _all_pairs(evidence) if set(pair.answer_ids) & set(pair.wrong_ids)]


def held_out_templates_are_not_those_of_the_selection(evidence: TaskEvidence) -> list[str]:
    selection = {pair.template for pair in (*evidence.pairs, *evidence.other_seed)}
    return sorted(selection & {pair.template for pair in evidence.held_out})


def every_half_has_several_templates(evidence: TaskEvidence) -> list[str]:
    halves = {"selection": evidence.pairs, "held out": evidence.held_out}
    return [name for name, pairs in halves.items() if len({pair.template for pair in pairs}) < 2]


def templates_take_turns(evidence: TaskEvidence) -> list[str]:
    templates = [pair.template for pair in evidence.pairs]
    counts = [templates.count(template) for template in set(templates)]
    return [] if max(counts) - min(counts) <= 1 else [f"pairs a template: {sorted(counts)}"]


def the_same_seed_gives_the_same_pairs(evidence: TaskEvidence) -> list[str]:
    return [] if evidence.again == evidence.pairs else ["drawn again they are others"]


def another_seed_gives_other_pairs(evidence: TaskEvidence) -> list[str]:
    return [] if evidence.other_seed != evidence.pairs else ["the seed is not used"]


def fewer_pairs_are_the_first_of_more(evidence: TaskEvidence) -> list[str]:
    return [] if evidence.pairs[: len(evidence.fewer)] == evidence.fewer else ["they are others"]
