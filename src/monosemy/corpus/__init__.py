"""Texts: where they come from, how they are split and tokenized, and what is exactly true of each token."""

from monosemy.corpus.documents import SPLITS, Corpus, Document, Split, content_unit, split_of
from monosemy.corpus.freeze import freeze_corpus
from monosemy.corpus.freeze_labels import freeze_corpus_labels
from monosemy.corpus.frozen_labels import (
    CONTEXTUAL_F1,
    MIN_DOCUMENTS,
    MIN_POSITIVES,
    FrozenLabel,
    FrozenLabels,
    frozen_labels,
    token_table_f1,
)
from monosemy.corpus.gender import (
    GENDER_NAMES,
    GENDERS,
    Gender,
    GenderForm,
    GenderPrompt,
    gender_prompts,
    names_of_split,
)
from monosemy.corpus.hf_dataset import HubDataset, TableFiles
from monosemy.corpus.ioi import generate_ioi
from monosemy.corpus.planted import PlantedConfig, PlantedData
from monosemy.corpus.sources import open_corpus
from monosemy.corpus.stdlib import END_OF_TEXT, FrozenDocument, StdlibCorpus
from monosemy.corpus.text_files import JsonLines, TextFolder
from monosemy.corpus.tokens import (
    END_OF_TEXT_ID,
    IGNORED_TARGET,
    TokenBatch,
    TokenizedDocument,
    TrainingBatches,
    join,
    scored_windows,
    token_bytes,
    tokenize,
)

__all__ = [
    "CONTEXTUAL_F1",
    "END_OF_TEXT",
    "END_OF_TEXT_ID",
    "GENDERS",
    "GENDER_NAMES",
    "IGNORED_TARGET",
    "MIN_DOCUMENTS",
    "MIN_POSITIVES",
    "SPLITS",
    "Corpus",
    "Document",
    "FrozenDocument",
    "FrozenLabel",
    "FrozenLabels",
    "Gender",
    "GenderForm",
    "GenderPrompt",
    "HubDataset",
    "JsonLines",
    "PlantedConfig",
    "PlantedData",
    "Split",
    "StdlibCorpus",
    "TableFiles",
    "TextFolder",
    "TokenBatch",
    "TokenizedDocument",
    "TrainingBatches",
    "content_unit",
    "freeze_corpus",
    "freeze_corpus_labels",
    "frozen_labels",
    "gender_prompts",
    "generate_ioi",
    "join",
    "names_of_split",
    "open_corpus",
    "scored_windows",
    "split_of",
    "token_bytes",
    "token_table_f1",
    "tokenize",
]
