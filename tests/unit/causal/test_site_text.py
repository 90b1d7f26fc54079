"""Windows of text on which a latent is active. Oracle: the planted text, read position by position."""

import numpy as np
import pytest
import torch

from monosemy.causal import latent_at_last, sample_contexts
from monosemy.core import UserError
from tests.unit.causal.planted_wiring import CAUSE_HERE, N_FEATURES, SEQ, TARGET, Planted, planted, planted_dictionary

WINDOW = 6


@pytest.fixture(scope="module")
def world() -> Planted:
    return planted()


def test_activations_are_the_dictionarys_on_every_recorded_position(world: Planted) -> None:
    text, store = world.layers[1].fit, world.stores[0]
    z = planted_dictionary(1).encode(store.x["resid_post.1"])
    for latent in range(N_FEATURES + 2):
        assert np.allclose(text.activations(latent), z[:, latent].numpy(), atol=1e-5)
    assert np.allclose(text.mean_latents(), z.mean(dim=0).numpy(), atol=1e-6)
    assert text.n_tokens == len(z) == int(text.is_recorded.sum())
    assert not text.is_recorded[:, 0].any()


def test_windows_end_where_the_latent_is_between_half_its_peak_and_its_peak(world: Planted) -> None:
    text = world.layers[0].fit
    found = sample_contexts(world.lm, text, CAUSE_HERE, n_contexts=12, window_tokens=WINDOW, seed=0)
    values = text.activations(CAUSE_HERE)
    assert len(found) == 12
    assert found.peak == pytest.approx(values.max())
    assert found.n_firing == (values > 0).sum()
    assert found.n_in_range == ((values >= values.max() / 2) & (values > 0)).sum()
    assert found.n_dropped == 0  # the lowest layer of this model reads its own token only
    assert len(set(found.place.tolist())) == 12
    for i, place in enumerate(found.place):
        sequence, position = divmod(int(place), SEQ)
        n = min(position + 1, WINDOW)
        assert int(found.last[i]) == n - 1
        assert found.tokens[i, :n].tolist() == text.tokens[sequence, position + 1 - n : position + 1].tolist()
        assert found.tokens[i, n:].eq(0).all() and not found.edited[i, n:].any()
        assert found.edited[i].tolist()[:n] == [False] + [True] * (n - 1)
        said = world.z[int(text.tokens[sequence, position]), CAUSE_HERE]
        assert float(found.activation[i]) == pytest.approx(float(said), abs=1e-6)


def test_windows_that_lose_the_latent_are_dropped_and_counted(world: Planted) -> None:
    """Two tokens leave the head little to read: the target is computed anew, alone, for every window that is kept."""
    text = world.layers[2].fit
    found = sample_contexts(world.lm, text, TARGET, n_contexts=10_000, window_tokens=2, seed=0)
    assert found.n_dropped > 0
    assert found.n_dropped + len(found) == found.n_in_range
    for i in range(len(found)):
        alone = found.tokens[i : i + 1, : int(found.last[i]) + 1]
        x = world.lm.capture(alone, [text.site])[text.site][0, -1]
        z = torch.relu(text.dictionary.W_enc[TARGET] @ x + text.dictionary.b_enc[TARGET])
        assert float(z) == pytest.approx(float(found.activation[i]), abs=1e-9)
        assert found.peak / 2 <= float(z) <= 1.02 * found.peak


def test_a_given_peak_decides_the_range(world: Planted) -> None:
    text = world.layers[0].score
    found = sample_contexts(world.lm, text, CAUSE_HERE, n_contexts=50, window_tokens=WINDOW, seed=0, peak=1.5)
    assert found.peak == 1.5
    assert ((found.activation >= 0.75) & (found.activation <= 1.5 * 1.02)).all()


def test_a_latent_that_never_fires_has_no_context(world: Planted) -> None:
    found = sample_contexts(world.lm, world.layers[0].fit, N_FEATURES, n_contexts=5, window_tokens=WINDOW, seed=0)
    assert (len(found), found.peak, found.n_firing, found.n_in_range) == (0, 0.0, 0, 0)
    none = torch.zeros(0, 4, dtype=torch.int64)
    assert len(latent_at_last(world.lm, world.layers[0].fit, 0, none, torch.zeros(0, dtype=torch.int64))) == 0


def test_the_seed_decides_the_order(world: Planted) -> None:
    text = world.layers[0].fit
    places = [
        sample_contexts(world.lm, text, CAUSE_HERE, n_contexts=8, window_tokens=WINDOW, seed=seed).place.tolist()
        for seed in (0, 0, 1)
    ]
    assert places[0] == places[1] != places[2]


def test_frequent_tokens_by_counting(world: Planted) -> None:
    text = world.layers[0].fit
    values = text.activations(CAUSE_HERE)
    counts: dict[int, int] = {}
    for row in np.flatnonzero(values >= values.max() / 2):
        token = int(text.tokens.ravel()[text.place[row]])
        counts[token] = counts.get(token, 0) + 1
    expected = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    total = sum(counts.values())
    assert text.frequent_tokens(CAUSE_HERE, 3) == [(token, n / total) for token, n in expected]
    assert text.frequent_tokens(N_FEATURES, 3) == []


def test_refusals(world: Planted) -> None:
    with pytest.raises(UserError, match="latent -1 does not exist: planted-0-seed0 has 0 to 6"):
        world.layers[0].fit.activations(-1)
    with pytest.raises(UserError, match="longer than the model's context of 4"):
        short = planted()
        short.lm.model.config.max_position_embeddings = 4
        sample_contexts(short.lm, short.layers[0].fit, 0, n_contexts=3, window_tokens=8, seed=0)
