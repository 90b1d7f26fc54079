"""Oracle: cells written down by hand, and a clock that the test turns."""

from typing import Any

import pytest

from monosemy.core import Row
from monosemy.dictionaries import TopKConfig
from monosemy.experiments import TrainingRows, training_cells
from monosemy.experiments.training_rows import duration, short
from monosemy.training import CurvePoint, Failure, Member, TrainedMember

MEMBER = Member(
    name="topk-k2-seed0",
    method="topk",
    site="resid_post.0",
    architecture=TopKConfig(k=2),
    n_latents=12,
    seed=0,
    learning_rate=0.01,
    n_steps=1000,
    batch_size=512,
    warm_up_steps=2,
    decay_fraction=0.5,
    dead_after_tokens=100,
)


def point(step: int, **changed: Any) -> CurvePoint:
    fields: dict[str, Any] = {"loss": {"reconstruction": 33.24, "auxk": 0.0}, "l0": 15.96, "fvu": 0.1234, "n_dead": 7}
    return CurvePoint(step=step, n_tokens=512 * step, **(fields | changed))


def trained(n_steps_done: int, failure: Failure | None = None) -> TrainedMember:
    facts: dict[str, Any] = {"l0_train": 2.0, "loader_share": 0.0, "notes": (), "curve": (), "dictionary": None}
    return TrainedMember(member=MEMBER, failure=failure, n_steps_done=n_steps_done, **facts)


def test_the_cells_of_a_point() -> None:
    assert training_cells(MEMBER, point(999), 51_200.0) == {
        "done": "99 %",
        "reconstruction": "33.2",
        "auxk": "0",
        "L0": "16",
        "FVU": "0.123",
        "dead": "7",
        "tokens/s": "51.2k",
        "left": "0:00",
    }
    begun = training_cells(MEMBER, point(0, fvu=None), None)
    assert (begun["FVU"], begun["tokens/s"], begun["left"]) == ("", "", "")


def test_rate_and_time_left_are_of_this_process() -> None:
    rows: list[Row] = []
    seconds = [100.0, 110.0]
    shown = TrainingRows([MEMBER], rows.append, clock=lambda: seconds.pop(0))
    shown.observe(MEMBER.name, point(500))  # an earlier run did these
    shown.observe(MEMBER.name, point(600))
    assert rows[0].cells["tokens/s"] == ""
    assert (rows[1].cells["tokens/s"], rows[1].cells["left"]) == ("5.12k", "0:40")
    assert rows[1].optional == ("reconstruction", "auxk") and rows[1].state == "running"


def test_how_a_member_ends() -> None:
    rows: list[Row] = []
    shown = TrainingRows([MEMBER], rows.append)
    shown.end(trained(1000))
    shown.end(trained(250))
    shown.end(trained(3, Failure(step=3, message="the loss is nan at step 3", batch_file=None)))
    assert [(row.state, row.cells["left"], row.reason) for row in rows] == [
        ("done", "done", ""),
        ("done", "early", ""),
        ("failed", "failed", "the loss is nan at step 3"),
    ]
    assert rows[1].cells["done"] == "25 %"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (12.34, "12.3"),
        (999.6, "1k"),
        (4_560_000, "4.56M"),
        (-0.5, "-0.5"),
        (2e-7, "2e-07"),
    ],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


def test_durations() -> None:
    assert [duration(s) for s in (7, 754, 3720)] == ["0:07", "12:34", "1 h 02"]
