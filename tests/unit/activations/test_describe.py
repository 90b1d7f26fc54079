"""Oracles: the same quantities computed plainly by numpy on activations captured all at once; closed forms."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from monosemy.activations import Description, describe, pack, read_description, write_description
from monosemy.activations.describe import coverage, lengths
from monosemy.core import UserError
from monosemy.corpus import TokenizedDocument
from monosemy.lm import LanguageModel, Site
from tests.unit.lm.tiny_models import CONTEXT, tiny_lm

SITES = (Site(0, "resid_pre"), Site(2, "resid_post"))


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return tiny_lm("gpt_neox")


def documents() -> list[TokenizedDocument]:
    rng = np.random.default_rng(0)
    return [
        TokenizedDocument(
            id=f"d{i}", unit="u", tokens=rng.integers(1, 200, size=n).astype(np.uint16), n_bytes=3 * int(n)
        )
        for i, n in enumerate([5, 200, 81, 33])
    ]


@pytest.fixture(scope="module")
def description(lm: LanguageModel) -> Description:
    return describe(lm, documents(), SITES, context_length=CONTEXT, n_sequences=1000, seed=0, bos_id=0)


def test_activations_against_numpy_on_the_whole_array(lm: LanguageModel, description: Description) -> None:
    rows = torch.from_numpy(pack(documents(), CONTEXT, 0).tokens.astype(np.int64))
    assert description.n_sequences == description.n_rows == len(rows)
    captured = lm.capture(rows, SITES)
    for found in description.sites:
        x = captured[found.site].double().numpy()
        beyond = x[:, 1:].reshape(-1, x.shape[-1])
        assert found.n_tokens == len(beyond)
        np.testing.assert_allclose(found.mean, beyond.mean(axis=0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.variance, beyond.var(axis=0), rtol=1e-9)
        np.testing.assert_allclose(found.excess_kurtosis, scipy.stats.kurtosis(beyond), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(
            found.eigenvalues, np.linalg.svd(beyond - beyond.mean(axis=0))[1] ** 2 / len(beyond), rtol=1e-7, atol=1e-12
        )
        norms = np.linalg.norm(x, axis=-1)
        np.testing.assert_allclose(found.norm.mean, norms.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found.norm.high, np.quantile(norms, 0.95, axis=0), rtol=1e-5)
        share = (beyond.mean(axis=0) ** 2).sum() / (beyond**2).sum(axis=1).mean()
        assert found.mean_share == pytest.approx(share, rel=1e-9)


def test_components_and_participation_in_closed_form(description: Description) -> None:
    site = description.sites[0]
    eigenvalues = np.array([6.0, 3.0, 1.0])
    mean = np.array([0.0, 0.0, 20.0])
    planted = type(site)(
        site=site.site,
        n_tokens=10,
        norm=site.norm,
        mean=mean,
        variance=np.ones(3),
        skewness=np.zeros(3),
        excess_kurtosis=np.zeros(3),
        eigenvalues=eigenvalues,
    )
    assert planted.participation_ratio == pytest.approx(100 / 46)
    assert [planted.n_components(share) for share in (0.5, 0.6, 0.9, 0.95, 1.0)] == [1, 1, 2, 3, 3]
    assert planted.outlier_dimensions == (2,)
    assert planted.mean_share == pytest.approx(400 / 403)


def test_coverage_in_closed_form() -> None:
    sizes = np.array([2, 10, 4])
    four = coverage(sizes, 4)
    assert (four.covered, four.utilization) == (pytest.approx(10 / 16), pytest.approx(10 / 12))
    assert coverage(sizes, 10).covered == 1.0


@pytest.mark.parametrize("values", [[0], [1], [1, 1, 2, 3, 5, 1024], [7, 8, 9]])
def test_every_document_is_in_the_histogram(values: list[int]) -> None:
    found = lengths(np.array(values))
    assert found.counts.sum() == len(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.quantiles[3] == np.median(values)


def test_lengths_are_those_of_the_documents(lm: LanguageModel, description: Description) -> None:
    sizes = [5, 200, 81, 33]
    assert description.n_tokens.mean == np.mean(sizes)
    assert description.n_bytes.mean == 3 * np.mean(sizes)
    characters = [len(lm.tokenizer.decode(document.tokens.tolist())) for document in documents()]
    assert description.characters.quantiles[-1] == max(characters)
    assert description.n_dropped_tokens == pack(documents(), CONTEXT, 0).n_dropped_tokens


def test_a_sample_depends_on_the_seed_alone(lm: LanguageModel) -> None:
    def norms(seed: int) -> np.ndarray:
        found = describe(lm, documents(), SITES[:1], context_length=CONTEXT, n_sequences=4, seed=seed, bos_id=0)
        assert found.n_sequences == 4
        return found.sites[0].mean

    np.testing.assert_array_equal(norms(1), norms(1))
    assert not np.array_equal(norms(1), norms(2))


def test_written_and_read_again_it_is_the_same(description: Description, tmp_path: Path) -> None:
    write_description(tmp_path, description)
    again = read_description(tmp_path)
    assert (again.coverage, again.lm_fingerprint, again.n_rows) == (
        description.coverage,
        description.lm_fingerprint,
        description.n_rows,
    )
    np.testing.assert_array_equal(again.n_tokens.counts, description.n_tokens.counts)
    for left, right in zip(again.sites, description.sites, strict=True):
        assert left.site == right.site
        np.testing.assert_array_equal(left.norm.median, right.norm.median)
        np.testing.assert_array_equal(left.eigenvalues, right.eigenvalues)
        np.testing.assert_array_equal(left.excess_kurtosis, right.excess_kurtosis)


def test_equal_descriptions_give_equal_bytes(description: Description, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_description(tmp_path / name, description)
    for file in ("description.json", "description.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no description\.json"):
        read_description(tmp_path)


def test_what_cannot_be_described_is_refused(lm: LanguageModel) -> None:
    with pytest.raises(UserError, match="give 2 to 16"):
        describe(lm, documents(), SITES, context_length=17, n_sequences=4, seed=0, bos_id=0)
    short = [TokenizedDocument(id="d", unit="u", tokens=np.arange(1, 4), n_bytes=3)]
    with pytest.raises(UserError, match="less than one row of 16"):
        describe(lm, short, SITES, context_length=CONTEXT, n_sequences=4, seed=0, bos_id=0)
