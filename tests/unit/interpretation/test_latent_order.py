"""Oracles: reasons counted from the statistics; permutations by their properties."""

import dataclasses

import numpy as np
import pytest

from monosemy.evaluation import Fragments
from monosemy.interpretation import FitView, LatentChoice, choose_latents, latent_order
from monosemy.interpretation.latent_order import NEVER_FIRES, NEVER_POSITIVE, TOO_RARE_TO_EXPLAIN, TOO_RARE_TO_SCORE
from tests.unit.interpretation.interpreted import fragments


@pytest.fixture(scope="module")
def found() -> Fragments:
    return fragments()


def with_firing(of: Fragments, fit: dict[int, int], score: dict[int, int]) -> Fragments:
    """The fragments with other counts of firing fragments."""
    parts = []
    for part, counts in ((of.fit, fit), (of.score, score)):
        firing = part.statistics.n_firing_fragments.copy()
        firing[list(counts)] = list(counts.values())
        statistics = dataclasses.replace(part.statistics, n_firing_fragments=firing)
        parts.append(dataclasses.replace(part, statistics=statistics))
    return Fragments(fit=parts[0], score=parts[1])


def test_the_order_is_a_permutation_of_the_seed_or_by_number() -> None:
    latents = np.arange(3, 200, dtype=np.int64)
    first, again, other = (latent_order(latents, "seeded", seed) for seed in (0, 0, 1))
    assert sorted(first) == latents.tolist()
    assert first.tolist() == again.tolist() != other.tolist()
    assert latent_order(latents[::-1].copy(), "first", 0).tolist() == latents.tolist()


def test_latents_are_taken_in_order_until_there_are_enough_and_others_say_why_not(found: Fragments) -> None:
    rare = with_firing(found, {4: 19, 5: 20}, {6: 9, 7: 10})
    view = FitView(rare.fit)
    chosen = choose_latents(rare, view, 4, "first", 0)
    assert [(c.latent, c.skipped) for c in chosen] == [
        (0, NEVER_FIRES),
        (1, None),
        (2, NEVER_FIRES),
        (3, None),
        (4, TOO_RARE_TO_EXPLAIN),
        (5, None),
        (6, TOO_RARE_TO_SCORE),
        (7, None),
    ]
    assert [c.place for c in chosen] == list(range(8))
    every = choose_latents(rare, view, 100, "seeded", 3)
    assert sorted(c.latent for c in every) == list(range(12))
    assert [c.latent for c in every] == latent_order(rare.fit.latents, "seeded", 3).tolist()
    assert every[0] == LatentChoice(latent=every[0].latent, place=0, skipped=every[0].skipped)


def test_a_latent_that_is_never_positive_is_left_out(found: Fragments) -> None:
    kept = found.fit.kept["top"]
    negative = dataclasses.replace(kept, values=dataclasses.replace(kept.values, value=-kept.values.value))
    fit = dataclasses.replace(found.fit, kept={**found.fit.kept, "top": negative})
    turned = Fragments(fit=fit, score=found.score)
    chosen = choose_latents(turned, FitView(fit), 1, "first", 0)
    assert {c.skipped for c in chosen} == {NEVER_FIRES, NEVER_POSITIVE}
