"""Flips of single latents that are run once. Oracle: the whole pass of the flipped set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.causal import Patching, SingleFlips
from monosemy.lm import Site
from tests.unit.causal.patching_cases import sparse_dictionary, tiny_pairs
from tests.unit.lm.tiny_models import tiny_lm

_kept: list[Patching] = []


def patching() -> Patching:
    if not _kept:
        _kept.append(Patching(tiny_lm("gpt_neox"), Site(1, "resid_post"), sparse_dictionary(), tiny_pairs()))
    return _kept[0]


@settings(max_examples=5)
@given(st.sets(st.integers(0, 29)), st.lists(st.tuples(st.booleans(), st.integers(0, 29)), min_size=1, max_size=6))
def test_increases_and_kl_are_those_of_whole_passes(start: set[int], steps: list[tuple[bool, int]]) -> None:
    """Any sequence of looking ahead and of flipping."""
    latents = np.isin(np.arange(30), list(start))
    flips = SingleFlips(patching(), latents)
    for flip, latent in steps:
        flips.run([latent, (latent + 1) % 30, (latent + 5) % 30])
        flipped = flips.latents.copy()
        flipped[latent] = not flipped[latent]
        expected = patching().naive_kl(flipped)
        before = patching().naive_kl(flips.latents)
        assert flips.increase(latent) == pytest.approx(expected.mean() - before.mean(), abs=1e-10)
        if flip:
            flips.flip(latent)
            assert np.array_equal(flips.latents, flipped)
            assert np.allclose(flips.kl, expected, rtol=0, atol=1e-10)


def test_what_is_known_is_not_run_again() -> None:
    changed = patching().changed
    flips = SingleFlips(patching(), patching().all())
    flips.run(list(range(30)))
    assert flips.n_rows == changed.sum()
    assert flips.n_passes == 1
    flips.run(list(range(30)))
    assert (flips.n_rows, flips.n_passes) == (changed.sum(), 1)
    latent = int(np.argmax(changed.any(axis=0) & ~changed.all(axis=0)))
    flips.flip(latent)
    for other in range(30):
        assert flips.unknown(other).tolist() == np.flatnonzero(changed[:, latent] & changed[:, other]).tolist()
    quiet = np.flatnonzero(~changed.any(axis=0))
    assert all(flips.increase(int(each)) == 0.0 for each in quiet)
