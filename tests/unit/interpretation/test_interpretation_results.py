"""Oracle: the rows of the latents, averaged; what each variant leaves out or counts as guessed, by hand."""

from typing import Any

import numpy as np
import pytest

from monosemy.core import Result
from monosemy.dictionaries import DictionaryCard
from monosemy.evaluation import FragmentConfig, Fragments
from monosemy.interpretation import (
    INTERPRETATION_METRICS,
    SCORES,
    Interpretation,
    InterpretationConfig,
    Judge,
    interpret_latents,
    interpretation_results,
)
from tests.conformance.metric_checks import DEFINITIONS
from tests.unit.interpretation.interpreted import ConstantJudge, FailingJudge, FakeJudge, fragments

Found = dict[tuple[str, str | None], Result]
CONFIG = InterpretationConfig(n_latents=12, density=0.02)


def card(variant: str | None = None) -> DictionaryCard:
    return DictionaryCard(
        name="topk-k3-r3-resid_post.0-seed2",
        method="topk",
        variant=variant,
        lm="f",
        lm_kind="trained",
        site="resid_post.0",
        seed=2,
        n_latents=12,
        expansion_factor=3.0,
        n_steps=1,
        n_tokens=1,
        store="s",
    )


@pytest.fixture(scope="module")
def sampled() -> Fragments:
    return fragments()


def results(judge: Judge, of: Fragments, variant: str | None = None) -> tuple[Interpretation, Found]:
    interpretation = interpret_latents(of, judge, CONFIG)
    found = interpretation_results(interpretation, card(variant))
    by_name = {(result.metric, result.variant): result for result in found}
    assert len(by_name) == len(found)
    return interpretation, by_name


def rows(interpretation: Interpretation, budget: str) -> list[dict[str, Any]]:
    return [row for row in interpretation.rows if row["budget"] == budget]


def test_each_mean_is_that_of_the_rows(sampled: Fragments) -> None:
    interpretation, found = results(FakeJudge(), sampled)
    for score in SCORES:
        for budget, own, floor in (("full", None, "shuffled"), ("paper", "paper_budget", "shuffled_paper_budget")):
            scores = [row["scores"][score.name] for row in rows(interpretation, budget)]
            for variant, kind in ((own, "value"), (floor, "floor"), ("ceiling", "ceiling"), ("unigram", "unigram")):
                values = [of[kind] for of in scores if of[kind] is not None]
                if kind == "ceiling" and not score.is_correlation:
                    continue
                result = found[score.metric, variant]
                assert result.value == pytest.approx(np.mean(values), abs=1e-9)
                assert result.n == len(values)
                assert result.ci_low is not None
                assert result.ci_high is not None
                assert result.ci_low <= np.mean(values) + 1e-9
                assert result.ci_high >= np.mean(values) - 1e-9
    result = found["autointerp_uniform", None]
    assert (result.n_unit, result.split, result.seed, result.lm) == ("latents", "test", 2, "trained")
    assert "160 fragments of test, fewer than 4000" in str(result.reason)
    assert {metric for metric, _ in found} == {*INTERPRETATION_METRICS}
    assert ("autointerp_uniform", "failures_as_chance") not in found
    assert found["autointerp_bits", None].status == "not_applicable"


def test_constants_count_as_zero_beside_the_mean_of_the_defined(sampled: Fragments) -> None:
    _, found = results(ConstantJudge(), sampled)
    headline = found["autointerp_uniform", None]
    assert (headline.value, headline.ci_low, headline.ci_high) == (0.0, 0.0, 0.0)
    assert found["autointerp_uniform", "defined_only"].status == "not_applicable"
    assert found["autointerp_constant_share", None].value == 1.0
    assert found["autointerp_constant_share_top_random", "paper_budget"].value == 1.0


def test_failures_are_left_out_and_counted_as_guesses_beside_it(sampled: Fragments) -> None:
    interpretation, found = results(FailingJudge(), sampled)
    for score in SCORES:
        of_all = rows(interpretation, "full")
        values = [row["scores"][score.name]["value"] if row["scores"] else None for row in of_all]
        assert found[score.metric, None].value == pytest.approx(np.mean([v for v in values if v is not None]))
        answered = [row["answered"] for row in of_all]
        guessed = [
            score.chance if share == 0 else share * value + (1 - share) * score.chance
            for value, share in zip(values, answered, strict=True)
            if share == 0 or value is not None
        ]
        assert found[score.metric, "failures_as_chance"].value == pytest.approx(np.mean(guessed))


def test_a_dictionarys_own_variant_stands_behind(sampled: Fragments) -> None:
    _, found = results(FakeJudge(), sampled, "frozen_decoder")
    variants = {variant for _, variant in found}
    assert {"frozen_decoder", "paper_budget/frozen_decoder", "shuffled/frozen_decoder"} < variants
    assert all(variant is not None and variant.endswith("frozen_decoder") for variant in variants)


def test_without_a_latent_every_score_says_so() -> None:
    _, found = results(FakeJudge(), fragments(2, FragmentConfig(n_uniform=4)))
    assert {result.status for result in found.values()} == {"not_applicable"}
    assert all("fewer than 4000" in str(result.reason) for result in found.values())


def test_the_definitions_name_every_metric() -> None:
    text = DEFINITIONS.read_text(encoding="utf-8")
    assert [metric for metric in INTERPRETATION_METRICS if f"| `{metric}` |" not in text] == []
