"""What explanations by rules are worth, on planted latents over the text of the embedded corpus.

Oracle: the rule that was planted. Explanations are fitted to fragments of the validation split and scored on the
test split; a latent's ceiling is the correlation with its activations of the planted rule, binarized.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from monosemy.evaluation import FitFragments
from monosemy.interpretation import FitView, RuleList, RulesConfig, RulesJudge, Text
from monosemy.interpretation.predicates import TokenIs
from tests.integration.planted_latents import (
    SplitText,
    When,
    activations_of,
    as_list,
    drawn_rules,
    fires,
    frequent,
    frequent_enough,
    sampled,
    single,
    split_text,
    token_after_token,
)


def pearson(predicted: np.ndarray, truth: np.ndarray) -> float:
    """0 where either is constant."""
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(np.corrcoef(predicted, truth)[0, 1])


def area_under_curve(low: np.ndarray, high: np.ndarray) -> float:
    """The chance that one of `high` is larger than one of `low`, ties half."""
    larger = (high[:, None] > low[None]).mean()
    return float(larger + 0.5 * (high[:, None] == low[None]).mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """Latents with the rules found for each, and their activations on all windows of the test split."""

    rules: list[RuleList]
    planted: list[np.ndarray]
    activations: np.ndarray
    test: Text

    def score(self, latent: int, rules: RuleList) -> float:
        """The uniform Pearson correlation of what rules predict of a latent."""
        mask = self.test.fragments.mask
        return pearson(rules.predict(self.test)[mask], self.activations[latent][mask])

    def own(self, latent: int) -> float:
        return self.score(latent, self.rules[latent])

    def ceiling(self, latent: int) -> float:
        mask = self.test.fragments.mask
        return pearson(self.planted[latent][mask].astype(np.float64), self.activations[latent][mask])

    def bits_to_share(self, latent: int, share: float) -> float:
        """The bits of the first beginning of the list that reaches the share of the ceiling; infinite without one."""
        rules, least = self.rules[latent], share * self.ceiling(latent)
        prefixes = [rules.prefix(n) for n in range(len(rules.rules) + 1)]
        return next((prefix.bits for prefix in prefixes if self.score(latent, prefix) >= least), np.inf)


def fitted(firing: list[tuple[np.ndarray, np.ndarray]], n_noise: int, n_sequences: int, seed: int) -> Fitted:
    """The full-budget explanations of planted latents (where they fire on validation and on test), then of noise."""
    rng = np.random.default_rng(seed)
    splits: tuple[SplitText, SplitText] = (split_text("validation", n_sequences), split_text("test", n_sequences))
    both = []
    for number, split in enumerate(splits):
        mask = split.text.fragments.mask
        planted = [activations_of(pair[number], mask, rng) for pair in firing]
        noise = [np.maximum(rng.normal(size=mask.shape), 0) * mask for _ in range(n_noise)]
        both.append(np.stack([*planted, *noise]))
    view, judge = FitView(sampled(FitFragments, splits[0], both[0])), RulesJudge(RulesConfig())
    explanations = [judge.explain(view.evidence(latent).full) for latent in range(len(both[0]))]
    rules = [explanation.rules for explanation in explanations if explanation.rules is not None]
    assert len(rules) == len(explanations)
    return Fitted(rules=rules, planted=[pair[1] for pair in firing], activations=both[1], test=splits[1].text)


def both_texts(n_sequences: int) -> tuple[Text, Text]:
    """All windows of validation and of test."""
    return split_text("validation", n_sequences).text, split_text("test", n_sequences).text


def where(whens: list[When], n_sequences: int) -> list[tuple[np.ndarray, np.ndarray]]:
    fit, test = both_texts(n_sequences)
    return [(fires(when, fit), fires(when, test)) for when in whens]


@pytest.mark.parametrize(("n", "n_sequences"), [(10, 400), pytest.param(50, 1150, marks=pytest.mark.slow)])
def test_a_latent_that_is_a_rule_scores_near_its_ceiling_and_noise_near_the_floor(n: int, n_sequences: int) -> None:
    whens = drawn_rules(both_texts(n_sequences), n, np.random.default_rng(0))
    found = fitted(where(whens, n_sequences), n, n_sequences, seed=1)
    share = np.array([found.own(latent) / found.ceiling(latent) for latent in range(n)])
    assert np.median(share) > 0.98
    assert share.mean() > 0.9
    assert (share > 0.9).mean() >= 0.8
    noise = np.array([found.own(latent) for latent in range(n, 2 * n)])
    floor = np.array([found.score(latent, found.rules[(latent + 1) % n]) for latent in range(n)])
    assert abs(noise.mean()) < 0.01
    assert np.abs(noise).max() < 0.05
    assert abs(floor.mean()) < 0.05


@pytest.mark.parametrize(("n", "n_sequences"), [(8, 400), pytest.param(50, 1150, marks=pytest.mark.slow)])
def test_bits_tell_three_unrelated_tokens_from_one_rule(n: int, n_sequences: int) -> None:
    """Clean latents are a token, or a token in a context; the others fire on three tokens drawn at random."""
    texts = fit, test = both_texts(n_sequences)
    rng = np.random.default_rng(3)
    clean: list[When] = []
    while len(clean) < n:
        when = token_after_token(fit, rng) if len(clean) % 2 else (single(frequent(fit, rng), fit),)
        if frequent_enough(when, texts):
            clean.append(when)
    mixed = [[single(frequent(fit, rng), fit) for _ in range(3)] for _ in range(n)]
    firing = where(clean, n_sequences)
    firing += [(_any_of(tokens, fit), _any_of(tokens, test)) for tokens in mixed]
    found = fitted(firing, 0, n_sequences, seed=4)
    bits = np.array([found.bits_to_share(latent, 0.9) for latent in range(2 * n)])
    assert area_under_curve(bits[:n], bits[n:]) >= 0.9
    assert np.isfinite(bits).mean() > 0.9


def _any_of(tokens: list[TokenIs], text: Text) -> np.ndarray:
    return np.logical_or.reduce([token.holds(text) for token in tokens])


def puzzles(n: int, n_sequences: int) -> list[tuple[str, RuleList, RuleList]]:
    """The true explanation and a near miss: the token in another context, all contexts, one context, a neighbor."""
    text = split_text("validation", n_sequences).text
    rng = np.random.default_rng(7)
    made = []
    while len(made) < n:
        token, before = token_after_token(text, rng)
        kind = ("wrong context", "superset", "subset", "neighbor")[len(made) % 4]
        if kind == "wrong context":
            true, near = (token, before), (token, _other_context(token, before, text, rng))
        elif kind == "superset":
            true, near = (token, before), (token,)
        elif kind == "subset":
            true, near = (token,), (token, before)
        else:
            true, near = (token, before), (single(frequent(text, rng), text), before)
        if true != near and None not in near:
            made.append((kind, as_list(true), as_list(near)))  # pyright: ignore[reportArgumentType]
    return made


def _other_context(token: TokenIs, before: TokenIs, text: Text, rng: np.random.Generator) -> TokenIs | None:
    """Another token that stands before the token; None where there is none."""
    table = text.fragments
    at = np.isin(table.tokens[:, 1:], token.tokens) & table.mask[:, 1:] & table.mask[:, :-1]
    others = np.setdiff1d(table.tokens[:, :-1][at], before.tokens)
    return single(int(rng.choice(others)), text, back=1) if len(others) else None


@pytest.mark.parametrize(("n", "n_sequences"), [(40, 400), pytest.param(200, 1150, marks=pytest.mark.slow)])
def test_the_true_explanation_beats_a_near_miss(n: int, n_sequences: int) -> None:
    test = split_text("test", n_sequences).text
    mask = test.fragments.mask
    rng = np.random.default_rng(11)
    won: dict[str, list[bool]] = {}
    for kind, true, near in puzzles(n, n_sequences):
        activations = activations_of(true.rules[0].holds(test), mask, rng)[mask]
        scores = [pearson(rules.predict(test)[mask], activations) for rules in (true, near)]
        won.setdefault(kind, []).append(scores[0] > scores[1])
    assert {kind: len(of) for kind, of in won.items()} == dict.fromkeys(won, n // 4)
    assert len(won) == 4
    assert np.mean([each for of in won.values() for each in of]) >= 0.95
    assert min(np.mean(of) for of in won.values()) >= 0.9
