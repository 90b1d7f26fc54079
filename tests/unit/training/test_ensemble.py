"""How members end. Oracles: what was planted; the same member without company."""

import json
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from monosemy.core import UserError
from monosemy.dictionaries import TiedL1Config
from monosemy.training import (
    Batch,
    BatchStream,
    EarlyStop,
    StreamState,
    train_members,
)
from tests.unit.training.members_of_tests import NORMALIZATION, SITES, a_batch, a_member, a_stream, assert_same


def spoiled(site: str, at: int) -> BatchStream:
    """The stream, with a NaN at one site in one batch."""

    def batches(state: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        for batch, after in a_stream().open(state):
            if after["step"] == at + 1:
                batch[site][3, 1] = torch.nan
            yield batch, after

    return BatchStream(open=batches)


def test_nan_stops_the_members_of_its_site_and_nobody_else(tmp_path: Path) -> None:
    hit, other = a_member(), a_member(name="b-seed0", site=SITES[0])
    folders = {each.name: tmp_path / each.name for each in (hit, other)}
    found = train_members([hit, other], spoiled(SITES[1], 7), NORMALIZATION, folders=folders)
    failure = found[0].failure
    assert failure is not None and failure.batch_file is not None
    assert (failure.step, found[0].n_steps_done, found[0].dictionary) == (7, 7, None)
    assert failure.batch_file == folders[hit.name] / "batch-00000007.safetensors"
    for word in ("a-seed0", "step 7", "not finite", str(failure.batch_file)):
        assert word in failure.message
    assert "\n" not in failure.message
    x = load_file(failure.batch_file)["x"]
    expected = a_batch(7)[SITES[1]]
    expected[3, 1] = torch.nan
    assert torch.equal(x.nan_to_num(7.0), expected.nan_to_num(7.0))
    (alone,) = train_members([other], a_stream(), NORMALIZATION)
    assert found[1].failure is None
    assert_same(found[1], alone)


def test_a_failure_without_a_folder_keeps_nothing() -> None:
    (found,) = train_members([a_member()], spoiled(SITES[1], 0), NORMALIZATION)
    assert found.failure is not None
    assert found.failure.batch_file is None
    assert "batch of that step" not in found.failure.message


def test_weights_that_explode_are_this_members_affair() -> None:
    """A learning rate of 1e38 leaves nothing finite after a step or two; the data are in order, and that is told."""
    wild = a_member(name="wild-seed0", learning_rate=1e38, architecture=TiedL1Config(coefficient=0.1))
    found = train_members([wild, a_member()], a_stream(), NORMALIZATION)
    assert found[0].failure is not None
    assert "choose a" in found[0].failure.message
    assert found[1].failure is None and found[1].dictionary is not None


def test_a_member_stops_early_and_the_others_go_on() -> None:
    """At a learning rate of 1e-12 nothing improves: the first window is the best, two more are its patience."""
    rule = EarlyStop(window_steps=4, patience_windows=2, min_improvement=0.01)
    idle = a_member(name="idle-seed0", learning_rate=1e-12, early_stop=rule)
    read: list[int] = []
    found = train_members([idle, a_member(n_steps=15)], a_stream(read=read), NORMALIZATION)
    assert [each.n_steps_done for each in found] == [12, 15]
    assert len(read) == 15
    assert found[0].dictionary is not None
    assert found[0].failure is None


def test_l0_in_training_is_that_of_the_last_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 21 steps the last 2, by the points of a curve that has every step."""
    (found,) = train_members([a_member()], a_stream(), NORMALIZATION, log_every=1)
    assert found.l0_train == pytest.approx(np.mean([point.l0 for point in found.curve[-2:]]))


def test_waiting_for_batches_is_measured(tmp_path: Path) -> None:
    """A stream that sleeps 20 ms a batch; the share in all, and a line of the log."""

    def slow(state: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        for each in a_stream().open(state):
            time.sleep(0.02)
            yield each

    folders = {"a-seed0": tmp_path}
    (found,) = train_members([a_member()], BatchStream(open=slow), NORMALIZATION, folders=folders)
    assert 0.2 < found.loader_share < 1
    (line,) = (tmp_path / "timing.jsonl").read_text().splitlines()
    window = json.loads(line)
    assert window["step"] == 21
    assert 21 * 0.02 <= window["waited_seconds"] < window["seconds"]


def test_the_stream_is_closed_in_the_end() -> None:
    closed: list[bool] = []

    def batches(state: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        try:
            yield from a_stream().open(state)
        finally:
            closed.append(True)

    train_members([a_member(n_steps=2)], BatchStream(open=batches), NORMALIZATION)
    assert closed == [True]
    with pytest.raises(UserError):
        train_members([a_member(batch_size=3)], BatchStream(open=batches), NORMALIZATION)
    assert closed == [True, True]
