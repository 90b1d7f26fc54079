"""Oracle: sentences written down by hand."""

from monosemy.interpretation import AnyPredicate, Rule, RuleList, rule_sentence
from monosemy.interpretation.predicates import HasLabel, HasSurface, TokenIs
from monosemy.interpretation.rule_sentence import NOTHING


def on(*texts: str) -> TokenIs:
    return TokenIs(back=0, tokens=tuple(range(len(texts))), texts=texts, n_tokens=99)


def after(*texts: str) -> TokenIs:
    return TokenIs(back=1, tokens=tuple(range(len(texts))), texts=texts, n_tokens=99)


def said(*rules: tuple[float, tuple[AnyPredicate, ...]]) -> str:
    return rule_sentence(RuleList(rules=tuple(Rule(when=when, value=value) for value, when in rules), default=0.0))


IN_CLASS = HasLabel(back=0, label="in_class", definition="In the body of a class.", n_labels=9)


def test_one_rule() -> None:
    assert said((9.0, (on("self"), after("(")))) == "fires on `self` right after `(`"
    assert said((9.0, (after("("), on("self")))) == "fires on `self` right after `(`"
    assert said((9.0, (after(" the"),))) == "fires right after `␣the`"
    assert said((9.0, (after("("), HasSurface(back=0, form="lower"), IN_CLASS))) == (
        "fires on tokens of lower-case letters only right after `(`, in the body of a class"
    )
    assert said((9.0, (IN_CLASS,))) == "fires in the body of a class"


def test_rules_that_differ_in_the_token_are_one_clause() -> None:
    assert (
        said((9.0, (on("self"), after("("))), (8.0, (on("cls"), after("("))))
        == "fires on `self`, `cls` right after `(`"
    )
    assert said((8.0, (on("cls"),)), (9.0, (on("self", "cls"),))) == "fires on `self`, `cls`"


def test_the_strongest_come_first() -> None:
    assert said((2.0, (on(","),)), (9.0, (on("self"),)), (5.0, (IN_CLASS,)), (0.1, (on("x"),)), (-3.0, (on("y"),))) == (
        "fires on `self`; or in the body of a class; less on `,`; hardly on `x`; below zero on `y`"
    )


def test_only_negative_rules() -> None:
    assert said((-3.0, (on("y"),)), (-9.0, (on("z"),))) == "below zero on `z`, `y`"


def test_long_lists_are_cut() -> None:
    texts = tuple(f"t{i}" for i in range(15))
    assert said((9.0, (on(*texts),))).endswith("`t11` and 3 more")


def test_no_rule() -> None:
    assert rule_sentence(RuleList(rules=(), default=3.0)) == NOTHING
