"""Patching through a dictionary. Oracle: one pair, one position and one latent at a time, by a full pass in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.causal import Patching, kl_to
from monosemy.core import UserError
from monosemy.lm import LanguageModel, Site
from tests.unit.causal.patching_cases import direct_kl, kl, perfect_dictionary, sparse_dictionary, tiny_pairs
from tests.unit.lm.tiny_models import D_MLP, D_MODEL, VARIANTS, tiny_lm

SITE = Site(1, "resid_post")


def mask(latents: set[int], n: int = 30) -> np.ndarray:
    return np.isin(np.arange(n), list(latents))


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return tiny_lm("gpt_neox")


@pytest.fixture(scope="module")
def patching(lm: LanguageModel) -> Patching:
    return Patching(lm, SITE, sparse_dictionary(), tiny_pairs())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["resid_post.1", "resid_pre.0", "mlp_out.1"])
def test_kl_and_edit_norm_equal_the_direct_computation(variant: str, name: str) -> None:
    lm, site, dictionary, pairs = tiny_lm(variant), Site.parse(name), sparse_dictionary(), tiny_pairs()
    patching = Patching(lm, site, dictionary, pairs)
    latents = set(range(0, 30, 2))
    found, whole, norm = (f(mask(latents)) for f in (patching.kl, patching.naive_kl, patching.edit_norm))
    for n, pair in enumerate(pairs):
        expected = direct_kl(lm, site, dictionary, pair, latents)
        assert found[n] == pytest.approx(expected[0], abs=1e-5)
        assert whole[n] == pytest.approx(expected[0], abs=1e-5)
        assert norm[n] == pytest.approx(expected[1], abs=1e-5)


def test_other_locations_have_their_own_width(lm: LanguageModel) -> None:
    site, dictionary, pair = Site(0, "mlp_hidden"), sparse_dictionary(d_site=D_MLP), tiny_pairs()[0]
    found = Patching(lm, site, dictionary, [pair]).kl(mask({1, 2, 5, 7}))
    assert found[0] == pytest.approx(direct_kl(lm, site, dictionary, pair, {1, 2, 5, 7})[0], abs=1e-5)


def test_changed_latents_are_those_that_differ_at_some_position(lm: LanguageModel, patching: Patching) -> None:
    dictionary = sparse_dictionary()
    for n, pair in enumerate(tiny_pairs()):
        z = [
            dictionary.encode(lm.capture(torch.tensor([ids]), [SITE])[SITE][0])
            for ids in (pair.clean_ids, pair.corrupt_ids)
        ]
        differs = ((z[0] - z[1]).abs() > 1e-9).numpy()
        assert np.array_equal(patching.changed[n], differs.any(axis=0))
        assert np.array_equal(patching.n_entries[n], differs.sum(axis=0))
    assert patching.changed.any() and not patching.changed.all()
    assert np.array_equal(patching.entries(mask({3, 4})), patching.n_entries[:, [3, 4]].sum(axis=1))


def test_nothing_patched_is_the_base_run_bit_for_bit(patching: Patching) -> None:
    rows = torch.arange(patching.n_pairs)
    here = patching.continuation
    none = patching.edits(torch.zeros(patching.n_pairs, 30, dtype=torch.bool), rows)
    assert torch.equal(here.base + none, here.base)
    assert np.array_equal(patching.kl(patching.none()), patching.base_kl)
    assert (patching.edit_norm(patching.none()) == 0).all()


def test_the_base_is_the_divergence_of_the_two_prompts(lm: LanguageModel, patching: Patching) -> None:
    for n, pair in enumerate(tiny_pairs()):
        clean, corrupt = (lm.logits(torch.tensor([ids]))[0, -1] for ids in (pair.clean_ids, pair.corrupt_ids))
        assert patching.base_kl[n] == pytest.approx(kl(clean, corrupt), abs=1e-10)


def test_all_of_a_perfect_dictionary_is_the_full_patch(lm: LanguageModel) -> None:
    patching = Patching(lm, SITE, perfect_dictionary(), tiny_pairs())
    assert np.allclose(patching.kl(patching.all()), 0, atol=1e-10)
    assert np.allclose(patching.oracle(), 0, atol=1e-10)
    assert np.allclose(patching.error_only(), patching.base_kl, atol=1e-10)


def test_all_latents_and_the_error_together_are_the_oracle(patching: Patching) -> None:
    """x_base + (edit of all latents) + (edit of the error) is x_target, whatever the dictionary."""
    here, rows = patching.continuation, torch.arange(patching.n_pairs)
    written = patching.edits(torch.ones(patching.n_pairs, 30, dtype=torch.bool), rows)
    error = torch.stack([patching.dictionary.reconstruct(x) for x in here.target]) - here.target
    error -= torch.stack([patching.dictionary.reconstruct(x) for x in here.base]) - here.base
    error *= here.is_real[..., None]
    assert torch.allclose(here.base + written - error, here.target, rtol=0, atol=1e-10)
    assert np.allclose(patching.error_only(), patching.kl_of_edits(-error, rows), atol=1e-10)
    assert np.allclose(patching.oracle(), 0, atol=1e-10)


@settings(max_examples=8)
@given(st.lists(st.sets(st.integers(0, 29)), min_size=1, max_size=3), st.sets(st.integers(0, 6), min_size=1))
def test_many_sets_and_chosen_pairs_equal_one_by_one(sets: list[set[int]], pairs: set[int]) -> None:
    patching = _shared()
    chosen = np.array(sorted(pairs, reverse=True))
    found = patching.kl_of_sets(np.stack([mask(each) for each in sets]), chosen)
    for row, each in zip(found, sets, strict=True):
        assert np.allclose(row, patching.naive_kl(mask(each))[chosen], rtol=0, atol=1e-10)


_kept: list[Patching] = []


def _shared() -> Patching:
    if not _kept:
        _kept.append(Patching(tiny_lm("gpt_neox"), SITE, sparse_dictionary(), tiny_pairs()))
    return _kept[0]


def test_the_gradient_is_the_slope_of_the_kl(patching: Patching) -> None:
    latents = mask({1, 4, 6, 9})
    gradient = patching.gradient_with(latents)
    rows = torch.arange(patching.n_pairs)
    edits = patching.edits(torch.from_numpy(latents).expand(patching.n_pairs, -1), rows)
    for place in [(0, 0, 3), (2, 1, 7), (3, 4, 20)]:
        step = torch.zeros_like(edits)
        step[place] = 1e-5
        up, down = (patching.kl_of_edits(edits + sign * step, rows)[place[0]] for sign in (1, -1))
        assert float(gradient[place]) == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-7)
    assert torch.allclose(patching.gradient(0.0), patching.gradient_with(patching.none()))
    assert torch.allclose(patching.gradient(1.0), patching.gradient_with(patching.all()))


@given(st.integers(0, 1000), st.floats(0.1, 30.0))
def test_kl_equals_its_definition(seed: int, scale: float) -> None:
    logits = scale * torch.randn(2, 2, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = kl_to(logits[0], logits[1].log_softmax(-1))
    p, log_q = logits[0].log_softmax(-1), logits[1].log_softmax(-1)
    assert torch.allclose(found, (p.exp() * (p - log_q)).sum(-1), rtol=1e-9, atol=1e-10)


def test_a_dictionary_of_another_width_is_named(lm: LanguageModel) -> None:
    with pytest.raises(UserError, match=rf"reads width 10 .* resid_post.1 has width {D_MODEL}"):
        Patching(lm, SITE, sparse_dictionary(d_site=10), tiny_pairs())
    with pytest.raises(UserError, match="no pair"):
        Patching(lm, SITE, sparse_dictionary(), [])
