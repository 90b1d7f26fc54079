"""The training loop: every member learns from the same batches, as many steps as it wants."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from monosemy.core import UserError
from monosemy.dictionaries import Dictionary
from monosemy.training.ensemble import CurvePoint, Learner, Member, Normalization, learners

Advance = Callable[[int | float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedMember:
    """A member, the dictionary that it became, and how it went."""

    member: Member
    dictionary: Dictionary
    curve: tuple[CurvePoint, ...]


def train_members(
    members: Sequence[Member],
    batches: Iterator[tuple[Mapping[str, Float[Tensor, "batch d"]], object]],
    normalization: Normalization,
    advance: Advance = lambda _: None,
    log_every: int = 50,
) -> list[TrainedMember]:
    """Train members on one stream: batch after batch, each member that still has steps to do takes one.

    batches: (site -> raw activations of the same tokens, state of the reader), as the store yields them.
    advance: called with the number of members that took a step. log_every: steps between two points of the curve, which
    also has step 0, the powers of two and the last step. A member's outcome is bit for bit the same whoever trains
    beside it. Raises UserError when the stream ends too early, a batch has another size or width than the members want,
    and when a loss is not finite.
    """
    running = [_Running(learner) for learner in learners(members, normalization)]
    n_steps = max((member.n_steps for member in members), default=0)
    for step in range(n_steps):
        active = [each for each in running if step < each.learner.member.n_steps]
        batch = _next_batch(batches, active, step)
        measure = _is_logged(step, log_every)
        shared: dict[tuple[str, bool], Tensor] = {}
        for each in active:
            learner = each.learner
            if learner.normalization not in shared:
                shared[learner.normalization] = learner.normalize(batch[learner.member.site])
            last = step == learner.member.n_steps - 1
            point = learner.advance_(shared[learner.normalization], measure=measure or last)
            each.curve += [point] if point is not None else []
        advance(len(active))
    return [
        TrainedMember(member=each.learner.member, dictionary=each.learner.export(), curve=tuple(each.curve))
        for each in running
    ]


@dataclass(kw_only=False, slots=True)
class _Running:
    learner: Learner
    curve: list[CurvePoint] = field(default_factory=list)


def _is_logged(step: int, log_every: int) -> bool:
    return step % log_every == 0 or step & (step - 1) == 0


def _next_batch(batches: Iterator, active: Sequence[_Running], step: int) -> Mapping[str, Tensor]:
    """The next batch, checked against what the members want of it."""
    found = next(batches, None)
    if found is None:
        raise UserError(f"the activations end after {step} batches; train fewer steps, or read them again")
    batch = found[0]
    for each in active:
        member, d = each.learner.member, len(each.learner.mean)
        if member.site not in batch:
            raise UserError(f"{member.name}: the batch has no activations at {member.site}, only {', '.join(batch)}")
        shape = tuple(batch[member.site].shape)
        if shape != (member.batch_size, d):
            raise UserError(
                f"{member.name}: a batch at {member.site} has the shape {shape}, expected {(member.batch_size, d)}; "
                "give the member the batch size of the stream"
            )
    return batch
