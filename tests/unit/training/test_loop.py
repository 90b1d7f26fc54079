"""Oracles: counts by hand; one member's path taken by its learner alone. Determinism is in tests/conformance."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.training import Learner, Member, train_members

SITES = ("resid_post.0", "resid_post.1")
NORMALIZATION = {SITES[0]: (np.zeros(4), 1.0), SITES[1]: (np.ones(6), 2.0)}


def a_member(**changes: object) -> Member:
    member = Member(
        name="a-seed0",
        method="topk",
        site=SITES[1],
        architecture=TopKConfig(k=2),
        n_latents=9,
        seed=0,
        learning_rate=1e-2,
        n_steps=21,
        batch_size=16,
        warm_up_steps=0,
        decay_fraction=0.2,
        dead_after_tokens=1000,
    )
    return replace(member, **changes)


def stream(n: int = 100) -> Iterator[tuple[dict[str, torch.Tensor], int]]:
    for step in range(n):
        generator = torch_generator(step, "test-stream")
        yield {site: torch.randn(16, d, generator=generator) for site, d in zip(SITES, (4, 6), strict=True)}, step


def test_members_of_other_sites_and_lengths_share_the_stream() -> None:
    """Each takes the first batches at its own site, and no batch is read that nobody needs."""
    batches = stream()
    tied = a_member(name="b-seed0", site=SITES[0], architecture=TiedL1Config(coefficient=0.1), n_steps=5)
    advanced: list[int | float] = []
    found = train_members([a_member(), tied], batches, NORMALIZATION, advanced.append, log_every=10)
    assert [each.member.name for each in found] == ["a-seed0", "b-seed0"]
    assert next(batches)[1] == 21
    assert advanced == [2] * 5 + [1] * 16
    learner = Learner(tied, *NORMALIZATION[SITES[0]])
    for batch, _ in stream(5):
        learner.advance_(learner.normalize(batch[SITES[0]]), measure=False)
    assert torch.equal(found[1].dictionary.W_enc, learner.export().W_enc)


def test_the_curve_has_its_steps() -> None:
    found = train_members([a_member()], stream(), NORMALIZATION, log_every=10)[0]
    assert [point.step for point in found.curve] == [0, 1, 2, 4, 8, 10, 16, 20]
    assert [point.n_tokens for point in found.curve] == [16 * point.step for point in found.curve]
    short = train_members([a_member(n_steps=4)], stream(), NORMALIZATION, log_every=10)[0]
    assert [point.step for point in short.curve] == [0, 1, 2, 3]


def test_training_brings_the_loss_down() -> None:
    curve = train_members([a_member(n_steps=100, n_latents=24)], stream(), NORMALIZATION)[0].curve
    assert curve[-1].fvu is not None
    assert curve[0].fvu is not None
    assert curve[-1].fvu < 0.8 * curve[0].fvu


def test_no_members_read_nothing() -> None:
    batches = stream()
    assert train_members([], batches, NORMALIZATION) == []
    assert next(batches)[1] == 0


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
        train_members(members, stream(), NORMALIZATION)


def test_a_site_that_the_stream_lacks() -> None:
    with pytest.raises(UserError, match="the batch has no activations at x"):
        train_members([a_member(site="x")], stream(), {**NORMALIZATION, "x": (np.zeros(4), 1.0)})
