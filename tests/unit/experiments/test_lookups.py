"""Tables and probes. Oracles: counts by hand over documents, a hand-written sequence, a planted direction."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.activations import ActivationStore, StoredDocument
from monosemy.core import Artifact, read_results
from monosemy.corpus import FrozenLabel, Split, StdlibCorpus, TokenizedDocument, frozen_labels
from monosemy.evaluation import NO_TOKEN, BigramTable, TokenTable
from monosemy.experiments import HeldOut, ProbeConfig, TableConfig, probe_job, table_job
from monosemy.experiments.evaluations import EVALUATION_FILE, RESULTS_FILE
from monosemy.experiments.learning import LmKind
from monosemy.experiments.lookups import _fitted_table, tokens_of_rows
from monosemy.lm import ModelSource
from tests.unit.experiments.stores_of_experiments import PLANTED, SITE, labelled_store, made, write_store

SOURCE = ModelSource(device="cpu")


def test_the_tokens_of_rows_and_the_ones_before(tmp_path: Path) -> None:
    """Two rows of six; . is a separator (token 0), the first position of a row is not recorded.

    row 0:  .  5  6  7  .  8        row 1:  9  4  .  3  5  5
    """
    tokens = np.array([[0, 5, 6, 7, 0, 8], [9, 4, 0, 3, 5, 5]])
    index = np.array([[-1, 0, 1, 2, -1, 0], [1, 2, -1, 0, 1, 2]])
    document = np.array([[0, 0, 0, 0, 1, 1], [1, 1, 2, 2, 2, 2]])
    found = write_store(
        tmp_path / "s",
        {SITE: torch.randn(8, 2, generator=torch.Generator().manual_seed(0))},
        tokens=tokens,
        index=index,
        document=document,
        documents=[StoredDocument(id=f"d{i}", unit="u", n_tokens=3, first_token=None) for i in range(3)],
    )
    token, previous = tokens_of_rows(ActivationStore.open(found.path))
    assert token.tolist() == [5, 6, 7, 8, 4, 3, 5, 5]
    assert previous.tolist() == [NO_TOKEN, 5, 6, NO_TOKEN, 9, NO_TOKEN, 3, 5]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[TokenizedDocument]:
    """Twelve short documents stand for the train split."""
    original = StdlibCorpus.tokenized
    documents = [document for document in original(StdlibCorpus(), "train") if len(document.tokens) < 1000][:12]
    assert len(documents) == 12

    def tokenized(self: StdlibCorpus, split: Split) -> Iterator[TokenizedDocument]:
        return iter(documents) if split == "train" else original(self, split)

    monkeypatch.setattr(StdlibCorpus, "tokenized", tokenized)
    return documents


def config(method: str = "token_table") -> TableConfig:
    return TableConfig(method=method, corpus=StdlibCorpus().fingerprint(), labels=frozen_labels().fingerprint, seed=0)  # type: ignore


def occurrences(documents: list[TokenizedDocument], label: FrozenLabel) -> Iterator[tuple[int | None, int, bool, bool]]:
    """(previous token, token, value, scored) of every token, document by document."""
    labels = frozen_labels()
    values, scored = labels.values(label), labels.scored(label)
    start_of, start = {}, 0
    for frozen in StdlibCorpus().frozen_documents:
        start_of[frozen.id] = start
        start += frozen.n_tokens
    for document in documents:
        before = None
        for i, token in enumerate(document.tokens.tolist()):
            at = start_of[document.id] + i
            yield before, token, bool(values[at]), bool(scored[at])
            before = token


SOME = (0, 15, 16, 60, 115)  # labels are fitted sixteen at a time: both sides of a seam, and the last


def test_a_token_table_is_shares_of_the_train_text(few: list[TokenizedDocument]) -> None:
    table, n_tokens = _fitted_table(config(), 2048)
    assert isinstance(table, TokenTable) and table.p.shape == (2048, len(frozen_labels().labels))
    assert n_tokens == sum(len(document.tokens) for document in few)
    for y in SOME:
        n, positive = Counter[int](), Counter[int]()
        for _, token, value, scored in occurrences(few, frozen_labels().labels[y]):
            n[token] += scored
            positive[token] += scored and value
        overall = positive.total() / n.total()
        expected = [positive[t] / n[t] if n[t] else overall for t in range(2048)]
        np.testing.assert_allclose(table.p[:, y], expected, rtol=1e-6)


def test_a_pair_begins_anew_with_every_document(few: list[TokenizedDocument]) -> None:
    table, n_tokens = _fitted_table(config("bigram_table"), 2048)
    assert isinstance(table, BigramTable) and n_tokens == sum(len(document.tokens) for document in few)
    pairs = {(before, token) for before, token, _, _ in occurrences(few, frozen_labels().labels[0])}
    assert {(None, int(document.tokens[0])) for document in few} <= pairs
    codes = sorted((0 if before is None else before + 1) * 2048 + token for before, token in pairs)
    assert table.codes.tolist() == codes
    for y in SOME:
        n, positive = Counter[int](), Counter[int]()
        for before, token, value, scored in occurrences(few, frozen_labels().labels[y]):
            code = (0 if before is None else before + 1) * 2048 + token
            n[code] += scored
            positive[code] += scored and value
        back_off = [table.strength * table.unigram.p[code % 2048, y] for code in codes]
        expected = [(positive[c] + b) / (n[c] + table.strength) for c, b in zip(codes, back_off, strict=True)]
        np.testing.assert_allclose(table.p[:, y], expected, rtol=1e-5)
    unigram, _ = _fitted_table(config(), 2048)
    assert isinstance(unigram, TokenTable) and np.array_equal(table.unigram.p, unigram.p)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[Split, Artifact]:
    folder = tmp_path_factory.mktemp("labelled")
    splits: tuple[Split, ...] = ("train", "validation", "test")
    return {split: labelled_store(folder / split, split) for split in splits}


def held_out(stores: dict[Split, Artifact]) -> HeldOut:
    return HeldOut(validation=stores["validation"], test=stores["test"], labels=frozen_labels().fingerprint)


def test_a_table_is_scored_without_a_model(
    few: list[TokenizedDocument], stores: dict[Split, Artifact], tmp_path: Path
) -> None:
    (found,) = made(table_job(config("bigram_table"), SOURCE, held_out(stores)), tmp_path)
    about = json.loads(found.file(EVALUATION_FILE).read_text())
    assert (about["name"], about["method"]) == ("bigram_table-seed0", "bigram_table")
    assert (about["n_latents"], about["site"], about["n_steps"]) == (None, None, 0)
    assert about["n_tokens"] == sum(len(document.tokens) for document in few)
    results = read_results(found.file(RESULTS_FILE))
    assert {(r.lm, r.dictionary, r.site, r.split) for r in results} == {(None, None, None, "test")}
    rows = {row["label"]: row for row in about["labels"]}
    assert rows["white_space"]["f1"] > 0.9  # which the token decides
    assert rows["if_test"]["f1"] < 0.7  # which it does not
    assert found.parents == {"validation": stores["validation"].fingerprint, "test": stores["test"].fingerprint}


@pytest.mark.parametrize(("kind", "name"), [("trained", "probe-seed0"), ("random", "control-probe-seed0")])
def test_a_probe_finds_the_planted_direction(
    stores: dict[Split, Artifact], tmp_path: Path, kind: LmKind, name: str
) -> None:
    n_rows = 12_000
    config = ProbeConfig(site=SITE, labels=frozen_labels().fingerprint, n_rows=n_rows, lm_kind=kind, seed=0)
    (found,) = made(probe_job(config, stores["train"], held_out(stores)), tmp_path)
    about = json.loads(found.file(EVALUATION_FILE).read_text())
    rows = {row["label"]: row for row in about["labels"]}
    # Candidate thresholds are quantiles, none of which need lie exactly between the two groups.
    assert rows[PLANTED]["f1"] > 0.85 and rows[PLANTED]["latent"] is None
    assert rows["if_test"]["f1"] < 0.6  # of which the activations say next to nothing
    assert (about["name"], about["lm"], about["site"], about["n_tokens"]) == (name, kind, SITE, n_rows)
    assert len(about["penalties"]) > 1
    assert {(r.method, r.lm, r.dictionary) for r in read_results(found.file(RESULTS_FILE))} == {("probe", kind, None)}
    assert found.parents["activations"] == stores["train"].fingerprint
