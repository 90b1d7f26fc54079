"""The threshold sweep. Oracle: the naive sweep, a whole pass of all pairs for each visit; and the rule itself."""

import numpy as np
import pytest

from monosemy.causal import Patching, naive_threshold_sweep, threshold_sweep
from monosemy.core import UserError
from monosemy.lm import LanguageModel, Site
from tests.unit.causal.patching_cases import KINDS, perfect_dictionary, sparse_dictionary, tiny_pairs
from tests.unit.lm.tiny_models import tiny_lm, tiny_model, tiny_tokenizer

THRESHOLDS = tuple(np.logspace(-4, 0.5, 5).tolist())
N, PAIRS = 14, (KINDS[0], KINDS[1], KINDS[3])


def lm(variant: str = "gpt_neox", *, single: bool = False) -> LanguageModel:
    return LanguageModel(tiny_model(variant).float(), tiny_tokenizer(), variant) if single else tiny_lm(variant)


@pytest.mark.parametrize(("seed", "single"), [(0, False), (1, False), (0, True), (2, True)])
def test_the_sets_are_those_of_the_naive_sweep(seed: int, single: bool) -> None:
    patching = Patching(
        lm(single=single), Site(1, "resid_post"), sparse_dictionary(N, seed=seed), tiny_pairs(PAIRS, seed)
    )
    fast, naive = (sweep(patching, THRESHOLDS, seed) for sweep in (threshold_sweep, naive_threshold_sweep))
    assert np.array_equal(fast.sets, naive.sets)
    assert np.array_equal(fast.order, naive.order)
    assert np.allclose(fast.kl, naive.kl, rtol=0, atol=1e-10 if not single else 1e-5)
    assert np.allclose(fast.edit, naive.edit)
    assert fast.n_visits == naive.n_visits
    assert fast.n_passes < naive.n_passes
    assert fast.n_skipped > 0


@pytest.mark.parametrize(("variant", "name"), [("gpt2", "resid_post.0"), ("llama", "mlp_out.1")])
def test_other_families_and_locations(variant: str, name: str) -> None:
    patching = Patching(lm(variant), Site.parse(name), sparse_dictionary(N), tiny_pairs(PAIRS))
    fast, naive = (sweep(patching, THRESHOLDS[::2], 0) for sweep in (threshold_sweep, naive_threshold_sweep))
    assert np.array_equal(fast.sets, naive.sets)


def test_a_dense_dictionary_where_every_latent_differs() -> None:
    patching = Patching(lm(), Site(1, "resid_post"), perfect_dictionary(), tiny_pairs(PAIRS[1:]))
    assert patching.changed.all()
    fast, naive = (sweep(patching, THRESHOLDS[::2], 3) for sweep in (threshold_sweep, naive_threshold_sweep))
    assert np.array_equal(fast.sets, naive.sets)


def test_close_calls_are_decided_by_whole_passes() -> None:
    """With a margin that makes every call a close one, nothing but whole passes decides."""
    patching = Patching(lm(), Site(1, "resid_post"), sparse_dictionary(N), tiny_pairs(PAIRS))
    every = threshold_sweep(patching, (1e-3, 0.3), 0, close_call=1e9)
    visits = every.n_visits - int((~patching.changed.any(axis=0)).sum())
    assert every.n_close_calls == visits
    assert np.array_equal(every.sets, naive_threshold_sweep(patching, (1e-3, 0.3), 0).sets)


def test_the_sets_shrink_and_are_beginnings_of_the_order() -> None:
    patching = Patching(lm(), Site(1, "resid_post"), sparse_dictionary(N), tiny_pairs(PAIRS))
    advanced: list[float] = []
    sweep = threshold_sweep(patching, THRESHOLDS, 5, advance=advanced.append)
    assert advanced == [1] * len(THRESHOLDS)
    assert sorted(sweep.order) == list(range(N))
    for latents, kl, edit in zip(sweep.sets, sweep.kl, sweep.edit, strict=True):
        assert set(np.flatnonzero(latents)) == set(sweep.order[: latents.sum()])
        assert np.allclose(kl, patching.naive_kl(latents), rtol=0, atol=1e-10)
        assert np.allclose(edit, patching.edit_norm(latents))
    quiet = ~patching.changed.any(axis=0)
    assert not sweep.sets[0][quiet].any()
    curve = sweep.curve(patching)
    assert {0, N, *sweep.sets.sum(axis=1)} == set(curve.n_patched)
    assert np.array_equal(curve.kl[0], patching.base_kl)


def test_a_seed_gives_one_order_and_another_another() -> None:
    patching = Patching(lm(), Site(1, "resid_post"), sparse_dictionary(N), tiny_pairs(PAIRS))
    first, again, other = (threshold_sweep(patching, THRESHOLDS[::2], seed) for seed in (1, 1, 2))
    assert np.array_equal(first.order, again.order)
    assert not np.array_equal(first.order, other.order)


@pytest.mark.parametrize("thresholds", [(), (1.0, 0.5), (0.1, 0.1)])
def test_thresholds_ascend(thresholds: tuple[float, ...]) -> None:
    patching = Patching(lm(), Site(1, "resid_post"), sparse_dictionary(N), tiny_pairs(PAIRS))
    for sweep in (threshold_sweep, naive_threshold_sweep):
        with pytest.raises(UserError, match="thresholds of a sweep ascend"):
            sweep(patching, thresholds, 0)
