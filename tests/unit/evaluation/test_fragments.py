"""Oracle: all fragments of a small text at once, sorted in plain Python; chi-square for what is drawn."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from monosemy.activations import ActivationStore, StoredSequences
from monosemy.core import UserError, write_artifact
from monosemy.dictionaries import AbsTopK, Dictionary, Identity, ReLU, Sparsifier, TopK
from monosemy.evaluation import (
    Example,
    FitFragments,
    FragmentConfig,
    FragmentSampler,
    LargestKeys,
    ScoreFragments,
    sample_fragments,
)
from tests.unit.evaluation.fragments_of_tests import (
    VOCABULARY,
    Text,
    arrays_of,
    assert_equal_parts,
    dictionary,
    sampled,
    text,
)

SMALL = FragmentConfig(n_top=4, n_firing=5, n_near_misses=3, n_uniform=9)


def windows(of: Text, by: Dictionary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, pre-activations and mask of every window, [fragment 64 latent] and [fragment 64], 0 where not recorded."""
    dense = []
    width = of.recorded.shape[1] // 64 * 64
    for values in (by.encode(of.x), by.pre_acts(of.x)):
        grid = np.zeros((*of.recorded.shape, by.n_latents), dtype=np.float32)
        grid[of.recorded] = values.numpy()
        dense.append(grid[:, :width].reshape(-1, 64, by.n_latents))
    return dense[0], dense[1], of.recorded[:, :width].reshape(-1, 64)


def found(examples: tuple[Example, ...]) -> list[tuple[int, float]]:
    return [(example.fragment.number, example.peak) for example in examples]


def best(candidates: list[tuple[int, float]], m: int) -> list[tuple[int, float]]:
    return sorted(candidates, key=lambda c: (-c[1], c[0]))[:m]


@pytest.mark.parametrize("sparsifier", [TopK(3), AbsTopK(2), ReLU(), Identity()])
@pytest.mark.parametrize("context_length", [256, 100])
def test_the_fragments_are_those_of_a_search_over_all(sparsifier: Sparsifier, context_length: int) -> None:
    of, by = text(n_sequences=9, context_length=context_length), dictionary(sparsifier=sparsifier, bias=-8)
    part = sampled(FitFragments, of, by, SMALL)
    z, pre, mask = windows(of, by)
    for latent in range(by.n_latents):
        fires = (z[:, :, latent] != 0).any(axis=1)
        peak = [float(z[i, mask[i], latent].max()) for i in range(len(z))]
        pre_peak = [float(pre[i, mask[i], latent].max()) for i in range(len(z))]
        assert found(part.top(latent)) == best([(i, peak[i]) for i in np.flatnonzero(fires).tolist()], 4)
        assert found(part.near_misses(latent)) == best([(i, pre_peak[i]) for i in np.flatnonzero(~fires).tolist()], 3)
        firing = part.firing(latent)
        assert len(firing) == len({e.fragment.number for e in firing}) == min(5, fires.sum())
        assert all(fires[e.fragment.number] for e in firing)
        for example in (*part.top(latent), *firing):
            np.testing.assert_array_equal(example.activations, z[example.fragment.number, :, latent])
        for example in part.near_misses(latent):
            assert example.pre_acts is not None
            np.testing.assert_array_equal(example.pre_acts, pre[example.fragment.number, :, latent])
            assert not example.activations.any()
        assert part.statistics.n_firing_fragments[latent] == fires.sum()
        everything = by.encode(of.x)[:, latent].double().numpy()
        assert part.statistics.n_firing_tokens[latent] == np.count_nonzero(everything)
        np.testing.assert_allclose(part.statistics.mean[latent], everything.mean(), rtol=1e-12)
        np.testing.assert_allclose(part.statistics.variance[latent], everything.var(), rtol=1e-12)
    assert (part.statistics.n_tokens, part.statistics.n_fragments) == (len(of.x), len(z))


