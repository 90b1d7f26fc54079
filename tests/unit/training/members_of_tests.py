"""Members, and a stream for them that begins anywhere, for the tests of the training loop."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import TopKConfig
from monosemy.training import Batch, BatchStream, Member, StreamState, TrainedMember

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


def a_batch(step: int) -> dict[str, torch.Tensor]:
    generator = torch_generator(step, "test-stream")
    return {site: torch.randn(16, d, generator=generator) for site, d in zip(SITES, (4, 6), strict=True)}


def a_stream(n: int = 100, read: list[int] | None = None) -> BatchStream:
    """n batches; the numbers of those that are given go to `read`."""

    def batches(state: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        for step in range(0 if state is None else state["step"], n):
            if read is not None:
                read.append(step)
            yield a_batch(step), {"step": step + 1}

    return BatchStream(open=batches)


def assert_same(found: TrainedMember, expected: TrainedMember) -> None:
    assert found.dictionary is not None and expected.dictionary is not None
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        assert torch.equal(getattr(found.dictionary, name), getattr(expected.dictionary, name))
    assert (found.curve, found.n_steps_done, found.l0_train) == (
        expected.curve,
        expected.n_steps_done,
        expected.l0_train,
    )
