"""What is left after an edit. Oracle: planted concepts; theorems about LEACE; sums put together by hand."""

import numpy as np
import pytest
import torch

from monosemy.causal import (
    ConceptRows,
    ErasureTest,
    Intervention,
    NeutralText,
    balanced_accuracy,
    leace_of,
    mean_difference_edit,
    random_directions,
)
from monosemy.evaluation import sample_sequences
from monosemy.lm import Site
from tests.unit.evaluation.splice_rows import rows as text_rows
from tests.unit.lm.tiny_models import D_MODEL, tiny_lm

SITE = Site.parse("resid_post.1")


def rows(seed: int, n: int = 2000) -> ConceptRows:
    generator = torch.Generator().manual_seed(seed)
    holds = np.arange(n) % 2 == 0
    x = torch.randn(n, D_MODEL, generator=generator) * torch.linspace(0.5, 2, D_MODEL) + 1.0
    x[:, 3] += 4.0 * torch.from_numpy(holds)
    return ConceptRows(x=x, holds=holds, unit=np.arange(n) % 5, units=tuple("abcde"))


@pytest.fixture(scope="module")
def trial() -> ErasureTest:
    text = NeutralText(tiny_lm("gpt_neox"), SITE, sample_sequences(text_rows(), 4, seed=0))
    return ErasureTest(fit=rows(1), probing=rows(3), report=rows(2), text=text)


def left(trial: ErasureTest, edit: Intervention) -> dict[str, float]:
    return {kind: float(balanced_accuracy(counts.sum(axis=0))) for kind, counts in trial.probed(edit).items()}


def test_probes_find_the_planted_concept_and_nothing_after_leace(trial: ErasureTest) -> None:
    before = left(trial, torch.clone)
    after = left(trial, leace_of(trial.fit))
    assert min(before.values()) > 0.95
    assert abs(after["linear"] - 0.5) < 0.03
    assert after["hidden"] < 0.6


@pytest.mark.slow
def test_projecting_off_the_mean_difference_leaves_nothing_linear_and_changes_more_than_leace(
    trial: ErasureTest,
) -> None:
    centered, origin = (mean_difference_edit(trial.fit, centered=each) for each in (True, False))
    assert abs(left(trial, centered)["linear"] - 0.5) < 0.03
    x = trial.fit.x
    lengths = [float((edit(x) - x).norm(dim=1).mean()) for edit in (leace_of(trial.fit), centered, origin)]
    assert lengths[0] <= lengths[1] + 1e-6
    assert lengths[1] < lengths[2]
    # A constant apart: no probe that is trained anew can tell them.
    difference = origin(x) - centered(x)
    assert (difference - difference[0]).abs().max() < 1e-4


@pytest.mark.slow
def test_sums_of_draws_add_up(trial: ErasureTest) -> None:
    one, other = (trial.measured(mean_difference_edit(trial.fit, centered=c)) for c in (True, False))
    both = one + other
    assert np.array_equal(both.damage, one.damage + other.damage)
    assert np.array_equal(both.accuracy["hidden"], one.accuracy["hidden"] + other.accuracy["hidden"])
    assert np.array_equal(trial.costed(mean_difference_edit(trial.fit, centered=False), one).damage, other.damage)


def test_random_directions_are_the_same_for_equal_arguments() -> None:
    assert torch.equal(random_directions(3, 5, 1, 0), random_directions(3, 5, 1, 0))
    assert not torch.equal(random_directions(3, 5, 1, 0), random_directions(3, 5, 1, 1))
