"""The checkpoints of one member: its weights at powers of two of the steps, its log, and its latest two full states.

    curve.jsonl                        the points of the curve, one a line
    timing.jsonl                       how long it took, a line a window; the one file that another run would not repeat
    steps/weights-00000064.safetensors the architecture's weights after 64 steps, in the unit of the training
    state-00000100.safetensors         everything that step 100 depends on, as tensors
    state-00000100.json                the rest of it, the sha256 of the tensors, and its own; written last
    batch-00000103.safetensors         "x", the raw activations of a step that failed

Every file but the two logs is written whole or not at all; curve.jsonl is cut to what the state taken up had seen.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from monosemy.core import UserError, atomic_write_bytes, canonical_json, full_disk_is_user_error
from monosemy.training.member import CurvePoint

CURVE_FILE, TIMING_FILE, STEPS_FOLDER = "curve.jsonl", "timing.jsonl", "steps"
KEPT_STATES = 2
_STATE = re.compile(r"state-(\d{8,})\.json")
_FORMAT = "monosemy-training-state"
_FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainingState:
    """A member between two steps: its learner's tensors and numbers, where the stream stands, the curve so far."""

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]
    stream: Mapping[str, int]
    curve: tuple[CurvePoint, ...]


class Checkpoints:
    """A member's folder. identity: what the member's outcome is a function of; a state of another one is refused."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self.notes: list[str] = []

    def load(self) -> TrainingState | None:
        """The latest state that is whole; None where there is none. A damaged one is removed, and `notes` tell of it.

        Raises UserError when the states are those of another member or of other activations.
        """
        self._remove_leftovers()
        found: TrainingState | None = None
        for step, path in sorted(self._states().items(), reverse=True):
            problem = None
            try:
                found = self._read(path)
            except (ValueError, KeyError, TypeError, OSError) as error:
                problem = str(error) or type(error).__name__
            if problem is None:
                break
            self._forget(step)
            self.notes.append(f"{path} is damaged ({problem}); an earlier state is taken")
        self._cut_log(() if found is None else found.curve)
        return found

    def save(self, step: int, state: TrainingState) -> None:
        """Write a state, and remove all but the latest two. Raises UserError when the disk is full; nothing is lost."""
        data = save_tensors({name: value.contiguous() for name, value in state.tensors.items()})
        about = {
            "format": _FORMAT,
            "format_version": _FORMAT_VERSION,
            "identity": self.identity,
            "numbers": dict(state.numbers),
            "stream": dict(state.stream),
            "n_points": len(state.curve),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        self._flush_log()
        path = self._path(step)
        atomic_write_bytes(path.with_suffix(".safetensors"), data)
        atomic_write_bytes(path, (json.dumps(about | {"checksum": _checksum(about)}, indent=1) + "\n").encode())
        for old in sorted(self._states())[:-KEPT_STATES]:
            self._forget(old)

    def log(self, point: CurvePoint) -> None:
        """Append a point of the curve. Raises UserError when the disk is full."""
        self._append(CURVE_FILE, _line(point))

    def log_timing(self, step: int, seconds: float, waited_seconds: float) -> None:
        """Append how long the last window took, and how much of that was waiting for batches. Raises as `log` does."""
        line = {"step": step, "seconds": round(seconds, 3), "waited_seconds": round(waited_seconds, 3)}
        self._append(TIMING_FILE, (json.dumps(line) + "\n").encode())

    def save_weights(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Keep the weights after a step. Raises UserError when the disk is full."""
        path = self.folder / STEPS_FOLDER / f"weights-{step:08d}.safetensors"
        atomic_write_bytes(path, save_tensors({name: value.contiguous() for name, value in weights.items()}))

    def save_batch(self, step: int, x: Tensor) -> Path:
        """Keep the raw activations of a step that failed, and say where."""
        path = self.folder / f"batch-{step:08d}.safetensors"
        atomic_write_bytes(path, save_tensors({"x": x.contiguous()}))
        return path

    # --- how ------------------------------------------------------------------------------------------------------

    def _append(self, name: str, data: bytes) -> None:
        with full_disk_is_user_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / name).open("ab") as file:
                file.write(data)

    def _path(self, step: int) -> Path:
        return self.folder / f"state-{step:08d}.json"

    def _states(self) -> dict[int, Path]:
        if not self.folder.is_dir():
            return {}
        found = {path: _STATE.fullmatch(path.name) for path in self.folder.iterdir()}
        return {int(match[1]): path for path, match in found.items() if match is not None}

    def _forget(self, step: int) -> None:
        # The JSON first: without it the tensors are a leftover, and with it they would be taken for a damaged state.
        self._path(step).unlink()
        self._path(step).with_suffix(".safetensors").unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """What a killed writer left: hidden temporary files, tensors without their JSON."""
        for path in self.folder.rglob(".*.tmp"):
            path.unlink()
        for path in self.folder.glob("state-*.safetensors"):
            if not path.with_suffix(".json").exists():
                path.unlink()

    def _read(self, path: Path) -> TrainingState:
        about = json.loads(path.read_text(encoding="utf-8"))
        checksum = about.pop("checksum")
        if checksum != _checksum(about):
            raise ValueError("its checksum differs")
        if [about[key] for key in ("format", "format_version", "identity")] != [
            _FORMAT,
            _FORMAT_VERSION,
            self.identity,
        ]:
            raise UserError(
                f"{path} is the state of another member, of other activations or of another version; "
                "remove its folder to begin anew, or choose another"
            )
        data = path.with_suffix(".safetensors").read_bytes()
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            raise ValueError("the sha256 of its tensors differs")
        curve = read_curve(self.folder / CURVE_FILE, n_points=about["n_points"])
        return TrainingState(tensors=load_tensors(data), numbers=about["numbers"], stream=about["stream"], curve=curve)

    def _cut_log(self, curve: tuple[CurvePoint, ...]) -> None:
        path = self.folder / CURVE_FILE
        if path.exists():
            os.truncate(path, len(b"".join(map(_line, curve))))

    def _flush_log(self) -> None:
        path = self.folder / CURVE_FILE
        if path.exists():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def read_curve(path: Path, n_points: int | None = None) -> tuple[CurvePoint, ...]:
    """The first points of a log, None: all. Raises ValueError when it has fewer, or a line is none of a point."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if n_points is not None:
        if len(lines) < n_points:
            raise ValueError(f"{path.name} has {len(lines)} points of {n_points}")
        lines = lines[:n_points]
    return tuple(_point(line) for line in lines)


def _point(line: str) -> CurvePoint:
    data = json.loads(line)
    names = {field.name for field in fields(CurvePoint)}
    if not isinstance(data, dict) or data.keys() != names:
        raise ValueError(f"{line[:60]!r} is no point of a curve")
    return CurvePoint(**data)


def _line(point: CurvePoint) -> bytes:
    return (json.dumps(asdict(point), allow_nan=False) + "\n").encode()


def _checksum(about: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(about).encode()).hexdigest()
