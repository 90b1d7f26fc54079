"""Stages that record activations: train rows shuffled as they are written, held-out rows in the order of the text."""

from dataclasses import dataclass
from typing import Literal

from monosemy.activations import HarvestConfig, harvest
from monosemy.core import Workers
from monosemy.corpus import Corpus, Split
from monosemy.experiments.texts import documents_for, first_tokens, has_labels
from monosemy.lm import ModelSource
from monosemy.pipeline import Stage, Workspace

STORE_KIND = "activations"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """What is recorded of a text: the sites, how many of its packed rows (None: all), in which number format."""

    split: Split
    sites: tuple[str, ...]
    context_length: int
    max_sequences: int | None
    dtype: Literal["bfloat16", "float16"]
    seed: int


def store_stage(recording: Recording, source: ModelSource, corpus: Corpus, workers: Workers) -> Stage:
    """The stage that records: shuffled for the train split, in the order of the text for the held-out ones."""
    lm = source.load()
    config = HarvestConfig(
        lm=lm.fingerprint(),
        corpus=corpus.fingerprint(),
        split=recording.split,
        sites=recording.sites,
        context_length=recording.context_length,
        max_sequences=recording.max_sequences,
        dtype=recording.dtype,
        order="shuffled" if recording.split == "train" else "text",
        seed=recording.seed,
    )

    def body(workspace: Workspace) -> None:
        documents = list(documents_for(lm, corpus, recording.split))
        places = first_tokens(corpus, documents) if has_labels(lm, corpus) else None  # other tokens have other numbers
        harvest(workspace.folder, workspace.scratch(), config, source, documents, places, workers, workspace.progress)

    return Stage(name=STORE_KIND, config=config, body=body)
