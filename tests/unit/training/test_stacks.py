"""Stacks in the loop. Oracle: the same members, each taking its own steps; on the CPU, to the tolerance of float32."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from monosemy.dictionaries import GatedConfig, ReLUL1Config, TiedL1Config, TopKConfig
from monosemy.training import Learner, Member, Stacks, Step, loop, plan_stacks, stacks, train_members
from tests.unit.training.members_of_tests import NORMALIZATION, SITES, a_batch, a_member, a_stream


def learner_of(member: Member) -> Learner:
    return Learner(member, *NORMALIZATION[member.site])


def names(groups: list[tuple[Learner, ...]]) -> list[list[str]]:
    return [[learner.member.name for learner in group] for group in groups]


MEMBERS = [
    a_member(name="k2"),
    a_member(name="tied", architecture=TiedL1Config(coefficient=0.3)),
    a_member(name="k3", architecture=TopKConfig(k=3), seed=1, n_steps=8),
    a_member(name="elsewhere", site=SITES[0]),
    a_member(name="wide", n_latents=12),
    a_member(name="gated", architecture=GatedConfig(coefficient=0.1)),
    a_member(name="tied mean", architecture=TiedL1Config(coefficient=0.3, centering="mean")),
    a_member(name="by autograd", sparse_below=0),
    a_member(name="k1", architecture=TopKConfig(k=1), learning_rate=3e-3, resample_every_steps=5, dead_after_tokens=16),
    a_member(name="tied too", architecture=TiedL1Config(coefficient=0.1, reduction="mean"), sparsity_warm_up_steps=9),
]


def test_who_is_alike_is_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one site, centering, size and kind; coefficients, k, seeds, rates and lengths may differ."""
    learners = [learner_of(member) for member in MEMBERS]
    assert names(plan_stacks(learners, "cpu")) == [["k2", "k3", "k1"], ["tied", "tied too"]]
    assert plan_stacks(learners) == []  # on the CPU each takes its own steps
    monkeypatch.setattr(stacks, "MAX_STACK_ENTRIES", 2 * 16 * 9)
    assert names(plan_stacks(learners, "cpu")) == [["k2", "k3"], ["tied", "tied too"]]


def test_members_in_stacks_become_what_they_become_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some end earlier than others, some are in no stack, one starts dead latents anew."""
    members = [replace(member, n_steps=min(member.n_steps, 12)) for member in MEMBERS]
    alone = train_members(members, a_stream(), NORMALIZATION)
    taken: list[int] = []
    steps_ = Stacks.steps_

    def counted(*arguments: Any) -> Mapping[Learner, Step]:
        found = steps_(*arguments)
        taken.append(len(found))
        return found

    monkeypatch.setattr(loop, "Stacks", lambda: Stacks("cpu"))
    monkeypatch.setattr(Stacks, "steps_", counted)
    stacked = train_members(members, a_stream(), NORMALIZATION)
    assert taken == [5] * 8 + [4] * 4
    for found, wanted in zip(stacked, alone, strict=True):
        assert found.dictionary is not None and wanted.dictionary is not None
        for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
            off = (getattr(found.dictionary, name) - getattr(wanted.dictionary, name)).abs()
            # Adam makes of the rounding of a gradient that nearly vanishes, as those of latents that start anew, a
            # share of a step, here of 0.01: the hand-written steps on the CPU and autograd's are 0.003 apart too.
            assert off.median() < 1e-4 and off.max() < 5e-3, (found.member.name, name)
        assert found.l0_train == pytest.approx(wanted.l0_train, abs=0.01)
        assert [point.n_dead for point in found.curve] == [point.n_dead for point in wanted.curve]
        assert [point.fvu for point in found.curve] == pytest.approx([point.fvu for point in wanted.curve], rel=1e-3)


def test_one_that_fails_leaves_the_others_in_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [MEMBERS[0], replace(MEMBERS[0], name="wild", learning_rate=1e38), replace(MEMBERS[2], n_steps=21)]
    monkeypatch.setattr(loop, "Stacks", lambda: Stacks("cpu"))
    first, wild, third = train_members(members, a_stream(), NORMALIZATION)
    assert wild.failure is not None and wild.n_steps_done < 3
    assert first.failure is None and third.failure is None and third.n_steps_done == 21


def test_the_state_of_a_learner_is_that_of_its_stack() -> None:
    """Saved in the middle and taken up by others, in another stack: the same bytes."""

    def step_(taken: list[Learner], stacks: Stacks, n: int) -> None:
        x = taken[0].normalize(a_batch(n)[SITES[1]])
        steps = stacks.steps_(taken, {taken[0].normalization: x})
        for learner in taken:
            learner.advance_(x, measure=False, step=steps[learner])

    members = [MEMBERS[0], MEMBERS[2]]
    whole, broken, again = ([learner_of(member) for member in members] for _ in range(3))
    first, second, third = Stacks("cpu"), Stacks("cpu"), Stacks("cpu")
    for n in range(6):
        step_(whole, first, n)
    for n in range(3):
        step_(broken, second, n)
    for learner, new in zip(broken, again, strict=True):
        tensors, numbers = copy.deepcopy(learner.state())
        new.load_state_(tensors, numbers)
    for n in range(3, 6):
        step_(again, third, n)
    for learner, new in zip(whole, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(learner.weights().values(), new.weights().values(), strict=True))
        assert torch.equal(learner.export().W_enc, new.export().W_enc)


def test_who_leaves_a_stack_holds_no_memory_of_the_others() -> None:
    learners = [learner_of(MEMBERS[0]), learner_of(MEMBERS[2]), learner_of(MEMBERS[8])]
    found, x = Stacks("cpu"), learners[0].normalize(a_batch(0)[SITES[1]])
    for running in (learners, learners[:2]):
        found.steps_(running, {learners[0].normalization: x})
    for learner, n_members in zip(learners, (2, 2, 1), strict=True):
        for tensor in (*learner.module.parameters(), *learner.optimizer.state().values()):
            assert tensor.untyped_storage().nbytes() == n_members * 4 * tensor.numel()


def test_a_member_of_another_kind_joins_no_stack() -> None:
    learners = [learner_of(MEMBERS[0]), learner_of(a_member(name="untied", architecture=ReLUL1Config(coefficient=1.0)))]
    assert plan_stacks(learners, "cpu") == []