def test_a_fragment_tells_its_text_and_where_it_is_from() -> None:
    of = text()
    part = sampled(FitFragments, of, dictionary())
    for example in part.top(1):
        fragment = example.fragment
        sequence, window = divmod(fragment.number, 4)
        at = np.s_[sequence, window * 64 : window * 64 + 64]
        np.testing.assert_array_equal(fragment.tokens, of.sequences.tokens[at])
        np.testing.assert_array_equal(fragment.mask, of.recorded[at])
        np.testing.assert_array_equal(fragment.document, of.sequences.document[at])
        np.testing.assert_array_equal(fragment.index, of.sequences.index[at])
        assert fragment.text == tuple(VOCABULARY[token] for token in fragment.tokens)
        numbers = of.sequences.document[at][of.recorded[at]].tolist()
        most = max(sorted(set(numbers)), key=numbers.count)
        assert (fragment.document_id, fragment.unit) == (f"0/d{most}", f"u{most // 3}")
        places = [i for d, i in zip(fragment.document.tolist(), fragment.index.tolist(), strict=True) if d == most]
        assert fragment.start == min(i for i in places if i >= 0)


@settings(max_examples=15, deadline=None)
@given(chunk=st.integers(1, 700))
def test_chunks_do_not_matter(chunk: int) -> None:
    of = text(n_sequences=3)
    noisy = Text(sequences=of.sequences, documents=of.documents, recorded=of.recorded, x=of.x + torch.rand(of.x.shape))
    assert_equal_parts(
        sampled(FitFragments, noisy, dictionary(), SMALL, chunk), sampled(FitFragments, noisy, dictionary(), SMALL)
    )


def test_uniform_fragments_hold_every_latent() -> None:
    of, by = text(n_sequences=9), dictionary()
    part = sampled(FitFragments, of, by, SMALL)
    uniform = part.uniform()
    z, _, mask = windows(of, by)
    assert len(uniform) == len(set(uniform.fragments.number.tolist())) == 9
    np.testing.assert_array_equal(uniform.fragments.mask, mask[uniform.fragments.number])
    for latent in range(by.n_latents):
        np.testing.assert_array_equal(uniform.activations(latent), z[uniform.fragments.number][:, :, latent])


def test_uniform_fragments_are_the_same_for_another_dictionary_and_others_for_another_seed() -> None:
    of = text(n_sequences=9)
    numbers = sampled(FitFragments, of, dictionary(), SMALL).uniform().fragments.number.tolist()
    other = sampled(FitFragments, of, dictionary(n_latents=30, sparsifier=ReLU(), seed=5), SMALL)
    assert other.uniform().fragments.number.tolist() == numbers
    again = sampled(FitFragments, of, dictionary(), FragmentConfig(n_uniform=9, seed=1))
    assert again.uniform().fragments.number.tolist() != numbers


def test_uniform_fragments_are_drawn_uniformly() -> None:
    """96 windows, 9 drawn, 300 seeds: chi-square over windows; without replacement its terms shrink by 1 - 9/96."""
    of, by = text(n_sequences=24), dictionary(n_latents=3, sparsifier=ReLU())
    counts = np.zeros(96)
    for seed in range(300):
        sampler = FragmentSampler(FitFragments, by, of.sequences, FragmentConfig(n_uniform=9, seed=seed))
        counts[sampler._uniform] += 1
    assert_uniform(counts, 300 * 9 / 96, 9 / 96)


def test_the_firing_sample_is_uniform() -> None:
    """200 latents that fire on the same 30 of 96 fragments, 5 kept of each, both splits: how often each one is kept."""
    of = text(n_sequences=24)
    chosen = np.random.default_rng(3).choice(96, 30, replace=False)
    x = torch.zeros_like(of.x)
    fragment = of.place // 64
    for number in chosen.tolist():
        x[np.flatnonzero(fragment == number)[7]] = 1.0
    of = Text(sequences=of.sequences, documents=of.documents, recorded=of.recorded, x=x)
    ones = torch.ones(200, 4)
    by = Dictionary(W_enc=ones, b_enc=torch.zeros(200), W_dec=ones, b_dec=torch.zeros(4), sparsifier=ReLU())
    counts = np.zeros(96)
    for part in (FitFragments, ScoreFragments):
        kept = sampled(part, of, by, SMALL)
        numbers = kept.table.number[kept.kept["firing"].row]
        np.add.at(counts, numbers.ravel(), 1)
    assert counts.sum() == counts[chosen].sum() == 2 * 200 * 5
    assert_uniform(counts[chosen], 2 * 200 * 5 / 30, 5 / 30)


