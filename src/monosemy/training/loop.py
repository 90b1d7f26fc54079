"""The training loop: every member learns from the same batches, as many as it wants, and can be taken up again."""

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import no_type_check

from torch import Tensor

from monosemy.core import UserError, held_interruptions
from monosemy.training.ensemble import BeforeExport, TrainedMember, Trainee, check_batch
from monosemy.training.fast import Engine
from monosemy.training.learner import learners
from monosemy.training.member import CurvePoint, Member, Normalization
from monosemy.training.stacks import Stacks
from monosemy.training.stream import Batch, BatchStream, StreamState

Advance = Callable[[int | float], None]
Observe = Callable[[str, CurvePoint], None]


def train_members(
    members: Sequence[Member],
    stream: BatchStream,
    normalization: Normalization,
    *,
    folders: Mapping[str, Path] | None = None,
    checkpoint_every_seconds: int | float = 120,
    advance: Advance = lambda _: None,
    observe: Observe = lambda _, __: None,
    before_export: BeforeExport = lambda _: None,
    log_every: int = 50,
    n_threads: int = 1,
    device: str = "cpu",
) -> list[TrainedMember]:
    """Train members on one stream: batch after batch, each member that still has steps to do takes one.

    What a member becomes is bit for bit the same whoever trains beside it. A member whose loss is not finite ends with
    a `failure`, and the others go on. folders: of each member by its name, for checkpoints, weights at powers of two
    and the log (training/checkpoint.py); what is found there is taken up, with the same bytes in the end as without a
    break. None: nothing is written. advance: called with the number of members that took a step. observe: called with
    each new point of a member's curve, which has every `log_every`-th step, the powers of two and the last step.
    before_export: called with each learner whose steps are all taken. n_threads: members take their steps side by side;
    a single one shares out its own (the hand-written steps); the bytes are those of one thread. device: "cpu" or
    "cuda"; on a GPU members of a kind take their steps as one stack, and bytes may depend on company (`MemberStack`).

    Ctrl-C and SIGTERM save at the next boundary of a step and then raise KeyboardInterrupt. Raises UserError when the
    stream ends too early, a batch has another size or width than the members want, the disk is full, or a folder is
    another member's.
    """
    engine = Engine(n_threads)
    trainees = [
        Trainee(learner, None if folders is None else folders[learner.member.name])
        for learner in learners(members, normalization, engine, device)
    ]
    for trainee in trainees:
        trainee.take_up()
    n_done = sum(trainee.step for trainee in trainees)
    if n_done:
        advance(n_done)
    watch, running = _Watch(), list[Trainee]()
    with engine, held_interruptions() as interrupted:
        for running in _steps(trainees, stream, watch, observe, log_every, engine):
            stops = interrupted()
            due = watch.window_seconds() >= checkpoint_every_seconds
            for trainee in running:
                if due or stops or trainee.is_over:
                    trainee.save()
            if due:
                watch.log(running)
            advance(len(running))
            if stops:
                raise KeyboardInterrupt
    watch.log(running)
    return [trainee.finished(before_export, watch.loader_share()) for trainee in trainees]


def _steps(
    trainees: Sequence[Trainee],
    stream: BatchStream,
    watch: "_Watch",
    observe: Observe,
    log_every: int,
    engine: Engine,
) -> Generator[list[Trainee], None, None]:
    """Take the steps one after the other; after each, those who took it.

    Members that were taken up at different steps: the stream begins where the earliest needs it, and each joins when
    the stream has come to it.
    """
    pending = [trainee for trainee in trainees if not trainee.is_over]
    if not pending:
        return
    first = min(pending, key=lambda trainee: trainee.step)
    step, stacks = first.step, Stacks()
    with contextlib.closing(stream.open(first.stream)) as batches:
        while pending:
            batch, state = _next_batch(batches, step, watch)
            running = [trainee for trainee in pending if trainee.step == step]
            for trainee, point in _advance(running, batch, state, engine, stacks, measure=_is_logged(step, log_every)):
                if point is not None:
                    observe(trainee.learner.member.name, point)
            step += 1
            yield running
            pending = [trainee for trainee in pending if not trainee.is_over]


def _advance(
    running: Sequence[Trainee], batch: Batch, state: StreamState, engine: Engine, stacks: Stacks, *, measure: bool
) -> list[tuple[Trainee, CurvePoint | None]]:
    """A step of each of them, on a batch that is moved and normalized once for all that agree in how.

    Those of a stack take it together; the others then take theirs, side by side.
    """
    moved: dict[str, Tensor] = {}
    shared: dict[tuple[str, bool], Tensor] = {}
    for trainee in running:
        check_batch(batch, trainee)
        learner, site = trainee.learner, trainee.learner.member.site
        if site not in moved:
            moved[site] = batch[site].to(learner.device)
        if learner.normalization not in shared:
            shared[learner.normalization] = learner.normalize(moved[site])
    steps = stacks.steps_([trainee.learner for trainee in running], shared)

    @no_type_check  # made anew at each step
    def advance(_thread: int, trainee: Trainee) -> tuple[Trainee, CurvePoint | None]:
        normalized, step = shared[trainee.learner.normalization], steps.get(trainee.learner)
        return trainee, trainee.advance_(normalized, batch, state, measure=measure, step=step)

    return engine.share(advance, running)


def _next_batch(
    batches: Generator[tuple[Batch, StreamState], None, None], step: int, watch: "_Watch"
) -> tuple[Batch, StreamState]:
    with watch.waiting():
        found = next(batches, None)
    if found is None:
        raise UserError(f"the activations end after {step} batches; train fewer steps, or read them again")
    return found


def _is_logged(step: int, log_every: int) -> bool:
    return step % log_every == 0 or step & (step - 1) == 0


class _Watch:
    """Times, which are shown and never decide what a member becomes; in windows from one checkpoint to the next."""

    def __init__(self) -> None:
        self._begun = self._window_begun = time.monotonic()
        self._waited_seconds = self._waited_before_window = 0.0

    @contextlib.contextmanager
    def waiting(self) -> Generator[None, None, None]:
        begun = time.monotonic()
        yield
        self._waited_seconds += time.monotonic() - begun

    def loader_share(self) -> float:
        seconds = time.monotonic() - self._begun
        return self._waited_seconds / seconds if seconds > 0 else 0.0

    def window_seconds(self) -> float:
        return time.monotonic() - self._window_begun

    def log(self, trainees: Sequence[Trainee]) -> None:
        """Note the window with some members, and begin the next."""
        for trainee in trainees:
            trainee.log_timing(self.window_seconds(), self._waited_seconds - self._waited_before_window)
        self._window_begun, self._waited_before_window = time.monotonic(), self._waited_seconds
