"""Which members take their steps as one stack, and the stacks while a group of members stays together."""

from collections.abc import Mapping, Sequence
from typing import final

from torch import Tensor

from monosemy.training.cuda import MemberStack, StackKey, TritonStepper
from monosemy.training.learner import Learner
from monosemy.training.stepper import Step

MAX_STACK_ENTRIES = 2**28
"""Pre-activations of a batch that a stack holds at most, 1 GiB of them, four times over; larger groups are split."""


def plan_stacks(learners: Sequence[Learner], device: str = "cuda") -> list[tuple[Learner, ...]]:
    """Groups of two or more that can be stacked: on that device, of one site, centering, size and kind of form.

    Not those whose next step is a sparse one, nor those that ask for autograd (`sparse_below` 0). What comes of it
    depends on the members alone. No group has pre-activations of more than MAX_STACK_ENTRIES.
    """
    groups: dict[tuple[tuple[str, bool], int, StackKey], list[Learner]] = {}
    for learner in learners:
        if learner.device.type != device or learner.member.sparse_below <= 0:
            continue
        form, stepper = learner.module.sparse_form(), learner.stepper
        if form is None or (isinstance(stepper, TritonStepper) and stepper.is_sparse):
            continue
        key = learner.normalization, learner.member.batch_size, StackKey.of(form)
        groups.setdefault(key, []).append(learner)
    planned: list[tuple[Learner, ...]] = []
    for (_, batch_size, key), members in groups.items():
        n = max(1, MAX_STACK_ENTRIES // (batch_size * key.n_latents))
        planned += [tuple(members[first : first + n]) for first in range(0, len(members), n)]
    return [group for group in planned if len(group) > 1]


@final
class Stacks:
    """The stacks of a training, which are made anew when a member ends, joins, or becomes sparse enough to go alone.

    device: where members are stacked; on the CPU no members are, unless a test wants it.
    """

    def __init__(self, device: str = "cuda") -> None:
        self._device = device
        self._stacks: dict[tuple[Learner, ...], MemberStack] = {}

    def steps_(self, learners: Sequence[Learner], normalized: Mapping[tuple[str, bool], Tensor]) -> dict[Learner, Step]:
        """A step of each learner that is in a stack, and what it saw; the others are left to take theirs."""
        groups = plan_stacks(learners, self._device)
        for gone in self._stacks.keys() - set(groups):
            self._stacks.pop(gone).release_()
        steps: dict[Learner, Step] = {}
        for group in groups:
            if group not in self._stacks:
                forms = [form for learner in group if (form := learner.module.sparse_form()) is not None]
                self._stacks[group] = MemberStack(forms, [learner.optimizer for learner in group])
            contexts, rates = zip(*(learner.context() for learner in group), strict=True)
            found = self._stacks[group].step_(normalized[group[0].normalization], contexts, rates)
            for learner, step in zip(group, found, strict=True):
                steps[learner] = step
                if isinstance(learner.stepper, TritonStepper):
                    learner.stepper.see(step)
        return steps