def assert_uniform(counts: np.ndarray, expected: float, share: float) -> None:
    statistic = ((counts - expected) ** 2).sum() / expected / (1 - share) * (len(counts) - 1) / len(counts)
    assert 1e-4 < scipy.stats.chi2.sf(statistic, len(counts) - 1) < 1 - 1e-4


def test_the_splits_have_streams_of_their_own() -> None:
    of, by = text(n_sequences=9), dictionary(sparsifier=ReLU())
    fit, score = sampled(FitFragments, of, by, SMALL), sampled(ScoreFragments, of, by, SMALL)
    assert not np.array_equal(fit.table.number[fit.uniform_row], score.table.number[score.uniform_row])
    assert [e.fragment.number for e in fit.firing(1)] != [e.fragment.number for e in score.firing(1)]


def test_some_latents_are_kept_as_if_all_were() -> None:
    of, by = text(n_sequences=9), dictionary()
    everything = sampled(FitFragments, of, by, SMALL)
    some = sampled(FitFragments, of, by, FragmentConfig(**{**SMALL_FIELDS, "latents": (1, 4, 11)}))
    for latent in (1, 4, 11):
        for method in ("top", "firing", "near_misses"):
            assert found(getattr(some, method)(latent)) == found(getattr(everything, method)(latent))
        np.testing.assert_array_equal(some.uniform().activations(latent), everything.uniform().activations(latent))
    with pytest.raises(UserError, match="no fragments of latent 2; 3 latents were kept"):
        some.top(2)
    with pytest.raises(UserError, match="no fragments of latent 12"):
        some.uniform().activations(12)


SMALL_FIELDS = {"n_top": 4, "n_firing": 5, "n_near_misses": 3, "n_uniform": 9}


def test_dead_latents_latents_that_always_fire_and_few_fragments() -> None:
    of, by = text(n_sequences=1), dictionary(n_latents=5, sparsifier=ReLU(), bias=-30)
    part = sampled(FitFragments, of, by, FragmentConfig())
    assert part.top(0) == part.firing(0) == ()
    assert found(part.near_misses(0)) == [(i, -1.0) for i in range(4)]
    assert found(part.top(1)) == [(i, 2.0) for i in range(4)]
    assert sorted(found(part.firing(1))) == [(i, 2.0) for i in range(4)]
    assert part.near_misses(1) == ()
    assert part.statistics.n_firing_tokens[:2].tolist() == [0, len(of.x)]
    assert len(part.uniform()) == 4  # all, as there are fewer than 4,000
    assert part.statistics.variance[:2].tolist() == [0.0, 0.0]


