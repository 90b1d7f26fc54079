"""One sentence in plain words from a list of rules."""

from dataclasses import dataclass
from typing import final

from monosemy.interpretation.predicates import AnyPredicate, TokenIs, quoted
from monosemy.interpretation.rules import Rule, RuleList

NOTHING = "nothing that rules can tell"
"""What is said of a latent whose list has no rule."""

_LESS = 0.5
"""Below this share of the strongest value a rule is one on which the latent fires less."""

_MOST_TOKENS = 12


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class _Clause:
    """Rules of one strength that differ in a token only: the tokens' texts, their place, and what else must hold."""

    back: int | None
    texts: tuple[str, ...]
    others: tuple[AnyPredicate, ...]

    def words(self) -> str:
        """What it says, the tokens it is of first."""
        others = sorted(self.others, key=lambda predicate: (predicate.subject() is None, predicate.words()))
        parts = [predicate.words() for predicate in others]
        if self.back is None:
            return ", ".join(parts)
        shown = quoted(self.texts[:_MOST_TOKENS])
        more = f" and {len(self.texts) - _MOST_TOKENS} more" if len(self.texts) > _MOST_TOKENS else ""
        place = {0: "on", 1: "right after", 2: "two tokens after"}[self.back]
        tokens = f"{place} {shown}{more}"
        first = [tokens, *parts] if self.back == 0 else _after_subjects(tokens, others)
        return " ".join(first[:2]) + "".join(f", {part}" for part in first[2:])


def rule_sentence(rules: RuleList) -> str:
    """What a list of rules says, strongest first: "fires on `self`, `cls` right after `(`; less on `,`".

    Rules that differ in their tokens only are merged where their strength is alike. A rule is one of firing less below
    half of the strongest value, and one of not firing within a twentieth of the peak of zero.
    """
    if not rules.rules:
        return NOTHING
    ordered = sorted(rules.rules, key=lambda rule: -rule.value)
    top = ordered[0].value
    strong = [rule for rule in ordered if rule.value >= max(_LESS * top, 0.5)]
    weak = [rule for rule in ordered if 0.5 <= rule.value < _LESS * top]
    none = [rule for rule in ordered if -0.5 < rule.value < 0.5]
    below = [rule for rule in reversed(ordered) if rule.value <= -0.5]
    said = [
        (verb, "; or ".join(clause.words() for clause in _merged(part)))
        for verb, part in (("fires", strong), ("less", weak), ("hardly", none), ("below zero", below))
        if part
    ]
    return "; ".join(f"{verb} {words}" for verb, words in said)


def _merged(rules: list[Rule]) -> list[_Clause]:
    """The clauses of rules in their order; tokens of one place that stand with the same other predicates together."""
    clauses: dict[tuple[int | None, frozenset[AnyPredicate]], _Clause] = {}
    for rule in rules:
        token = next((p for p in sorted(_token_sets(rule), key=lambda p: p.back)), None)
        others = tuple(predicate for predicate in rule.when if predicate is not token)
        back, texts = (token.back, token.texts) if token is not None else (None, ())
        key = (back, frozenset(others))
        known = clauses.get(key)
        before = known.texts if known is not None else ()
        new = tuple(text for text in texts if text not in before)
        clauses[key] = _Clause(back=back, texts=before + new, others=known.others if known is not None else others)
    return list(clauses.values())


def _token_sets(rule: Rule) -> list[TokenIs]:
    return [predicate for predicate in rule.when if isinstance(predicate, TokenIs)]


def _after_subjects(tokens: str, others: list[AnyPredicate]) -> list[str]:
    """The parts of a clause whose tokens are context: what it is on, where something says so, the tokens, the rest."""
    subjects = [predicate.words() for predicate in others if predicate.subject() is not None]
    rest = [predicate.words() for predicate in others if predicate.subject() is None]
    return [*subjects, tokens, *rest]
