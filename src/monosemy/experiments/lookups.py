"""Jobs that score what needs no dictionary: tables of tokens as the floor, a linear probe as the ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64

from monosemy.activations import ActivationStore
from monosemy.core import Advance, Artifact, fingerprint
from monosemy.corpus import Split, StdlibCorpus, frozen_labels
from monosemy.dictionaries import DictionaryCard
from monosemy.evaluation import (
    NO_TOKEN,
    BigramTable,
    TokenTable,
    best_probe,
    fit_bigram_table,
    fit_probes,
    fit_token_table,
    labels_for_store,
    score,
    select_thresholds,
)
from monosemy.experiments.evaluations import EVALUATION_KIND, Evaluated, HeldOut, held_out_labels
from monosemy.experiments.learning import LmKind, opened_store
from monosemy.experiments.texts import first_tokens
from monosemy.lm import ModelSource
from monosemy.pipeline import Job, Stage, Workspace

LABELS_AT_ONCE = 16  # so that the labels of two million rows take 70 MB
HELD_OUT: tuple[Split, ...] = ("validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """A table fitted on all tokens of the embedded corpus' train split; corpus, labels: their fingerprints."""

    method: Literal["token_table", "bigram_table"]
    corpus: str
    labels: str
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeConfig:
    """A probe of a site, fitted on the first rows of the train store; labels: their fingerprint."""

    site: str
    labels: str
    n_rows: int
    lm_kind: LmKind
    seed: int


def table_job(config: TableConfig, source: ModelSource, held_out: HeldOut) -> Job:
    """The job that fits a table on train, chooses thresholds on validation and scores test."""
    stage = Stage(name=EVALUATION_KIND, config=config, parents=held_out.parents)
    body = partial(_table, config, source, held_out.validation.path, held_out.test.path)
    return Job(stages=(stage,), body=body)


def probe_job(config: ProbeConfig, train: Artifact, held_out: HeldOut) -> Job:
    """The job that fits a probe on train, chooses its ridge and thresholds on validation and scores test."""
    stage = Stage(name=EVALUATION_KIND, config=config, parents={"activations": train, **held_out.parents})
    body = partial(_probe, config, train.path, held_out.validation.path, held_out.test.path)
    return Job(stages=(stage,), body=body)


def _table(
    config: TableConfig,
    source: ModelSource,
    validation: Path,
    test: Path,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    table, n_tokens = _fitted_table(config, source.load().vocab_size)
    scores: dict[Split, np.ndarray] = {}
    for split, path in zip(HELD_OUT, (validation, test), strict=True):
        tokens, previous = tokens_of_rows(opened_store(path))
        scores[split] = table.scores(tokens) if isinstance(table, TokenTable) else table.scores(tokens, previous)
    out = _evaluated(config.method, None, opened_store(test), "trained", config, config.seed, n_tokens)
    _score(out, scores, validation, test)
    out.write(workspaces[0].folder)
    advance(1)


def _fitted_table(config: TableConfig, vocabulary_size: int) -> tuple[TokenTable | BigramTable, int]:
    """The table of all labels, fitted a few at a time on all tokens of the train split; and how many those are."""
    corpus, labels = StdlibCorpus(), frozen_labels()
    documents = list(corpus.tokenized("train"))
    starts = first_tokens(corpus, documents)
    assert starts is not None  # the embedded corpus knows them
    tokens = np.concatenate([document.tokens for document in documents]).astype(np.int64)
    previous = np.concatenate([[NO_TOKEN], tokens[:-1]])
    sizes = [len(document.tokens) for document in documents]
    previous[np.cumsum([0, *sizes[:-1]])] = NO_TOKEN
    number = np.concatenate([start + np.arange(n) for start, n in zip(starts, sizes, strict=True)])
    tables: list[TokenTable] = []
    bigrams: list[BigramTable] = []
    for start in range(0, len(labels.labels), LABELS_AT_ONCE):
        some = labels.labels[start : start + LABELS_AT_ONCE]
        values = np.stack([labels.values(label)[number] for label in some], axis=1)
        scored = np.stack([labels.scored(label)[number] for label in some], axis=1)
        tables.append(fit_token_table(tokens, values & scored, scored, vocabulary_size))
        if config.method == "bigram_table":
            bigrams.append(fit_bigram_table(tokens, previous, values & scored, scored, tables[-1]))
    unigram = TokenTable(p=np.concatenate([table.p for table in tables], axis=1))
    if not bigrams:
        return unigram, len(tokens)
    p = np.concatenate([table.p for table in bigrams], axis=1)
    return replace(bigrams[0], unigram=unigram, p=p), len(tokens)


def tokens_of_rows(store: ActivationStore) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
    """The token of each stored row and the one before it, which is NO_TOKEN at a row's start and after a separator."""
    sequences = store.sequences()
    tokens, index = sequences.tokens.astype(np.int64), sequences.index
    previous = np.full(tokens.shape, NO_TOKEN)
    previous[:, 1:] = np.where(index[:, :-1] >= 0, tokens[:, :-1], NO_TOKEN)
    place = np.concatenate([chunk.place for chunk in store.chunks(())])
    return tokens.ravel()[place], previous.ravel()[place]


def _probe(
    config: ProbeConfig,
    train: Path,
    validation: Path,
    test: Path,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    store = opened_store(train)
    data = labels_for_store(store, frozen_labels(), "train", config.n_rows)
    batches = (chunk.x[config.site] for chunk in store.chunks([config.site], n_rows=config.n_rows))
    probes = fit_probes(batches, data.values, data.scored)
    x: dict[Split, torch.Tensor] = {
        split: torch.cat([chunk.x[config.site] for chunk in opened_store(path).chunks([config.site])])
        for split, path in zip(HELD_OUT, (validation, test), strict=True)
    }
    probe, mean_f1 = best_probe(probes, x["validation"], held_out_labels(validation, "validation"))
    out = _evaluated("probe", config.site, store, config.lm_kind, config, config.seed, data.n_rows)
    out.details["penalties"] = [
        {"penalty": each.penalty, "f1_validation": f1} for each, f1 in zip(probes, mean_f1, strict=True)
    ]
    scores: dict[Split, np.ndarray] = {split: probe.scores(rows) for split, rows in x.items()}
    _score(out, scores, validation, test)
    out.write(workspaces[0].folder)
    advance(1)


def _score(out: Evaluated, scores: dict[Split, Float32[np.ndarray, "_ labels"]], validation: Path, test: Path) -> None:
    """Thresholds on validation, scores on test."""
    detectors = select_thresholds(scores["validation"], held_out_labels(validation, "validation"))
    out.add_labels(score([scores["test"]], held_out_labels(test, "test"), detectors))


def _evaluated(
    method: str, site: str | None, store: ActivationStore, lm_kind: LmKind, config: object, seed: int, n_tokens: int
) -> Evaluated:
    """The record of something that is no dictionary, under a card of its own."""
    prefix = "control-" if lm_kind == "random" else ""
    card = DictionaryCard(
        name=f"{prefix}{method}-seed{seed}",
        method=method,
        lm=store.config["lm"],
        lm_kind=lm_kind,
        site=site or "",
        seed=seed,
        n_latents=0,
        expansion_factor=0.0,
        n_steps=0,
        n_tokens=n_tokens,
        store=store.artifact.fingerprint,
    )
    return Evaluated(card=card, config=fingerprint(config), seed=seed, in_dictionary=False)
