"""Oracles: the model run over each sequence alone, and a buffer kept in a Python list."""

import itertools
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monosemy.activations import ActivationStream, PackedSequences, StreamConfig
from monosemy.core import UserError
from monosemy.dictionaries import TopKConfig
from monosemy.lm import LanguageModel, ModelSource, Site
from monosemy.training import BatchStream, Member, train_members
from tests.unit.lm.tiny_models import VOCAB, saved_model

SITES = ("resid_post.0", "mlp_hidden.1")
N_SEQUENCES, LENGTH = 11, 8


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return ModelSource(name=str(saved_model(tmp_path_factory.mktemp("lm"), "gpt_neox")), device="cpu").load()


@pytest.fixture(scope="module")
def packed() -> PackedSequences:
    """Eleven rows, two of them with a separator in the middle: 7 x 11 - 2 = 75 rows an epoch."""
    rng = np.random.default_rng(0)
    index = np.tile(np.arange(-1, LENGTH - 1, dtype=np.int32), (N_SEQUENCES, 1))
    index[[2, 5], 4] = -1
    tokens = rng.integers(1, VOCAB, size=(N_SEQUENCES, LENGTH)).astype(np.int32)
    return PackedSequences(tokens=tokens, document=np.zeros_like(index), index=index, n_dropped_tokens=0)


def config(**changed: Any) -> StreamConfig:
    fields: dict[str, Any] = {
        "batch_size": 6,
        "buffer_tokens": 20,
        "dtype": "float32",
        "batch_tokens": 3 * LENGTH,
        "seed": 1,
    }
    return StreamConfig(**(fields | changed))


Taken = list[tuple[dict[str, Tensor], dict[str, int]]]


def taken(stream: ActivationStream, n: int, state: dict[str, int] | None = None) -> Taken:
    return [(dict(batch), dict(after)) for batch, after in itertools.islice(stream.batches(state), n)]


def test_every_batch_is_of_the_texts_rows_and_each_row_comes_before_it_comes_again(
    lm: LanguageModel, packed: PackedSequences
) -> None:
    """75 rows go in an epoch; what came out in 100 batches and the 20 that are still inside are the first 620 rows."""
    captured = lm.capture(torch.from_numpy(packed.tokens.astype(np.int64)), [Site.parse(site) for site in SITES])
    recorded = torch.from_numpy((packed.index >= 0) & (np.arange(LENGTH) > 0))
    truth = captured[Site.parse(SITES[0])][recorded]
    other = captured[Site.parse(SITES[1])][recorded]
    assert len(truth) == 75
    stream = ActivationStream(lm, packed, SITES, config())
    counts = np.zeros(75, dtype=int)
    for batch, _ in taken(stream, 100):
        distance = torch.cdist(batch[SITES[0]], truth, compute_mode="donot_use_mm_for_euclid_dist")
        assert distance.min(dim=1).values.max() < 1e-4  # a product of other shape rounds otherwise
        found = distance.argmin(dim=1)
        assert torch.allclose(batch[SITES[1]], other[found], atol=1e-4)  # the same tokens at every site
        counts += np.bincount(found.numpy(), minlength=75)
    assert counts.sum() == 600
    assert counts.max() <= 9  # 620 rows are 8.3 epochs
    assert counts.min() >= 600 // 75 - 3  # of 8 or 9, some are still inside


def test_the_order_is_mixed(lm: LanguageModel, packed: PackedSequences) -> None:
    """A first batch without the buffer would be of one sequence; with it, of several."""
    stream = ActivationStream(lm, packed, SITES, config(buffer_tokens=75))
    again = ActivationStream(lm, packed, SITES, config(buffer_tokens=75))
    other = ActivationStream(lm, packed, SITES, config(buffer_tokens=75, seed=2))
    first = taken(stream, 1)[0][0][SITES[0]]
    assert torch.equal(first, taken(again, 1)[0][0][SITES[0]])
    assert not torch.equal(first, taken(other, 1)[0][0][SITES[0]])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_goes_on_from_any_state_to_the_bit(lm: LanguageModel, packed: PackedSequences, dtype: str) -> None:
    """Over three epochs; a new stream object has nothing but the state."""
    whole = taken(ActivationStream(lm, packed, SITES, config(dtype=dtype)), 40)
    for n in (1, 2, 9, 13, 37):
        later = taken(ActivationStream(lm, packed, SITES, config(dtype=dtype)), 3, whole[n - 1][1])
        for (batch, state), (expected, expected_state) in zip(later, whole[n : n + 3], strict=False):
            assert state == expected_state
            assert all(torch.equal(batch[site], expected[site]) for site in SITES)


