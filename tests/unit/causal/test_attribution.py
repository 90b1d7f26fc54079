"""Attribution. Oracle: finite differences of the mean KL along each latent's edit, and the completeness of the path."""

import numpy as np
import pytest
import torch

from monosemy.causal import Patching, attribution_order, attributions, attributions_with
from monosemy.lm import Site
from tests.unit.causal.patching_cases import sparse_dictionary, tiny_pairs
from tests.unit.lm.tiny_models import tiny_lm

SOME = np.arange(0, 30, 4)


@pytest.fixture(scope="module", params=["resid_post.1", pytest.param("mlp_out.1", marks=pytest.mark.slow)])
def patching(request: pytest.FixtureRequest) -> Patching:
    return Patching(tiny_lm("gpt_neox"), Site.parse(request.param), sparse_dictionary(), tiny_pairs())


def slopes(patching: Patching, latents: np.ndarray) -> np.ndarray:
    """d mean KL / d t of x + t * (edit of latent j), by central differences, for some latents."""
    rows = torch.arange(patching.n_pairs)
    at = patching.edits(torch.from_numpy(latents).expand(patching.n_pairs, -1), rows)
    found = []
    for j in SOME:
        one = torch.zeros(patching.n_pairs, patching.n_latents, dtype=torch.bool)
        one[:, j] = True
        edit = patching.edits(one, rows)
        up, down = (patching.kl_of_edits(at + sign * 1e-5 * edit, rows).mean() for sign in (1, -1))
        found.append((up - down) / 2e-5)
    return np.array(found)


def test_at_the_base_it_is_the_slope_of_each_latents_edit(patching: Patching) -> None:
    assert np.allclose(attributions(patching, 0)[SOME], slopes(patching, patching.none()), rtol=1e-4, atol=1e-7)


def test_with_latents_patched_it_is_the_slope_there(patching: Patching) -> None:
    latents = np.arange(30) % 3 == 0
    assert np.allclose(attributions_with(patching, latents)[SOME], slopes(patching, latents), rtol=1e-4, atol=1e-7)


def test_on_the_path_the_attributions_sum_to_the_whole_change(patching: Patching) -> None:
    change = patching.kl(patching.all()).mean() - patching.base_kl.mean()
    assert attributions(patching, 32).sum() == pytest.approx(change, rel=5e-2)


def test_the_order_begins_with_the_largest_decrease(patching: Patching) -> None:
    order, values = attribution_order(patching), attributions(patching)
    assert sorted(order) == list(range(30))
    assert (np.diff(values[order]) >= 0).all()
    same = [j for j in order if values[j] == 0]
    assert same == sorted(same)
