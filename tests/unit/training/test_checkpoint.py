"""Oracle: what was saved, compared to the bit; damage done by hand."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monosemy.core import UserError
from monosemy.training import CURVE_FILE, STEPS_FOLDER, Checkpoints, CurvePoint, TrainingState, read_curve
from monosemy.training import checkpoint as module


def a_point(step: int) -> CurvePoint:
    return CurvePoint(step=step, n_tokens=16 * step, loss={"l1": 0.1 / (step + 1)}, l0=3.5, fvu=None, n_dead=step)


def a_state(step: int, n_points: int | None = None) -> TrainingState:
    curve = tuple(a_point(i) for i in range(step if n_points is None else n_points))
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
    return TrainingState(
        tensors={"weights/M": weights, "n_active": torch.arange(step)},
        numbers={"step": step, "early_stop": {"best_fvu": 1 / 3}},
        stream={"epoch": 0, "n_read_rows": 16 * step},
        curve=curve,
    )


def filled(folder: Path, steps: tuple[int, ...] = (3, 5, 8)) -> Checkpoints:
    """A folder with states after some steps, each of which logged a point."""
    checkpoints = Checkpoints(folder, "an-identity")
    for step in range(max(steps)):
        checkpoints.log(a_point(step))
        if step + 1 in steps:
            checkpoints.save(step + 1, a_state(step + 1))
    return checkpoints


def assert_same(found: TrainingState | None, expected: TrainingState) -> None:
    assert found is not None
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in expected.tensors.items())
    assert (found.numbers, found.stream, found.curve) == (expected.numbers, expected.stream, expected.curve)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_latest_of_two_kept_states_is_taken(tmp_path: Path) -> None:
    filled(tmp_path)
    states = [f"state-{step:08d}.{suffix}" for step in (5, 8) for suffix in ("json", "safetensors")]
    assert files(tmp_path) == [CURVE_FILE, *states]
    again = Checkpoints(tmp_path, "an-identity")
    assert_same(again.load(), a_state(8))
    assert again.notes == []


def test_an_empty_folder_has_no_state(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", "an-identity").load() is None
    assert not (tmp_path / "none").exists()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_damaged_latest_state_gives_way_to_the_earlier_one(
    tmp_path: Path, damage: Callable[[Path], None], suffix: str
) -> None:
    """And that is told, but for a JSON that is missing: then the state was never complete."""
    filled(tmp_path)
    damage(tmp_path / f"state-00000008.{suffix}")
    checkpoints = Checkpoints(tmp_path, "an-identity")
    assert_same(checkpoints.load(), a_state(5))
    if damage is Path.unlink and suffix == "json":
        assert checkpoints.notes == []
    else:
        assert len(checkpoints.notes) == 1
        assert "state-00000008.json is damaged" in checkpoints.notes[0] and "\n" not in checkpoints.notes[0]
    assert files(tmp_path) == [CURVE_FILE, "state-00000005.json", "state-00000005.safetensors"]
    assert len(read_curve(tmp_path / CURVE_FILE)) == 5
    checkpoints.save(6, a_state(6, n_points=5))
    assert_same(Checkpoints(tmp_path, "an-identity").load(), a_state(6, n_points=5))


def test_all_states_damaged_is_a_new_beginning(tmp_path: Path) -> None:
    filled(tmp_path)
    for step in (5, 8):
        flip(tmp_path / f"state-{step:08d}.safetensors")
    checkpoints = Checkpoints(tmp_path, "an-identity")
    assert checkpoints.load() is None
    assert len(checkpoints.notes) == 2
    assert (tmp_path / CURVE_FILE).read_bytes() == b""


def test_a_log_that_lacks_points_counts_as_damage(tmp_path: Path) -> None:
    """After a power cut, a log may be shorter than what the state saw of it."""
    filled(tmp_path)
    path = tmp_path / CURVE_FILE
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    checkpoints = Checkpoints(tmp_path, "an-identity")
    assert_same(checkpoints.load(), a_state(5))
    assert "6 points of 8" in checkpoints.notes[0]


def test_a_log_is_cut_to_what_the_state_saw(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path)
    whole = (tmp_path / CURVE_FILE).read_bytes()
    checkpoints.log(a_point(8))
    with (tmp_path / CURVE_FILE).open("ab") as file:
        file.write(b'{"step": 9, "n_to')  # killed in the middle of a line
    assert_same(Checkpoints(tmp_path, "an-identity").load(), a_state(8))
    assert (tmp_path / CURVE_FILE).read_bytes() == whole


def test_another_members_state_is_refused_and_left(tmp_path: Path) -> None:
    filled(tmp_path)
    before = files(tmp_path)
    with pytest.raises(UserError, match="another member") as caught:
        Checkpoints(tmp_path, "another-identity").load()
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == before


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    filled(tmp_path)
    expected = files(tmp_path)
    (tmp_path / ".state-00000009.json.0af3.tmp").write_bytes(b"{")
    (tmp_path / "state-00000009.safetensors").write_bytes(b"half")
    assert_same(Checkpoints(tmp_path, "an-identity").load(), a_state(8))
    assert files(tmp_path) == expected


def test_a_full_disk_is_one_line_and_earlier_states_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = filled(tmp_path)

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match="no space left") as caught:
            checkpoints.save(9, a_state(9, n_points=8))
        assert "\n" not in str(caught.value)
    assert_same(Checkpoints(tmp_path, "an-identity").load(), a_state(8))


def test_weights_and_batches_are_safetensors(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "an-identity")
    checkpoints.save_weights(64, {"M": torch.eye(3)})
    path = checkpoints.save_batch(70, torch.full((2, 3), torch.nan))
    weights = module.load_tensors((tmp_path / STEPS_FOLDER / "weights-00000064.safetensors").read_bytes())
    assert torch.equal(weights["M"], torch.eye(3))
    assert path.name == "batch-00000070.safetensors"
    assert module.load_tensors(path.read_bytes())["x"].isnan().all()


def test_a_curve_is_strict(tmp_path: Path) -> None:
    path = tmp_path / CURVE_FILE
    path.write_text(json.dumps({"step": 1}) + "\n")
    with pytest.raises(ValueError, match="no point of a curve"):
        read_curve(path)
    assert read_curve(tmp_path / "absent") == ()