def test_on_resume_the_model_reads_only_what_is_still_in_the_buffer(
    lm: LanguageModel, packed: PackedSequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 100 batches of 6 the buffer of 20 holds rows of the last two epochs, four calls each."""
    stream = ActivationStream(lm, packed, SITES, config())
    calls: list[tuple[int, int]] = []
    read = ActivationStream._read
    monkeypatch.setattr(ActivationStream, "_read", lambda s, e, c: (calls.append((e, c)), read(s, e, c))[1])
    taken(stream, 1, {"n_batches": 100})
    assert 1 <= len(calls) <= 8
    assert min(epoch for epoch, _ in calls) >= 6


def test_mean_and_scale_are_those_of_the_rows(lm: LanguageModel, packed: PackedSequences) -> None:
    stream = ActivationStream(lm, packed, SITES, config())
    recorded = torch.from_numpy((packed.index >= 0) & (np.arange(LENGTH) > 0))
    site = Site.parse(SITES[1])
    truth = lm.capture(torch.from_numpy(packed.tokens.astype(np.int64)), [site])[site][recorded].double()
    mean, scale = stream.normalization(10_000)[SITES[1]]
    np.testing.assert_allclose(mean, truth.mean(dim=0).numpy(), atol=1e-6)
    assert scale == pytest.approx(float(truth.square().mean().sqrt()), rel=1e-6)


def test_members_learn_from_it_and_are_taken_up_again(
    lm: LanguageModel, packed: PackedSequences, tmp_path: Path
) -> None:
    """A training that is cut off after seven batches ends with the weights of one that was not, to the bit."""
    stream = ActivationStream(lm, packed, SITES[:1], config())
    member = Member(
        name="topk-seed0",
        method="topk",
        site=SITES[0],
        architecture=TopKConfig(k=2),
        n_latents=12,
        seed=0,
        learning_rate=0.01,
        n_steps=20,
        batch_size=6,
        warm_up_steps=0,
        decay_fraction=0.2,
        dead_after_tokens=60,
    )
    normalization, folders = stream.normalization(75), {member.name: tmp_path / "m"}

    def cut(state: Mapping[str, int] | None) -> Generator[tuple[Mapping[str, Tensor], Mapping[str, int]], None, None]:
        yield from itertools.islice(stream.batches(state), 7)

    (whole,) = train_members([member], BatchStream(open=stream.batches), normalization)
    with pytest.raises(UserError, match="end after 7 batches"):
        train_members([member], BatchStream(open=cut), normalization, folders=folders, checkpoint_every_seconds=0)
    (found,) = train_members([member], BatchStream(open=stream.batches), normalization, folders=folders)
    assert whole.dictionary is not None and found.dictionary is not None
    assert torch.equal(found.dictionary.W_enc, whole.dictionary.W_enc)
    assert found.curve == whole.curve


def test_what_cannot_be_is_refused(lm: LanguageModel, packed: PackedSequences) -> None:
    with pytest.raises(UserError, match="a batch of 76 rows: the text has 75"):
        ActivationStream(lm, packed, SITES, config(batch_size=76))
    with pytest.raises(UserError, match="resid_post"):
        ActivationStream(lm, packed, ["resid_post.9"], config())
    with pytest.raises(UserError, match="batch_size: expected at least 1, got 0"):
        config(batch_size=0)
    assert ActivationStream(lm, packed, SITES, config(buffer_tokens=10**6)).n_slots == 75


def test_a_value_that_the_format_cannot_hold_is_refused(
    lm: LanguageModel, packed: PackedSequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ActivationStream(lm, packed, SITES, config(dtype="float16"))
    read = stream._read
    monkeypatch.setattr(
        ActivationStream, "_read", lambda _, e, c: {site: x.fill_(1e5) for site, x in read(e, c).items()}
    )
    with pytest.raises(UserError, match=r"reach 100000, more than float16 can hold"):
        next(stream.batches())
