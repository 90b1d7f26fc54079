"""The effect of a reconstruction on the language model.

Oracle: passes of the bare float64 model with hooks written in the tests, and loops over predictions; dictionaries whose
outcome is known: x_hat = x, 0 and the mean.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.core import UserError, numpy_generator
from monosemy.dictionaries import Dictionary, TopK
from monosemy.evaluation import (
    SpliceReference,
    Subject,
    sample_sequences,
    splice_reference,
    spliced_sums,
    splicing_results,
)
from monosemy.lm import LanguageModel, Site
from tests.unit.evaluation.splice_rows import (
    SITES,
    affine,
    log_probabilities_with,
    means,
    nats,
    reference_in,
    rows,
    sums_by_hand,
)
from tests.unit.lm.tiny_models import VOCAB, tiny_lm

SUBJECT = Subject(method="topk", lm="trained", split="test", config="c")
POST = Site.parse("resid_post.1")


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return tiny_lm("gpt_neox")


@pytest.fixture(scope="module")
def reference(lm: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> SpliceReference:
    return reference_in(tmp_path_factory.mktemp("reference"), lm)


def sparse(d: int) -> Dictionary:
    generator = torch.Generator().manual_seed(d)
    w = torch.nn.functional.normalize(torch.randn(2 * d, d, generator=generator), dim=1)
    return Dictionary(W_enc=w, b_enc=torch.zeros(2 * d), W_dec=w, b_dec=torch.full((d,), 0.1), sparsifier=TopK(d // 4))


@torch.no_grad()
@pytest.mark.parametrize("site", SITES, ids=str)
def test_sums_are_those_of_passes_with_other_hooks(lm: LanguageModel, reference: SpliceReference, site: Site) -> None:
    sample, done = sample_sequences(rows(), 6, seed=0), []
    dictionary = sparse(lm.d_site(site))
    found = spliced_sums(lm, site, dictionary, reference, advance=done.append)
    log_p = lm.model(torch.from_numpy(sample.tokens).long()).logits.log_softmax(-1)[:, :-1]
    log_q = log_probabilities_with(lm, site, dictionary, sample)
    kl = (log_p.exp() * (log_p - log_q)).sum(dim=-1).numpy()
    expected = {
        "n_predictions": np.ones(kl.shape),
        "ce_original": nats(log_p, sample),
        "ce_spliced": nats(log_q, sample),
        "kl": kl,
        "n_agreements": (log_p.argmax(-1) == log_q.argmax(-1)).double().numpy(),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], sums_by_hand(values, sample), rtol=1e-4, atol=1e-3, err_msg=name)
    assert expected["kl"].mean() > 0.01
    assert sum(done) == 6


def results(sums: dict[str, np.ndarray]) -> dict[str, float | None]:
    return {r.metric: r.value for r in splicing_results(sums, SUBJECT, numpy_generator(0, "b"))}


@pytest.mark.parametrize("site", SITES, ids=str)
def test_a_perfect_dictionary_changes_nothing(lm: LanguageModel, reference: SpliceReference, site: Site) -> None:
    sums = spliced_sums(lm, site, affine(lm.d_site(site), 1.0), reference)
    np.testing.assert_allclose(sums["ce_spliced"], sums["ce_original"], atol=1e-3)
    np.testing.assert_allclose(sums["kl"], 0.0, atol=1e-4)
    assert np.array_equal(sums["n_agreements"], sums["n_predictions"])


@pytest.mark.parametrize("site", SITES, ids=str)
def test_ablating_dictionaries_are_the_ablations(lm: LanguageModel, reference: SpliceReference, site: Site) -> None:
    d = lm.d_site(site)
    zero = spliced_sums(lm, site, affine(d, 0.0), reference)
    mean = spliced_sums(lm, site, affine(d, 0.0, means(lm)[site]), reference)
    np.testing.assert_allclose(zero["ce_spliced"], zero["ce_zero"], rtol=1e-5)
    np.testing.assert_allclose(mean["ce_spliced"], mean["ce_mean"], rtol=1e-5)


def test_sums_do_not_depend_on_the_files(
    lm: LanguageModel, reference: SpliceReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = spliced_sums(lm, POST, sparse(24), reference)
    monkeypatch.setattr(splice_reference, "BATCH_LOGITS", 16 * VOCAB)
    parts = spliced_sums(lm, POST, sparse(24), reference_in(tmp_path / "parts", lm))
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-5, err_msg=name)


def test_equal_logits_agree_by_the_lowest_id(tmp_path: Path) -> None:
    lm = tiny_lm("gpt2")
    lm.unembedding.zero_()
    sums = spliced_sums(lm, POST, affine(24, 0.0), reference_in(tmp_path, lm))
    assert np.array_equal(sums["n_agreements"], sums["n_predictions"])
    np.testing.assert_allclose(sums["ce_spliced"], sums["n_predictions"] * np.log(VOCAB), rtol=1e-5)


HAND = {
    "n_predictions": np.array([10.0, 30.0, 0.0]),
    "ce_original": np.array([20.0, 60.0, 0.0]),
    "ce_zero": np.array([60.0, 180.0, 0.0]),
    "ce_mean": np.array([40.0, 120.0, 0.0]),
    "ce_spliced": np.array([25.0, 75.0, 0.0]),
    "kl": np.array([4.0, 12.0, 0.0]),
    "n_agreements": np.array([9.0, 27.0, 0.0]),
}


def test_results_of_given_sums() -> None:
    """Per token: original 2, spliced 2.5, zero 6, mean 4; the third unit has no prediction and is not resampled."""
    found = splicing_results(HAND, SUBJECT, numpy_generator(0, "b"))
    assert {r.metric: r.value for r in found} == pytest.approx(
        {"ce_increase": 0.5, "loss_recovered_zero": 3.5 / 4, "loss_recovered_mean": 0.75, "kl": 0.4,
         "top1_agreement": 0.9}
    )  # fmt: skip
    assert {r.n for r in found} == {2}
    assert {r.unit for r in found} == {"nats a token", "fraction"}


@pytest.mark.parametrize("harm", [0.0, -1.0])
def test_nothing_is_recovered_where_nothing_was_lost(harm: float) -> None:
    sums = HAND | {"ce_mean": HAND["ce_original"] + harm * HAND["n_predictions"]}
    found = {r.metric: r for r in splicing_results(sums, SUBJECT, numpy_generator(0, "b"))}
    assert found["loss_recovered_mean"].status == "not_applicable"
    assert "no loss to recover" in (found["loss_recovered_mean"].reason or "")
    assert found["loss_recovered_zero"].value == pytest.approx(3.5 / 4)


def test_intervals_resample_units() -> None:
    """Two units of one token each with an increase of 0 and 1: the mean of a resample is 0, 0.5 or 1."""
    ones, sums = np.ones(2), {name: np.ones(2) for name in HAND}
    sums |= {"ce_original": ones, "ce_spliced": np.array([1.0, 2.0]), "ce_zero": 5 * ones, "ce_mean": 5 * ones}
    first = splicing_results(sums, SUBJECT, numpy_generator(0, "b"))[0]
    assert (first.value, first.ci_low, first.ci_high) == (0.5, 0.0, 1.0)


def test_what_does_not_fit_is_told(lm: LanguageModel, reference: SpliceReference) -> None:
    with pytest.raises(UserError, match="the splice reference is of language model"):
        spliced_sums(tiny_lm("gpt_neox", seed=1), POST, affine(24, 1.0), reference)
    with pytest.raises(UserError, match=r"reads 23 and writes 23 dimensions, resid_post\.1 has 24"):
        spliced_sums(lm, POST, affine(23, 1.0), reference)
    with pytest.raises(UserError, match=r"no site 'resid_post\.0'"):
        spliced_sums(lm, Site.parse("resid_post.0"), affine(24, 1.0), reference)
