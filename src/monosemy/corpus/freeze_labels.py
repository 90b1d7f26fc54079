"""How the embedded corpus' labels were made: `python -m monosemy.corpus labels OUT`, once the corpus stands."""

from collections import Counter
from pathlib import Path

import numpy as np

from monosemy.core import atomic_write_bytes, atomic_write_text
from monosemy.corpus.documents import SPLITS
from monosemy.corpus.frozen_labels import (
    LABELS_FILE,
    MIN_DOCUMENTS,
    MIN_POSITIVES,
    PLANES_FILE,
    FrozenLabel,
    encode_labels,
    token_table_f1,
)
from monosemy.corpus.labels import CATALOGUE, CATALOGUE_VERSION, label_tokens
from monosemy.corpus.stdlib import StdlibCorpus
from monosemy.corpus.tokens import token_bytes


def freeze_corpus_labels(corpus: StdlibCorpus, out: Path) -> Counter[str]:
    """Label every document, measure every label, write both files into `out`; how many documents had which status."""
    n_bytes = np.array([len(token) for token in token_bytes(corpus.tokenizer)])
    documents = [document for split in SPLITS for document in corpus.tokenized(split)]
    documents.sort(key=lambda document: document.id)
    labelled = [label_tokens(corpus.text(document), n_bytes[document.tokens].tolist()) for document in documents]
    values = np.concatenate([labels.values for labels in labelled])
    scored = np.concatenate([labels.scored for labels in labelled])
    tokens = np.concatenate([document.tokens for document in documents])
    owner = np.repeat(np.arange(len(documents)), [len(document.tokens) for document in documents])
    split_of = {document.id: document.split for document in corpus.frozen_documents}
    owner_split = np.array([split_of[document.id] for document in documents])[owner]
    in_split = {split: owner_split == split for split in SPLITS}
    planes: dict[bytes, int] = {}
    frozen: list[FrozenLabel] = []
    for column, label in enumerate(CATALOGUE):
        if not label.causal:
            continue
        value, score = values[:, column] & scored[:, column], scored[:, column]
        rows = {split: score & in_split[split] for split in SPLITS}
        n_positive = {split: int((rows[split] & value).sum()) for split in SPLITS}
        n_documents = {split: len(np.unique(owner[rows[split] & value])) for split in SPLITS}
        enough = n_positive["validation"] >= MIN_POSITIVES and n_documents["validation"] >= MIN_DOCUMENTS
        parts = [(tokens[in_split[s]], value[in_split[s]], score[in_split[s]]) for s in ("train", "validation")]
        frozen.append(
            FrozenLabel(
                name=label.name,
                family=label.family,
                definition=label.definition,
                values_plane=planes.setdefault(np.packbits(value).tobytes(), len(planes)),
                scored_plane=planes.setdefault(np.packbits(score).tobytes(), len(planes)),
                n_scored={split: int(rows[split].sum()) for split in SPLITS},
                n_positive=n_positive,
                n_documents=n_documents,
                table_f1=token_table_f1(parts[0], parts[1], corpus.tokenizer.get_vocab_size()) if enough else None,
            )
        )
    index, packed = encode_labels(frozen, list(planes), len(tokens), CATALOGUE_VERSION)
    atomic_write_bytes(out / PLANES_FILE, packed)
    atomic_write_text(out / LABELS_FILE, index)
    return Counter(labels.status for labels in labelled)