def test_the_state_does_not_grow_with_the_text() -> None:
    by = dictionary(sparsifier=Identity())
    sizes = []
    for n_sequences in (40, 160):
        of = text(n_sequences=n_sequences)
        sampler = FragmentSampler(FitFragments, by, of.sequences, SMALL)
        sampler.add(of.place, of.x)
        sampler.add(of.place[:0], of.x[:0])
        sizes.append(sampler.n_bytes)
    assert abs(sizes[1] - sizes[0]) < 0.1 * sizes[0]  # the uniform fragments differ in a few recorded tokens


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=4), seed=st.integers(0, 100))
def test_the_largest_keys_of_a_stream_are_those_of_a_stable_sort(cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    key = rng.integers(0, 5, (30, 3)).astype(np.float64)
    key[key == 0] = -np.inf
    values = rng.normal(size=(30, 64, 3)).astype(np.float32)
    number = np.arange(100, 130)
    kept = LargestKeys(3, 4)
    for part in np.split(np.arange(30), sorted(cuts)):
        kept.offer(key[part], number[part], values[part])
    for latent in range(3):
        order = [i for i in np.argsort(-key[:, latent], kind="stable") if key[i, latent] > -np.inf][:4]
        n = len(order)
        assert kept.fragment[latent].tolist() == [*number[order].tolist(), *[-1] * (4 - n)]
        np.testing.assert_array_equal(kept.values[latent, :n], values[order, :, latent])


# --- from a store on disk, and what is refused ---------------------------------------------------------------------


def write_store(folder: Path, of: Text, *, split: str = "validation", order: str = "text") -> ActivationStore:
    """A store of one site and two shards."""
    config = {"split": split, "order": order, "lm": "m"}
    with write_artifact(folder, kind="activations", config=config) as path:
        cut = len(of.x) // 3
        for name, key, array in (("resid_post.1", "x", of.x.numpy()), ("place", "place", of.place)):
            (path / name).mkdir()
            for shard, rows in enumerate((array[:cut], array[cut:])):
                save_file({key: np.ascontiguousarray(rows)}, path / name / f"{shard:05d}.safetensors")
        arrays = {name: getattr(of.sequences, name) for name in ("tokens", "document", "index")}
        save_file(arrays, path / "sequences.safetensors")
        fields = ("id", "unit", "n_tokens", "first_token")
        documents = [{name: getattr(document, name) for name in fields} for document in of.documents]
        (path / "documents.json").write_text(json.dumps(documents))
        save_file(
            {"resid_post.1/mean": np.zeros(4), "resid_post.1/mean_square": np.ones(4)}, path / "moments.safetensors"
        )
        about = {
            "n_rows": len(of.x),
            "shard_rows": [cut, len(of.x) - cut],
            "d_site": {"resid_post.1": 4},
            "dtype": "float32",
            "order": order,
            "context_length": of.recorded.shape[1],
        }
        (path / "store.json").write_text(json.dumps(about))
    return ActivationStore.open(folder)


def test_a_store_gives_what_its_rows_give(tmp_path: Path) -> None:
    of, by = text(), dictionary()
    seen: list[float] = []
    part = sample_fragments(
        FitFragments, by, write_store(tmp_path / "s", of), "resid_post.1", VOCABULARY, SMALL, advance=seen.append
    )
    assert_equal_parts(part, sampled(FitFragments, of, by, SMALL))
    assert sum(seen) == len(of.x)


def test_what_scores_is_not_drawn_from_what_fits(tmp_path: Path) -> None:
    """The type names the split, and the store must be of it."""
    store = write_store(tmp_path / "s", text())
    with pytest.raises(UserError, match=r"ScoreFragments are drawn from test; .* is of validation"):
        sample_fragments(ScoreFragments, dictionary(), store, "resid_post.1", VOCABULARY, SMALL)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    of = text()
    store = write_store(tmp_path / "s", of)
    wide = Dictionary(
        W_enc=torch.ones(3, 7), b_enc=torch.zeros(3), W_dec=torch.ones(3, 7), b_dec=torch.zeros(7), sparsifier=ReLU()
    )
    with pytest.raises(UserError, match=r"reads 7 .* has 4"):
        sample_fragments(FitFragments, wide, store, "resid_post.1", VOCABULARY, SMALL)
    with pytest.raises(UserError, match=r"no activations at 'resid_post\.9'"):
        sample_fragments(FitFragments, dictionary(), store, "resid_post.9", VOCABULARY, SMALL)
    with pytest.raises(UserError, match="token 49 is beyond the vocabulary of 10"):
        sample_fragments(FitFragments, dictionary(), store, "resid_post.1", VOCABULARY[:10], SMALL)
    shuffled = write_store(tmp_path / "shuffled", of, order="shuffled")
    with pytest.raises(UserError, match=r"is shuffled; .* order of the text"):
        sample_fragments(FitFragments, dictionary(), shuffled, "resid_post.1", VOCABULARY, SMALL)
    with pytest.raises(UserError, match="no latent 12; the dictionary has 12"):
        sampled(FitFragments, of, dictionary(), FragmentConfig(latents=(3, 12)))
    with pytest.raises(UserError, match="rows of 63 positions are shorter"):
        sampled(FitFragments, text(context_length=63), dictionary())


@pytest.mark.parametrize("latents", [(), (2, 1), (1, 1), (-1, 2)])
def test_latents_are_named_once_and_in_order(latents: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="name the latents once each"):
        FragmentConfig(latents=latents)


def test_counts_are_at_least_one() -> None:
    with pytest.raises(UserError, match="n_firing is 0; give at least 1"):
        FragmentConfig(n_firing=0)


def test_rows_that_are_missing_or_out_of_order_are_noticed() -> None:
    of, by = text(), dictionary()
    sampler = FragmentSampler(FitFragments, by, of.sequences, SMALL)
    sampler.add(of.place[:600], of.x[:600])
    with pytest.raises(UserError, match="order of the text"):
        sampler.add(of.place[599:700], of.x[599:700])
    sampler.add(of.place[601:], of.x[601:])
    with pytest.raises(UserError, match="place 1536 is beyond the text of 1536"):
        sampler.add(np.array([1536]), of.x[:1])
    with pytest.raises(UserError, match="harvest the text anew"):
        sampler.finish(VOCABULARY, of.documents)


def test_activations_that_overflow_are_refused() -> None:
    of = text()
    ones = torch.ones(2, 4)
    huge = Dictionary(W_enc=3e38 * ones, b_enc=ones[:, 0], W_dec=ones, b_dec=ones[0], sparsifier=ReLU())
    with pytest.raises(UserError, match="not finite"):
        sampled(FitFragments, of, huge, SMALL)


def test_fragments_without_a_recorded_token_count_nowhere() -> None:
    of = text(n_sequences=2)
    index = of.sequences.index.copy()
    index[0, 64:128] = -1
    sequences = StoredSequences(tokens=of.sequences.tokens, document=of.sequences.document, index=index)
    recorded = (index >= 0) & (np.arange(256) > 0)
    empty = Text(sequences=sequences, documents=of.documents, recorded=recorded, x=of.x[: recorded.sum()])
    part = sampled(FitFragments, empty, dictionary(sparsifier=ReLU()), FragmentConfig())
    assert part.statistics.n_fragments == 7
    for latent in range(12):
        examples = (*part.top(latent), *part.firing(latent), *part.near_misses(latent))
        assert 1 not in [example.fragment.number for example in examples]
    assert not part.uniform().activations(1)[1].any()
    assert "table/mask" in arrays_of(part)


def test_of_many_documents_one_fragment_each_enters() -> None:
    """Oracle: the document of each window's first token, one by one; of fewer documents all windows enter."""
    of, by = text(n_sequences=24), dictionary(sparsifier=ReLU())
    first = of.sequences.document[:, ::64].reshape(-1)
    n_documents = len(np.unique(of.sequences.document[of.sequences.index >= 0]))
    config = FragmentConfig(n_top=96, n_firing=96, n_near_misses=96, n_uniform=96, one_a_document_from=n_documents)
    part = sampled(FitFragments, of, by, config)
    numbers = part.uniform().fragments.number
    assert sorted(first[numbers].tolist()) == np.unique(first).tolist()  # one of each document, and no more
    assert part.statistics.n_fragments == len(numbers) < 96
    for latent in range(by.n_latents):
        shown = {e.fragment.number for e in (*part.top(latent), *part.firing(latent), *part.near_misses(latent))}
        assert shown <= set(numbers.tolist())
    fewer = dataclasses.replace(config, one_a_document_from=n_documents + 1)
    assert sampled(FitFragments, of, by, fewer).statistics.n_fragments == 96
    assert fewer != config and sampled(FitFragments, of, by, config).statistics.n_fragments == len(numbers)
