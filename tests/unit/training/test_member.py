"""Oracles: factors by hand; JSON there and back."""

import math
from dataclasses import replace

import pytest

from monosemy.core import from_json, to_json
from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.training import EarlyStop, Member

SITE = "resid_post.1"


def a_member(**changes: object) -> Member:
    member = Member(
        name="tied-seed0",
        method="tied_l1",
        site=SITE,
        architecture=TiedL1Config(coefficient=0.3),
        n_latents=8,
        seed=0,
        learning_rate=0.01,
        n_steps=12,
        batch_size=30,
        warm_up_steps=4,
        decay_fraction=0.5,
        dead_after_tokens=60,
    )
    return replace(member, **changes)


def test_the_learning_rate_decays_as_it_says() -> None:
    linear, cosine = a_member(), a_member(decay="cosine")
    assert [linear.learning_rate_at(step) for step in (0, 3, 6, 9)] == pytest.approx([0.0025, 0.01, 0.01, 0.005])
    assert [cosine.learning_rate_at(step) for step in (0, 3, 6, 9, 11)] == pytest.approx(
        [0.0025, 0.01, 0.01, 0.005, 0.01 * (1 - math.cos(math.pi / 6)) / 2]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"n_steps": 0},
        {"batch_size": 0},
        {"dead_after_tokens": 0},
        {"warm_up_steps": -1},
        {"learning_rate": 0.0},
        {"decay_fraction": 1.5},
        {"sparsity_decay_fraction": -0.1},
        {"sparse_below": math.nan},
        {"resample_every_steps": -1},
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="got"):
        a_member(**change)


@pytest.mark.parametrize("architecture", [TiedL1Config(coefficient=1.0), TopKConfig(k=3)])
def test_a_member_survives_json(architecture: TiedL1Config | TopKConfig) -> None:
    rule = EarlyStop(window_steps=10, patience_windows=2, min_improvement=0.01)
    member = a_member(architecture=architecture, early_stop=rule, optimizer="frozen_adam", variant="frozen_adam")
    assert from_json(Member, to_json(member)) == member
