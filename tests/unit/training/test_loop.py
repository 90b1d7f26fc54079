"""Oracles: counts by hand; one member's path taken by its learner alone; a run without a break, to the bit."""

import json
import signal
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monosemy.core import UserError
from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.training import (
    Batch,
    BatchStream,
    Checkpoints,
    EarlyStop,
    Learner,
    Member,
    StreamState,
    TrainedMember,
    checkpoint,
    train_members,
)
from tests.unit.training.members_of_tests import NORMALIZATION, SITES, a_batch, a_member, a_stream, assert_same


def test_members_of_other_sites_and_lengths_share_the_stream() -> None:
    """Each takes the first batches at its own site, and no batch is read that nobody needs."""
    read: list[int] = []
    tied = a_member(name="b-seed0", site=SITES[0], architecture=TiedL1Config(coefficient=0.1), n_steps=5)
    advanced: list[int | float] = []
    found = train_members([a_member(), tied], a_stream(read=read), NORMALIZATION, advance=advanced.append, log_every=10)
    assert [each.member.name for each in found] == ["a-seed0", "b-seed0"]
    assert read == list(range(21))
    assert advanced == [2] * 5 + [1] * 16
    learner = Learner(tied, *NORMALIZATION[SITES[0]])
    for step in range(5):
        learner.advance_(learner.normalize(a_batch(step)[SITES[0]]), measure=False)
    assert found[1].dictionary is not None
    assert torch.equal(found[1].dictionary.W_enc, learner.export().W_enc)


def test_the_curve_has_its_steps() -> None:
    found = train_members([a_member()], a_stream(), NORMALIZATION, log_every=10)[0]
    assert [point.step for point in found.curve] == [0, 1, 2, 4, 8, 10, 16, 20]
    assert [point.n_tokens for point in found.curve] == [16 * point.step for point in found.curve]
    short = train_members([a_member(n_steps=4)], a_stream(), NORMALIZATION, log_every=10)[0]
    assert [point.step for point in short.curve] == [0, 1, 2, 3]


def test_training_brings_the_loss_down() -> None:
    curve = train_members([a_member(n_steps=100, n_latents=24)], a_stream(), NORMALIZATION)[0].curve
    assert curve[-1].fvu is not None
    assert curve[0].fvu is not None
    assert curve[-1].fvu < 0.8 * curve[0].fvu


