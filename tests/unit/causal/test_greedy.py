"""Greedy forward selection. Oracle: at each step every latent outside the set is put in on its own, by a whole pass."""

import numpy as np
import pytest

from monosemy.causal import Patching, attributions_with, greedy_order
from monosemy.lm import Site
from tests.unit.causal.patching_cases import sparse_dictionary, tiny_pairs
from tests.unit.lm.tiny_models import tiny_lm


@pytest.fixture(scope="module")
def patching() -> Patching:
    return Patching(tiny_lm("gpt_neox"), Site(1, "resid_post"), sparse_dictionary(16), tiny_pairs())


def plain(patching: Patching, n: int, n_candidates: int) -> list[int]:
    latents, order = patching.none(), []
    for _ in range(n):
        estimate = attributions_with(patching, latents)
        outside = [j for j in range(16) if not latents[j] and patching.changed[:, j].any()]
        outside = sorted(sorted(outside, key=lambda j: (estimate[j], j))[:n_candidates])
        kl = []
        for j in outside:
            latents[j] = True
            kl.append(patching.naive_kl(latents).mean())
            latents[j] = False
        order.append(outside[int(np.argmin(kl))])
        latents[order[-1]] = True
    return order


@pytest.mark.parametrize("n_candidates", [1, 3, pytest.param(16, marks=pytest.mark.slow)])
def test_each_step_takes_the_best_candidate(patching: Patching, n_candidates: int) -> None:
    assert greedy_order(patching, 4, n_candidates).tolist() == plain(patching, 4, n_candidates)


def test_it_ends_where_no_latent_is_changed(patching: Patching) -> None:
    steps: list[float] = []
    order = greedy_order(patching, 100, advance=steps.append)
    assert sorted(order) == np.flatnonzero(patching.changed.any(axis=0)).tolist()
    assert steps == [1] * len(order)
    with pytest.raises(ValueError, match="at least one step"):
        greedy_order(patching, 0)
