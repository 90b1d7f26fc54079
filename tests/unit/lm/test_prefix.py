"""Reuse of the first positions: oracle is `run_from` on the whole sequence, which computes all positions at once."""

import pytest
import torch

from monosemy.core import UserError
from monosemy.lm import LanguageModel, Site
from tests.unit.lm.tiny_models import CONTEXT, D_MODEL, VARIANTS, residual_sites, tiny_lm


def close(x: torch.Tensor, y: torch.Tensor) -> bool:
    return torch.allclose(x, y, rtol=0, atol=1e-10)


@pytest.fixture(params=VARIANTS)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return tiny_lm(request.param)


def activations(n_rows: int, n_seq: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_rows, n_seq, D_MODEL, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("n_before", [1, 4, 8])
def test_a_continuation_after_a_prefix_equals_the_whole_pass(lm: LanguageModel, n_before: int) -> None:
    x = activations(3, 9)
    for site in residual_sites(lm):
        prefix = lm.prefix_from(site, x[:, :n_before])
        assert (prefix.n_rows, prefix.n_positions) == (3, n_before)
        whole = lm.run_from(site, x)
        assert close(lm.run_after(prefix, x[:, n_before:]), whole[:, n_before:]), site
        assert close(lm.run_after(prefix, x[:, n_before:], n_last=1), whole[:, -1:]), site


def test_a_prefix_is_used_any_number_of_times(lm: LanguageModel) -> None:
    site = Site(1, "resid_post")
    prefix = lm.prefix_from(site, activations(2, 4))
    first = lm.run_after(prefix, activations(2, 3, seed=1))
    lm.run_after(prefix, activations(2, 5, seed=2))
    assert torch.equal(lm.run_after(prefix, activations(2, 3, seed=1)), first)


def test_rows_are_chosen_and_repeated(lm: LanguageModel) -> None:
    site, x = Site(0, "resid_post"), activations(3, 5)
    index = torch.tensor([2, 0, 2, 1])
    later = activations(4, 3, seed=1)
    expected = lm.run_from(site, torch.cat([x[index], later], dim=1))[:, 5:]
    assert close(lm.run_after(lm.prefix_from(site, x).rows(index), later), expected)


def test_lengths_and_rows_are_checked() -> None:
    lm = tiny_lm("gpt_neox")
    prefix = lm.prefix_from(Site(1, "resid_post"), activations(2, CONTEXT - 1))
    with pytest.raises(UserError, match=f"{CONTEXT + 1} tokens is longer"):
        lm.run_after(prefix, activations(2, 2))
    with pytest.raises(ValueError, match="3 rows cannot follow a prefix of 2"):
        lm.run_after(prefix, activations(3, 1))
    with pytest.raises(UserError, match=r"cannot continue from mlp_out\.1"):
        lm.prefix_from(Site(1, "mlp_out"), activations(2, 2))