def test_no_members_read_nothing() -> None:
    read: list[int] = []
    assert train_members([], a_stream(read=read), NORMALIZATION) == []
    assert read == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([a_member(n_steps=101)], "end after 100 batches"),
        ([a_member(batch_size=32)], r"shape \(16, 6\), expected \(32, 6\)"),
        ([a_member(), a_member(seed=1)], "two members are named 'a-seed0'"),
        ([a_member(site="resid_post.7")], "no activations at resid_post.7; there are resid_post.0, resid_post.1"),
        ([a_member(architecture=TopKConfig(k=10))], "only 9 latents"),
    ],
)
def test_what_cannot_be_is_refused(members: list[Member], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train_members(members, a_stream(), NORMALIZATION)


def test_a_site_that_the_stream_lacks() -> None:
    with pytest.raises(UserError, match="the batch has no activations at x"):
        train_members([a_member(site="x")], a_stream(), {**NORMALIZATION, "x": (np.zeros(4), 1.0)})


# All that a checkpoint has to carry: moments of both optimizers, schedules, dead latents and their resampling, early
# stop, and members of other lengths, which are taken up at other steps.
COMPANY = (
    a_member(architecture=TopKConfig(k=1), n_latents=24, dead_after_tokens=48, resample_every_steps=5),
    a_member(
        name="b-seed0",
        site=SITES[0],
        architecture=TiedL1Config(coefficient=0.1),
        n_steps=13,
        optimizer="frozen_adam",
        sparsity_warm_up_steps=6,
        early_stop=EarlyStop(window_steps=3, patience_windows=2, min_improvement=0.2),
    ),
)


def tree(folder: Path) -> dict[str, bytes]:
    """All files but the one that says how long it took."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if path.name != "timing.jsonl"}


def trained(
    folder: Path | None,
    stream: BatchStream | None = None,
    every: int | float = 1e9,
    company: Sequence[Member] = COMPANY,
) -> list[TrainedMember]:
    folders = None if folder is None else {member.name: folder / member.name for member in company}
    return train_members(
        company,
        stream or a_stream(),
        NORMALIZATION,
        folders=folders,
        checkpoint_every_seconds=every,
        log_every=4,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[TrainedMember], dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("whole")
    return trained(folder), tree(folder)


def assert_whole(
    found: list[TrainedMember], folder: Path, uninterrupted: tuple[list[TrainedMember], dict[str, bytes]]
) -> None:
    """Same dictionaries, and the same bytes in every file but for how many full states were kept on the way."""
    for one, expected in zip(found, uninterrupted[0], strict=True):
        assert_same(one, expected)
    left = tree(folder)
    for name, data in uninterrupted[1].items():
        assert left[name] == data, name


def test_folders_change_nothing_and_hold_the_steps(
    uninterrupted: tuple[list[TrainedMember], dict[str, bytes]],
) -> None:
    for one, expected in zip(trained(None), uninterrupted[0], strict=True):
        assert_same(one, expected)
    names = {name for name in uninterrupted[1] if name.startswith("a-seed0/")}
    weights = [f"a-seed0/steps/weights-{step:08d}.safetensors" for step in (1, 2, 4, 8, 16)]
    state = [f"a-seed0/state-00000021.{suffix}" for suffix in ("json", "safetensors")]
    assert names == {"a-seed0/curve.jsonl", *weights, *state}
    lines = uninterrupted[1]["a-seed0/curve.jsonl"].decode().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 2, 4, 8, 12, 16, 20]


def test_what_is_complete_is_not_trained_again(
    tmp_path: Path, uninterrupted: tuple[list[TrainedMember], dict[str, bytes]]
) -> None:
    trained(tmp_path)
    read: list[int] = []
    found = trained(tmp_path, a_stream(read=read))
    assert read == []
    assert_whole(found, tmp_path, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [0, 7, 19])
def test_a_signal_saves_at_the_next_boundary_and_the_rest_is_the_same(
    tmp_path: Path, number: signal.Signals, at: int, uninterrupted: tuple[list[TrainedMember], dict[str, bytes]]
) -> None:
    before = signal.getsignal(number)

    def batches(state: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        for batch, after in a_stream().open(state):
            if after["step"] == at + 1:
                signal.raise_signal(number)
            yield batch, after

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, BatchStream(open=batches))
    assert signal.getsignal(number) is before
    read: list[int] = []
    assert_whole(trained(tmp_path, a_stream(read=read)), tmp_path, uninterrupted)
    assert read == list(range(at + 1, 21))


def test_members_that_were_saved_at_other_steps(
    tmp_path: Path, uninterrupted: tuple[list[TrainedMember], dict[str, bytes]]
) -> None:
    """One alone to its end, the other half-way: the stream starts where the latter needs it."""
    folders = {member.name: tmp_path / member.name for member in COMPANY}
    train_members(COMPANY[1:], a_stream(), NORMALIZATION, folders=folders, log_every=4)
    with pytest.raises(UserError, match="end after 9 batches"):
        train_members(COMPANY, a_stream(9), NORMALIZATION, folders=folders, checkpoint_every_seconds=0, log_every=4)
    read: list[int] = []
    assert_whole(trained(tmp_path, a_stream(read=read)), tmp_path, uninterrupted)
    assert read == list(range(9, 21))


def test_a_write_that_fails_anywhere_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the n-th write, for every n; the next run ends with the same bytes, and says nothing of it.

    A checkpoint after every step, so that there are writes of every kind at every step.
    """
    company = [replace(COMPANY[0], n_steps=3, resample_every_steps=2), replace(COMPANY[1], n_steps=2)]
    n_left = 10**9

    def maybe_full(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            nonlocal n_left
            n_left -= 1
            if n_left < 0:
                raise UserError("no space left, says the test")
            return write(*arguments)

        return wrapped

    monkeypatch.setattr(checkpoint, "atomic_write_bytes", maybe_full(checkpoint.atomic_write_bytes))
    monkeypatch.setattr(Checkpoints, "log", maybe_full(Checkpoints.log))
    whole = trained(tmp_path / "whole", company=company), tree(tmp_path / "whole")
    n, is_whole = 0, False
    while not is_whole:
        n_left, folder = n, tmp_path / str(n)
        try:
            trained(folder, every=0, company=company)
            is_whole = True
        except UserError as error:
            assert "says the test" in str(error)
            n_left = 10**9
            found = trained(folder, company=company)
            assert_whole(found, folder, whole)
            assert all(each.notes == () for each in found)
            n += 1
    assert n == 19  # 5 steps with 2 writes of the state, 3 and 2 points of the log, 2 and 2 files of weights


def test_a_damaged_checkpoint_is_told_and_costs_steps_only(
    tmp_path: Path, uninterrupted: tuple[list[TrainedMember], dict[str, bytes]]
) -> None:
    with pytest.raises(UserError, match="end after 9 batches"):
        trained(tmp_path, a_stream(9), every=0)
    path = tmp_path / "a-seed0" / "state-00000009.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    read: list[int] = []
    found = trained(tmp_path, a_stream(read=read))
    assert_whole(found, tmp_path, uninterrupted)
    assert read == list(range(8, 21))
    assert "state-00000009" in found[0].notes[0] and found[1].notes == ()


def test_a_folder_of_another_member_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    folders = {"a-seed0": tmp_path / "a-seed0"}
    with pytest.raises(UserError, match="another member"):
        train_members([a_member(seed=5)], a_stream(), NORMALIZATION, folders=folders)
    with pytest.raises(UserError, match="another member"):
        train_members(COMPANY[:1], a_stream(), {SITES[1]: (np.ones(6), 3.0)}, folders=folders)
