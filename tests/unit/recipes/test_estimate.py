"""Oracle: arithmetic by hand on a speed that the test invents."""

from dataclasses import replace

import pytest

from monosemy.recipes import Speed, between, estimate
from monosemy.recipes.estimate import BASELINES, MEASURING_PRODUCTS, SCORE_SECONDS, STEP_PRODUCTS, STEP_SECONDS
from tests.unit.recipes.subjects import SUBJECT, D


def test_times_follow_from_counts_and_speed() -> None:
    speed = Speed(products_a_second=1e9, tokens_a_second=1e4)
    found = estimate(SUBJECT, speed, n_train_rows=100_000, n_workers=2)
    control, scored = SUBJECT.measuring.n_control_sequences * 64, 2 * SUBJECT.measuring.n_score_sequences * 64
    tokens = 100_000 + control + 2 * scored
    assert found.harvest_seconds == pytest.approx((0.9 * tokens / 1e4, 1.3 * tokens / 1e4))
    members = (*SUBJECT.members, *SUBJECT.control)
    step = sum(m.n_steps * m.batch_size * m.n_latents * D for m in members) / 1e9
    n_steps = sum(m.n_steps for m in members)
    assert found.training_seconds == pytest.approx(
        tuple(STEP_PRODUCTS[i] * step + STEP_SECONDS[i] * n_steps for i in (0, 1))
    )
    sizes = [m.n_latents for m in members]
    score = SUBJECT.measuring.n_score_sequences * 64 * D * (sum(sizes) + BASELINES * max(sizes)) / 1e9
    n_scored = len(members) + BASELINES
    assert found.measuring_seconds == pytest.approx(
        tuple(MEASURING_PRODUCTS[i] * score + SCORE_SECONDS[i] * n_scored for i in (0, 1))
    )
    parts = found.harvest_seconds, found.training_seconds, found.measuring_seconds
    assert found.total_seconds == pytest.approx((sum(p[0] for p in parts) / 2, sum(p[1] for p in parts) / 2))


def test_twice_the_steps_take_twice_as_long() -> None:
    speed = Speed(products_a_second=1e9, tokens_a_second=1e4)
    longer = replace(SUBJECT, members=tuple(replace(m, n_steps=2 * m.n_steps) for m in SUBJECT.members), control=())
    usual = replace(SUBJECT, control=())
    times = [estimate(s, speed, 1, 1).training_seconds for s in (usual, longer)]
    assert times[1] == pytest.approx((2 * times[0][0], 2 * times[0][1]))


@pytest.mark.parametrize(
    ("ends", "text"),
    [((40, 84), "40 to 84 s"), ((90, 180), "1.5 to 3 min"), ((7200, 18_000), "2.0 to 5 h"), ((50, 50), "50 s")],
)
def test_ranges(ends: tuple[int, int], text: str) -> None:
    assert between(float(ends[0]), float(ends[1])) == text
