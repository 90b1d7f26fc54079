"""One member of an ensemble on its way: its learner, its curve, its folder, and how it ended."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from monosemy.core import UserError, fingerprint, to_json
from monosemy.dictionaries import Dictionary
from monosemy.training.checkpoint import Checkpoints, TrainingState
from monosemy.training.learner import Learner, NotFinite
from monosemy.training.member import CurvePoint, Member
from monosemy.training.stepper import Step
from monosemy.training.stream import Batch, StreamState

BeforeExport = Callable[[Learner], None]
"""What is still done to a learner whose steps are all taken, before it becomes a dictionary: a threshold calibrated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a member stopped: at which step, in one line, and where its batch lies, if there is a folder."""

    step: int
    message: str
    batch_file: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedMember:
    """A member, the dictionary that it became, and how it went.

    dictionary: None where it failed. l0_train: mean L0 of the last tenth of its steps. loader_share: the part of the
    loop's time that was spent waiting for batches; of this process, and not reproducible. notes: what a person should
    know, a line each.
    """

    member: Member
    dictionary: Dictionary | None
    curve: tuple[CurvePoint, ...]
    failure: Failure | None
    n_steps_done: int
    l0_train: float
    loader_share: float
    notes: tuple[str, ...]


class Trainee:
    """A learner that keeps its curve and, where it has a folder, its checkpoints; it shares nothing with another."""

    def __init__(self, learner: Learner, folder: Path | None) -> None:
        self.learner = learner
        self.curve: list[CurvePoint] = []
        self.failure: Failure | None = None
        self._stream: StreamState | None = None
        self._checkpoints = None if folder is None else Checkpoints(folder, _identity(learner))
        self._saved_step: int | None = None

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.learner.step

    @property
    def is_over(self) -> bool:
        """Whether it takes no further step."""
        return self.failure is not None or self.learner.is_done

    @property
    def stream(self) -> StreamState | None:
        """The state of the stream with which its next batch comes; None: from the beginning."""
        return self._stream

    @property
    def notes(self) -> tuple[str, ...]:
        """What its folder had to tell."""
        return () if self._checkpoints is None else tuple(self._checkpoints.notes)

    def take_up(self) -> None:
        """Go on from the latest state in the folder. Raises UserError when the folder is another member's."""
        state = None if self._checkpoints is None else self._checkpoints.load()
        if state is not None:
            try:
                self.learner.load_state_(state.tensors, state.numbers)
            except (KeyError, ValueError) as error:
                name = self.learner.member.name
                raise UserError(
                    f"{name}: its checkpoint does not fit ({error}), perhaps of another version of the program; remove "
                    "its folder to begin anew"
                ) from error
            self.curve, self._stream, self._saved_step = list(state.curve), state.stream, self.step

    def advance_(
        self, normalized: Tensor, batch: Batch, stream: StreamState, *, measure: bool, step: Step | None = None
    ) -> CurvePoint | None:
        """Take a step, and keep what is to be kept of it; a step that cannot be taken is this member's last.

        stream: the state with which the next batch comes. step: what a stack saw that took it already. Raises UserError
        when the disk is full.
        """
        learner = self.learner
        is_last = learner.step == learner.member.n_steps - 1
        try:
            point = learner.advance_(normalized, measure=measure or is_last, step=step)
        except NotFinite as error:
            self.fail(str(error), batch[learner.member.site])
            return None
        self._stream = stream
        if point is not None:
            self.curve.append(point)
        if self._checkpoints is not None:
            if point is not None:
                self._checkpoints.log(point)
            if learner.step & (learner.step - 1) == 0:
                self._checkpoints.save_weights(learner.step, learner.weights())
        return point

    def fail(self, message: str, x: Tensor | None = None) -> None:
        """End here, for a reason; x: the raw activations of the step, which are kept in the folder."""
        file = None
        if self._checkpoints is not None and x is not None:
            file = self._checkpoints.save_batch(self.step, x)
            message = f"{message}; the batch of that step is in {file}"
        self.failure = Failure(step=self.step, message=message, batch_file=file)

    def save(self) -> None:
        """Write a checkpoint, where there is a folder and something new. Raises UserError when the disk is full."""
        if self._checkpoints is None or self.failure is not None or self._stream is None:
            return
        if self._saved_step != self.step:
            tensors, numbers = self.learner.state()
            state = TrainingState(tensors=tensors, numbers=numbers, stream=self._stream, curve=tuple(self.curve))
            self._checkpoints.save(self.step, state)
            self._saved_step = self.step

    def log_timing(self, seconds: float, waited_seconds: float) -> None:
        """Note how long a window took, where there is a folder."""
        if self._checkpoints is not None and self.step > 0:
            self._checkpoints.log_timing(self.step, seconds, waited_seconds)

    def finished(self, before_export: BeforeExport, loader_share: float) -> TrainedMember:
        """What became of it."""
        dictionary = None
        if self.failure is None:
            try:
                before_export(self.learner)
                dictionary = self.learner.export()
            except UserError as error:
                self.fail(str(error))
        return TrainedMember(
            member=self.learner.member,
            dictionary=dictionary,
            curve=tuple(self.curve),
            failure=self.failure,
            n_steps_done=self.step,
            l0_train=self.learner.l0_train,
            loader_share=loader_share,
            notes=self.notes,
        )


def check_batch(batch: Batch, trainee: Trainee) -> None:
    """Raise UserError when a batch is not what a member wants of it."""
    member, d = trainee.learner.member, len(trainee.learner.mean)
    if member.site not in batch:
        raise UserError(f"{member.name}: the batch has no activations at {member.site}, only {', '.join(batch)}")
    shape = tuple(batch[member.site].shape)
    if shape != (member.batch_size, d):
        raise UserError(
            f"{member.name}: a batch at {member.site} has the shape {shape}, expected {(member.batch_size, d)}; "
            "give the member the batch size of the stream"
        )


def _identity(learner: Learner) -> str:
    """Of what a member's path is a function, but for the stream: itself, and how its input is normalized."""
    mean = hashlib.sha256(learner.mean.cpu().numpy().tobytes()).hexdigest()
    return fingerprint({"member": to_json(learner.member), "mean": mean, "scale": learner.scale})
