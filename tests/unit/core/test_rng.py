"""Oracles: recorded first values (the streams are part of what makes a run repeatable), and independent statistics."""

import hashlib
import itertools

import numpy as np
import pytest
import torch

from monosemy.core import numpy_generator, torch_generator


def test_the_first_values_are_the_recorded_ones() -> None:
    # Drawn in another process, from numpy, torch and hashlib alone. Whoever changes them makes every earlier run
    # impossible to repeat.
    assert numpy_generator(0, "shuffle").integers(1_000_000, size=3).tolist() == [219290, 724029, 228814]
    drawn = torch.randint(1_000_000, (3,), generator=torch_generator(0, "shuffle"))
    assert drawn.tolist() == [251869, 385191, 934957]


def test_the_seed_is_the_sha256_of_the_name() -> None:
    digest = hashlib.sha256(b"3/a/b/2").digest()
    expected = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big"))).random(5)
    assert np.array_equal(numpy_generator(3, "a/b", 2).random(5), expected)
    assert torch_generator(3, "a/b", 2).initial_seed() == int.from_bytes(digest[:8], "big") >> 1


def test_a_stream_is_repeatable_and_others_do_not_disturb_it() -> None:
    first = numpy_generator(1, "init").random(4)
    ours, other = numpy_generator(1, "init"), numpy_generator(1, "data")
    interleaved = []
    for _ in range(4):
        interleaved.append(ours.random())
        other.random(3)
    assert np.array_equal(first, interleaved)


def test_seed_purpose_and_rank_each_give_another_stream() -> None:
    names = list(itertools.product((0, 1, -1), ("init", "data", "init/0"), (0, 1)))
    assert len({tuple(numpy_generator(*name).integers(2**62, size=2).tolist()) for name in names}) == len(names)
    torch_draws = {tuple(torch.rand(4, generator=torch_generator(*name)).tolist()) for name in names}
    assert len(torch_draws) == len(names)


def test_streams_are_not_correlated() -> None:
    # 28 pairs of 20 000 normal draws: a correlation beyond 4.5 / sqrt(20 000) has probability 2e-4 over all pairs.
    draws = np.stack(
        [
            numpy_generator(seed, purpose, rank).standard_normal(20_000)
            for seed in (0, 1)
            for purpose in "ab"
            for rank in (0, 1)
        ]
    )
    correlations = (draws @ draws.T / 20_000)[np.triu_indices(len(draws), 1)]
    assert np.abs(correlations).max() < 4.5 / np.sqrt(20_000)


def test_the_global_generators_are_left_alone() -> None:
    torch_state, numpy_state = torch.get_rng_state(), str(np.random.get_state())
    torch.rand(3, generator=torch_generator(0, "init"))
    numpy_generator(0, "init").random(3)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert str(np.random.get_state()) == numpy_state


@pytest.mark.parametrize(("purpose", "rank"), [("", 0), ("init", -1)])
def test_a_stream_needs_a_name(purpose: str, rank: int) -> None:
    with pytest.raises(ValueError, match="a stream needs a purpose and a rank"):
        numpy_generator(0, purpose, rank)
    with pytest.raises(ValueError, match="a stream needs a purpose and a rank"):
        torch_generator(0, purpose, rank)
