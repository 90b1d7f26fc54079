"""The predictions that spliced passes are compared with.

Oracle: the bare model, with hooks written in the tests for the ablations; the sample followed back to the store.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.core import DamagedArtifact, UserError
from monosemy.evaluation import read_reference, sample_sequences, splice_reference
from monosemy.lm import LanguageModel
from tests.unit.evaluation.splice_rows import (
    SITES,
    affine,
    log_probabilities_with,
    means,
    nats,
    reference_in,
    rows,
)
from tests.unit.lm.direct import direct_activations
from tests.unit.lm.tiny_models import VOCAB, tiny_lm


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return tiny_lm("gpt_neox")


def test_a_sample_is_distinct_rows_of_the_store_with_their_units() -> None:
    store = rows()
    sample = sample_sequences(store, 5, seed=3)
    assert len(set(sample.sequence.tolist())) == 5
    assert sample.sequence.tolist() == sorted(sample.sequence.tolist())
    assert np.array_equal(sample.tokens, store.packed.tokens[sample.sequence])
    assert np.array_equal(sample.index, store.packed.index[sample.sequence])
    units = [[store.documents[i].unit for i in row] for row in store.packed.document[sample.sequence].tolist()]
    assert [[sample.units[i] for i in row] for row in sample.unit.tolist()] == units


def test_a_sample_is_a_function_of_its_seed() -> None:
    one, same, other = (sample_sequences(rows(), 5, seed=seed).sequence.tolist() for seed in (0, 0, 1))
    assert one == same != other
    n = len(rows().packed.tokens)
    assert sample_sequences(rows(), n + 5, seed=0).sequence.tolist() == list(range(n))


@torch.no_grad()
def test_what_is_written_is_the_original_and_its_ablations(lm: LanguageModel, tmp_path: Path) -> None:
    reference, sample = reference_in(tmp_path, lm), sample_sequences(rows(), 6, seed=0)
    tokens = torch.from_numpy(sample.tokens).long()
    log_p = lm.model(tokens).logits.log_softmax(-1)[:, :-1]
    for site in SITES:
        batches = list(reference.batches(str(site)))
        assert torch.equal(torch.cat([batch.tokens for batch in batches]).long(), tokens)
        found = torch.cat([batch.log_p for batch in batches])
        assert found.dtype == torch.float32
        assert torch.allclose(found.double(), log_p, atol=1e-5)
        np.testing.assert_allclose(torch.cat([batch.ce for batch in batches]), nats(log_p, sample), atol=1e-5)
        x = direct_activations(lm.model, tokens, site.layer)[site.location]
        assert torch.allclose(torch.cat([batch.x for batch in batches]).double(), x, atol=1e-5)
        d = lm.d_site(site)
        zero = log_probabilities_with(lm, site, affine(d, 0.0), sample)
        mean = log_probabilities_with(lm, site, affine(d, 0.0, means(lm)[site]), sample)
        np.testing.assert_allclose(torch.cat([batch.ce_zero for batch in batches]), nats(zero, sample), atol=1e-4)
        np.testing.assert_allclose(torch.cat([batch.ce_mean for batch in batches]), nats(mean, sample), atol=1e-4)


def test_files_hold_few_sequences_and_the_same_numbers(
    lm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reference_in(tmp_path / "whole", lm)
    monkeypatch.setattr(splice_reference, "BATCH_LOGITS", 2 * 16 * VOCAB)
    parts = reference_in(tmp_path / "parts", lm)
    assert (whole.n_files, parts.n_files, parts.n_sequences) == (1, 3, 6)
    one, many = (list(reference.batches("mlp_out.1")) for reference in (whole, parts))
    assert torch.allclose(torch.cat([batch.log_p for batch in many]), one[0].log_p, atol=1e-5)
    assert torch.allclose(torch.cat([batch.ce_mean for batch in many]), one[0].ce_mean, atol=1e-5)


def test_what_is_not_there_is_told(lm: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing; a splice reference"):
        read_reference(tmp_path / "nowhere")
    reference = reference_in(tmp_path, lm)
    with pytest.raises(UserError, match=r"no site 'resid_post\.0'; it has: mlp_hidden\.0, resid_pre"):
        next(reference.batches("resid_post.0"))
    (tmp_path / "00000.safetensors").write_bytes(b"something else")
    with pytest.raises(DamagedArtifact, match=r"00000\.safetensors cannot be read"):
        next(reference.batches("resid_post.1"))
