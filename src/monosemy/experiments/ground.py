"""The ground experiments stand on: how well the embedded model predicts text, copies, and does its tasks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from tokenizers import Tokenizer

from monosemy.core import (
    Advance,
    Progress,
    Result,
    Workers,
    atomic_write_text,
    bootstrap_ratio,
    fingerprint,
    numpy_generator,
    write_results,
)
from monosemy.corpus import SPLITS, Split, StdlibCorpus, TokenizedDocument, frozen_labels
from monosemy.corpus.tasks import TASKS
from monosemy.evaluation import (
    NgramModel,
    TaskScore,
    TextLosses,
    gzip_bytes,
    induction,
    joined_losses,
    sample_text,
    score_task,
    text_losses,
    xz_bytes,
)
from monosemy.lm import ModelSource, embedded_provenance

ORDERS = {"unigram": 1, "bigram": 2, "trigram": 3}
COMPRESSORS = ("gzip", "xz")
PROMPTS = ('class Queue:\n    """', "def read(self, n=-1):\n", "import os\nimport sys\n\n")
HELD_OUT: tuple[Split, ...] = ("validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class GroundConfig:
    """What is measured, and on how much."""

    corpus: str  # its fingerprint
    labels: str  # their fingerprint
    lm: str  # its fingerprint
    n_train_documents: int = 40  # sampled: the whole train split is eight times each held-out one
    max_documents: int | None = None  # of each split, the first ones; none: all
    n_task_pairs: int = 400
    n_induction_sequences: int = 128
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TextModelsConfig:
    """What the references are fitted on and measured on: a corpus, by its fingerprint."""

    corpus: str
    max_documents: int | None = None
    seed: int = 0


def measure_text_models(
    folder: Path, config: TextModelsConfig, corpus: StdlibCorpus, workers: Workers, progress: Progress
) -> None:
    """Bits a byte of n-gram tables fitted on train and of compressors, on validation and test; writes results.jsonl."""
    held_out: dict[Split, list[TokenizedDocument]] = {s: _first(corpus, s, config) for s in HELD_OUT}
    tasks = [_Reference(config=config, variant="xz", split="train")]
    tasks += [_Reference(config=config, variant="xz_given_train", split=split) for split in HELD_OUT]
    tasks += [_Reference(config=config, variant=variant, split=split) for variant in ORDERS for split in HELD_OUT]
    tasks += [_Reference(config=config, variant=variant, split=split) for variant in COMPRESSORS for split in HELD_OUT]
    with progress.task("n-gram tables and compressors", len(tasks), "references") as shown:
        found = {
            (task.variant, task.split): sums
            for task, sums in zip(tasks, workers.map(_measured, tasks, shown.advance), strict=True)
        }
    n_train_bytes = found.pop(("xz", "train"))
    results: list[Result] = []
    for split, documents in held_out.items():
        n_text_bytes = sum(document.n_bytes for document in documents)
        results += [
            _bits_per_byte(found[variant, split], documents, split, config, variant=variant) for variant in ORDERS
        ]
        for variant in (*COMPRESSORS, "xz_given_train"):
            n_bytes = found[variant, split] - (n_train_bytes if variant == "xz_given_train" else 0)
            results.append(_result(split, config, value=8 * float(n_bytes[0]) / n_text_bytes, variant=variant))
    write_results(folder / "results.jsonl", results)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reference:
    """One number of the text models, or one a document, to be measured in a worker."""

    config: TextModelsConfig
    variant: str
    split: Split


def _measured(task: _Reference, advance: Advance) -> Float64[np.ndarray, " documents"]:
    """Nats of every document under an n-gram table; or the number of bytes that a compressor needs for them all."""
    corpus, config = _stdlib(), task.config
    documents, train = _first(corpus, task.split, config), _first(corpus, "train", config)
    if task.variant in ORDERS:
        order = ORDERS[task.variant]
        model = NgramModel.fit([d.tokens for d in train], order, corpus.tokenizer.get_vocab_size())
        measured = np.array([model.nats(document.tokens).sum() for document in documents])
    else:
        text = _text(corpus, documents)
        given = _text(corpus, train) if task.variant == "xz_given_train" else b""
        n_bytes = gzip_bytes(text) if task.variant == "gzip" else xz_bytes(given + text)
        measured = np.array([n_bytes], dtype=np.float64)
    advance(1)
    return measured


@cache
def _stdlib() -> StdlibCorpus:
    """The embedded corpus, read once a process."""
    return StdlibCorpus()


def measure_language_model(
    folder: Path,
    config: GroundConfig,
    source: ModelSource,
    corpus: StdlibCorpus,
    references: Sequence[Result],
    workers: Workers,
    progress: Progress,
) -> None:
    """Bits a byte, loss by position, induction, tasks, samples.

    Writes results.jsonl (the references' too), per_document.npz (sums a document), language_model.json (for the page).
    """
    lm = source.load()
    results = list(references)
    per_document: dict[str, np.ndarray] = {}
    nats_by_position: list[float] = []
    for split in SPLITS:
        documents = _documents(corpus, split, config)
        losses = _losses(source, documents, split, workers, progress)
        results.append(_bits_per_byte(losses.nats, documents, split, config, lm=True))
        per_document |= {
            f"{split}/id": np.array([document.id for document in documents]),
            f"{split}/unit": np.array([document.unit for document in documents]),
            f"{split}/nats": losses.nats,
            f"{split}/n_tokens": losses.n_tokens,
            f"{split}/n_bytes": losses.n_bytes,
        }
        if split == "test":
            nats_by_position = (losses.nats_at / losses.n_at).tolist()
    with progress.task("tasks", len(TASKS), "tasks") as handle:
        asked = [_Asked(source=source, config=config, number=number) for number in range(len(TASKS))]
        scores = list(workers.map(_answered, asked, handle.advance))
    results += [_task_accuracy(score, config) for score in scores]
    copied = induction(lm, lm.context_length, n_sequences=config.n_induction_sequences, seed=config.seed)
    provenance = embedded_provenance()
    summary = {
        "name": lm.name,
        "n_parameters": sum(parameter.numel() for parameter in lm.model.parameters()),
        "architecture": provenance["recipe"]["training"]["architecture"],
        "provenance": {key: value for key, value in provenance.items() if key != "curve"},
        "corpus": {"name": corpus.name, "fingerprint": corpus.fingerprint(), "splits": _sizes(corpus)},
        "train_documents_measured": config.n_train_documents,
        "nats_by_position": nats_by_position,
        "induction": {name: values.tolist() for name, values in asdict(copied).items()},
        "curve": provenance["curve"],
        "tasks": [_task_summary(score, corpus.tokenizer) for score in scores],
        "labels": _labels(),
        "samples": [{"prompt": prompt, "text": sample_text(lm, prompt, seed=config.seed)} for prompt in PROMPTS],
    }
    write_results(folder / "results.jsonl", results)
    np.savez_compressed(folder / "per_document.npz", **per_document)  # pyright: ignore[reportArgumentType]
    atomic_write_text(folder / "language_model.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """Documents whose cross-entropy a worker measures."""

    source: ModelSource
    documents: tuple[TokenizedDocument, ...]


def _losses(
    source: ModelSource, documents: Sequence[TokenizedDocument], split: Split, workers: Workers, progress: Progress
) -> TextLosses:
    """`text_losses` of all documents, some of them in each task."""
    tasks = [_Read(source=source, documents=tuple(documents[i : i + 8])) for i in range(0, len(documents), 8)]
    n_tokens = sum(len(document.tokens) for document in documents)
    with progress.task(f"cross-entropy of {split} text", n_tokens, "tokens") as shown:
        return joined_losses(list(workers.map(_read, tasks, shown.advance)))


def _read(task: _Read, advance: Advance) -> TextLosses:
    lm = task.source.load()
    losses = text_losses(lm, task.documents, lm.context_length)
    advance(sum(len(document.tokens) for document in task.documents))
    return losses


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A task of the catalog, by number, that a worker puts to the model."""

    source: ModelSource
    config: GroundConfig
    number: int


def _answered(task: _Asked, advance: Advance) -> TaskScore:
    config = task.config
    score = score_task(
        task.source.load(), _stdlib().tokenizer, TASKS[task.number], n_pairs=config.n_task_pairs, seed=config.seed
    )
    advance(1)
    return score


def _documents(corpus: StdlibCorpus, split: Split, config: GroundConfig) -> list[TokenizedDocument]:
    """All documents of a held-out split; of train a seeded sample."""
    documents = _first(corpus, split, config)
    if split != "train" or config.n_train_documents >= len(documents):
        return documents
    chosen = numpy_generator(config.seed, "train-documents").choice(
        len(documents), size=config.n_train_documents, replace=False
    )
    return [documents[i] for i in np.sort(chosen)]


def _first(corpus: StdlibCorpus, split: Split, config: GroundConfig | TextModelsConfig) -> list[TokenizedDocument]:
    return list(islice(corpus.tokenized(split), config.max_documents))


def _text(corpus: StdlibCorpus, documents: Iterable[TokenizedDocument]) -> bytes:
    return b"".join(corpus.text(document).encode() for document in documents)


def _sizes(corpus: StdlibCorpus) -> dict[str, dict[str, int]]:
    sizes = {}
    for split in SPLITS:
        documents = list(corpus.tokenized(split))
        sizes[split] = {
            "n_documents": len(documents),
            "n_units": len({document.unit for document in documents}),
            "n_bytes": sum(document.n_bytes for document in documents),
            "n_tokens": sum(len(document.tokens) for document in documents),
        }
    return sizes


def _labels() -> list[dict[str, Any]]:
    """The exact labels with enough positives in validation: how frequent, and how much of them the token tells."""
    return [
        {
            "name": label.name,
            "family": label.family,
            "definition": label.definition,
            "base_rate": label.n_positive["validation"] / label.n_scored["validation"],
            "table_f1": label.table_f1,
            "contextual": label.contextual,
        }
        for label in frozen_labels().labels
        if label.table_f1 is not None
    ]


def _bits_per_byte(
    nats: Float64[np.ndarray, " documents"],
    documents: Sequence[TokenizedDocument],
    split: Split,
    config: GroundConfig | TextModelsConfig,
    *,
    variant: str | None = None,
    lm: bool = False,
) -> Result:
    """sum of nats / (ln 2 * sum of bytes), resampled by unit (top-level package or module)."""
    units, owner = np.unique([document.unit for document in documents], return_inverse=True)
    bits = np.bincount(owner, weights=nats / np.log(2))
    n_bytes = np.bincount(owner, weights=[document.n_bytes for document in documents])
    interval = bootstrap_ratio(bits, n_bytes, numpy_generator(config.seed, f"bits-per-byte/{split}/{variant}"))
    return _result(
        split,
        config,
        value=interval.value,
        variant=variant,
        ci_low=interval.low,
        ci_high=interval.high,
        n=len(units),
        n_unit="packages",
        lm="trained" if lm else None,
    )


def _result(split: Split, config: GroundConfig | TextModelsConfig, **fields: Any) -> Result:
    """A bits-a-byte result; references are named by their variant, with no language model involved."""
    common = {"metric": "lm_bits_per_byte", "unit": "bits/byte", "method": "lm", "definition": "lm_bits_per_byte"}
    fields = {"lm": None, "seed": config.seed, **common, **fields}
    return Result(split=split, config=fingerprint(config), **fields)


def _task_accuracy(score: TaskScore, config: GroundConfig) -> Result:
    accuracy = score.accuracy
    return Result(
        metric=f"task_accuracy/{score.task.name}",
        value=accuracy.value,
        unit="fraction",
        ci_low=accuracy.low,
        ci_high=accuracy.high,
        n=len(score.pairs),
        n_unit="pairs",
        method="lm",
        lm="trained",
        seed=config.seed,
        definition="task_accuracy",
        config=fingerprint(config),
    )


def _task_summary(score: TaskScore, tokenizer: Tokenizer) -> dict[str, Any]:
    example = score.pairs[0]
    return {
        "name": score.task.name,
        "description": score.task.description,
        "hard_case": score.task.hard_case,
        "n_pairs": len(score.pairs),
        "n_templates": len(score.task.templates),
        "accuracy": score.accuracy.value,
        "low": score.accuracy.low,
        "high": score.accuracy.high,
        "mean_logit_difference_clean": _mean(score.logit_difference_clean),
        "mean_logit_difference_corrupt": _mean(score.logit_difference_corrupt),
        "mean_kl": _mean(score.kl),
        "clean": example.clean_text,
        "corrupt": example.corrupt_text,
        "answer": _answer(example.answer_ids, tokenizer),
        "wrong": _answer(example.wrong_ids, tokenizer),
    }


def _answer(ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """The shortest of the tokens that count as one answer: the name, or the character they all begin with."""
    return min((tokenizer.decode([id_]) for id_ in ids), key=len)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
