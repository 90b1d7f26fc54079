"""Oracle: a search over all single candidates, with squared errors computed from scratch; planted truths."""

import dataclasses

import numpy as np
import pytest

from monosemy.core import canonical_json
from monosemy.interpretation import AnyPredicate, RulesConfig, Sample, Text, fit_rules
from monosemy.interpretation.candidate_table import CandidateTable
from monosemy.interpretation.predicates import HasLabel, HasSurface, Repeats, TokenIs
from tests.unit.interpretation.texts_of_tests import WORDS, random_text

N_WORDS = 120
VOCABULARY = (*WORDS, *(f"w{i}" for i in range(N_WORDS - len(WORDS))))


def big_text(seed: int = 0, n_fragments: int = 150) -> Text:
    return random_text(n_fragments=n_fragments, seed=seed, words=VOCABULARY)


def tokens(text: Text, n_least: int, back: int = 0) -> list[TokenIs]:
    """Predicates of single tokens, most frequent first, that stand at least so often."""
    ids, counts = np.unique(text.fragments.tokens[text.fragments.index >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    n = len(text.fragments.text)
    return [
        TokenIs(back=back, tokens=(int(ids[i]),), texts=(text.fragments.text[int(ids[i])],), n_tokens=n)  # pyright: ignore[reportArgumentType]
        for i in order.tolist()
        if counts[i] >= n_least
    ]


def sample_of(text: Text, truth: np.ndarray, noise: float = 0.0, seed: int = 0) -> Sample:
    """What fires where truth is not 0, by a log-normal factor, and noise everywhere."""
    rng = np.random.default_rng(seed)
    values = truth * rng.lognormal(-0.02, 0.2, truth.shape) + noise * rng.normal(size=truth.shape)
    values = np.where(text.fragments.mask, values, 0).astype(np.float32)
    return Sample(budget="full", text=text, values=values, weight=rng.choice([1.0, 3.0], len(text)))


def test_the_first_rule_is_that_of_an_exhaustive_search() -> None:
    text = big_text(n_fragments=40)
    config = RulesConfig(max_rules=1, max_literals=1, max_tokens=1, bits_penalty=0.0, min_fragments=2)
    table = CandidateTable(text)
    every = np.arange(table.n_rows)
    mask = text.fragments.mask
    for seed in range(2):
        truth = np.random.default_rng(seed).normal(size=(table.n_candidates,))
        chosen = np.argsort(truth)[:5].tolist()
        signal = sum((i + 1.0) * table.predicate(c).holds(text) for i, c in enumerate(chosen))
        sample = sample_of(text, np.asarray(signal, dtype=np.float64), noise=0.2, seed=seed)
        y, w = sample.values[mask].astype(np.float64), np.broadcast_to(sample.weight[:, None], mask.shape)[mask]

        def error(which: np.ndarray, y: np.ndarray = y, w: np.ndarray = w) -> float:
            mean = np.average(y[which], weights=w[which])
            return float((w * (y - mean) ** 2)[which].sum())

        errors = []
        for candidate in range(table.n_candidates):
            holds = table.predicate(candidate).holds(text)
            inside = holds[mask]
            enough = (holds & mask).any(axis=1).sum() >= 2 and not inside.all()
            enough = enough and table.holds(candidate, every).any()
            errors.append(error(inside) + error(~inside) if enough else np.inf)
        found = fit_rules(sample, config)
        rule = found.rules[0]
        inside = rule.holds(text)[mask]
        assert error(inside) + error(~inside) == pytest.approx(min(errors), rel=1e-9)
        assert rule.value == pytest.approx(np.average(y[inside], weights=w[inside]))
        assert found.default == pytest.approx(np.average(y[~inside], weights=w[~inside]))


def planted_rules(text: Text) -> list[tuple[AnyPredicate, ...]]:
    first, second, third = tokens(text, 40)[:3]
    return [
        (second,),
        (first, Repeats(what="token", negated=True)),
        (first, TokenIs(back=1, tokens=third.tokens, texts=third.texts, n_tokens=third.n_tokens)),
        (
            HasLabel(back=0, label="first_label", definition="In a test.", n_labels=2),
            HasLabel(back=0, label="second_label", definition="A word.", n_labels=2, negated=True),
        ),
        (HasSurface(back=0, form="upper"),),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_planted_conjunction_is_found(number: int) -> None:
    text = big_text()
    when = planted_rules(text)[number]
    truth = np.logical_and.reduce([predicate.holds(text) for predicate in when])
    found = fit_rules(sample_of(text, 8.0 * truth, noise=0.05), RulesConfig())
    np.testing.assert_array_equal((found.predict(text) > 4)[text.fragments.mask], truth[text.fragments.mask])
    assert len(found.rules) == 1
    assert found.rules[0].value == pytest.approx(8, abs=0.5)
    assert found.default == pytest.approx(0, abs=0.02)


def test_three_unrelated_tokens_cost_more_bits_than_one() -> None:
    text = big_text()
    one, two, three = tokens(text, 40)[3:6]
    clean = fit_rules(sample_of(text, 8.0 * one.holds(text)), RulesConfig())
    mixed = fit_rules(sample_of(text, 8.0 * (one.holds(text) | two.holds(text) | three.holds(text))), RulesConfig())
    assert mixed.bits > clean.bits + 8
    assert sum(len(p.tokens) for rule in mixed.rules for p in rule.when if isinstance(p, TokenIs)) == 3


def test_tokens_of_different_strength_become_rules_of_their_own() -> None:
    text = big_text()
    strong, weak = tokens(text, 40)[3:5]
    found = fit_rules(sample_of(text, 9.0 * strong.holds(text) + 3.0 * weak.holds(text)), RulesConfig())
    assert [rule.when for rule in found.rules] == [(strong,), (weak,)]
    assert [rule.value for rule in found.rules] == pytest.approx([9, 3], abs=0.3)


@pytest.mark.parametrize("budget", ["full", "paper"])
def test_from_noise_hardly_anything_is_learned(budget: str) -> None:
    """Of 10 draws of dense noise at most one makes a rule; of five fragments each, half of them may."""
    n_rules = []
    for seed in range(10):
        text = big_text(seed=seed, n_fragments=100 if budget == "full" else 5)
        sample = dataclasses.replace(sample_of(text, np.zeros((len(text), 64)), noise=1.0, seed=seed), budget=budget)
        n_rules.append(len(fit_rules(sample, RulesConfig()).rules))
    assert sum(n > 0 for n in n_rules) <= (1 if budget == "full" else 5)


def test_a_rule_holds_in_several_fragments() -> None:
    """A latent that fires at one place of the text only says nothing of the next text."""
    text = big_text()
    truth = np.zeros((len(text), 64))
    row, position = np.argwhere(text.fragments.mask)[700]
    truth[row, position] = 10.0
    assert fit_rules(sample_of(text, truth), RulesConfig()).rules == ()


def test_what_was_not_recorded_does_not_count() -> None:
    text = big_text()
    one = tokens(text, 40)[2]
    sample = sample_of(text, 8.0 * one.holds(text))
    soiled = sample.values.copy()
    soiled[~text.fragments.mask] = 7.0
    other = Sample(budget="full", text=text, values=soiled, weight=sample.weight)
    assert fit_rules(other, RulesConfig()) == fit_rules(sample, RulesConfig())


def test_equal_samples_give_equal_bytes_and_limits_are_kept() -> None:
    text = big_text()
    rng = np.random.default_rng(5)
    truth = np.sum([rng.uniform(1, 9) * predicate.holds(text) for predicate in tokens(text, 20)[:30]], axis=0)
    sample = sample_of(text, truth, noise=0.5)
    lists = [canonical_json(fit_rules(sample, RulesConfig())) for _ in range(2)]
    assert lists[0] == lists[1]
    found = fit_rules(sample, RulesConfig(max_rules=3, max_literals=1, max_tokens=2))
    assert len(found.rules) == 3
    assert all(len(rule.when) == 1 for rule in found.rules)
    assert all(len(p.tokens) <= 2 for rule in found.rules for p in rule.when if isinstance(p, TokenIs))


def test_conjunctions_on_many_rows_are_found_from_some_of_them() -> None:
    """More rows than are looked at when a conjunction is extended, all of them active."""
    text = big_text(n_fragments=300)
    lower = HasSurface(back=0, form="word")
    new = Repeats(what="token", negated=True)
    truth = 2.0 + 6.0 * (lower.holds(text) & new.holds(text))
    found = fit_rules(sample_of(text, truth, noise=0.1), RulesConfig())
    predicted = found.predict(text)[text.fragments.mask]
    assert np.corrcoef(predicted, truth[text.fragments.mask])[0, 1] > 0.99
