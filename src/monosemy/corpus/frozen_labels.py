"""The embedded corpus' exact labels as shipped: one bit a token and label, and which labels are contextual."""

import hashlib
import json
import lzma
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from monosemy.core import UserError

LABELS_FILE, PLANES_FILE = "labels.json", "labels.xz"
MIN_POSITIVES, MIN_DOCUMENTS = 100, 10
"""A label with fewer positive tokens, or positive in fewer documents, of a split is not scored on it."""

CONTEXTUAL_F1 = 0.5
"""A label is contextual when a table of token identities, fitted on train, reaches less than this F1 on validation."""

_XZ_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]

Plane = Bool[np.ndarray, " n_tokens"]


@dataclass(frozen=True, slots=True)
class FrozenLabel:
    """A label of the catalogue with what was measured of it when the corpus was frozen.

    values_plane, scored_plane: where its bits stand in the file. n_positive, n_documents: scored positive tokens and
    documents with one, a split. table_f1: F1 on validation of the token table; null where it has too few positives.
    """

    name: str
    family: str
    definition: str
    values_plane: int
    scored_plane: int
    n_scored: dict[str, int]
    n_positive: dict[str, int]
    n_documents: dict[str, int]
    table_f1: float | None

    @property
    def contextual(self) -> bool:
        """Whether the token alone does not tell: the labels on which headline scores are computed."""
        return self.table_f1 is not None and self.table_f1 < CONTEXTUAL_F1

    def enough(self, split: str) -> bool:
        """Whether the split has enough positives to score this label."""
        return self.n_positive[split] >= MIN_POSITIVES and self.n_documents[split] >= MIN_DOCUMENTS


@dataclass(frozen=True, slots=True)
class FrozenLabels:
    """Labels of all tokens of the corpus, in the order of its documents; a bit a token, packed."""

    labels: tuple[FrozenLabel, ...]
    fingerprint: str  # of the index, which holds the sha256 of the planes
    catalogue_version: int
    n_tokens: int
    planes: UInt8[np.ndarray, "planes n_bytes"]

    def values(self, label: FrozenLabel) -> Plane:
        """Whether the label holds, for every token; only meaningful where it is scored."""
        return self._plane(label.values_plane)

    def scored(self, label: FrozenLabel) -> Plane:
        """Whether the text up to and including the token decides the label."""
        return self._plane(label.scored_plane)

    def _plane(self, index: int) -> Plane:
        return np.unpackbits(self.planes[index], count=self.n_tokens).astype(bool)


@cache
def frozen_labels() -> FrozenLabels:
    """The shipped labels. Raises UserError when the installation is damaged."""
    folder = files("monosemy").joinpath("data", "stdlib")
    text = folder.joinpath(LABELS_FILE).read_text(encoding="utf-8")
    index = json.loads(text)
    raw = lzma.decompress(folder.joinpath(PLANES_FILE).read_bytes())
    if hashlib.sha256(raw).hexdigest() != index["planes_sha256"]:
        raise UserError(f"the embedded labels ({PLANES_FILE}) are damaged; install monosemy again")
    n_bytes = -(-index["n_tokens"] // 8)
    return FrozenLabels(
        labels=tuple(FrozenLabel(**entry) for entry in index["labels"]),
        fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16],
        catalogue_version=index["catalogue_version"],
        n_tokens=index["n_tokens"],
        planes=np.frombuffer(raw, dtype=np.uint8).reshape(-1, n_bytes),
    )


def encode_labels(
    labels: Sequence[FrozenLabel], planes: Sequence[bytes], n_tokens: int, version: int
) -> tuple[str, bytes]:
    """The two files' contents: the index as JSON, the planes as xz."""
    raw = b"".join(planes)
    index = {
        "catalogue_version": version,
        "n_tokens": n_tokens,
        "planes_sha256": hashlib.sha256(raw).hexdigest(),
        "labels": [asdict(label) for label in labels],
    }
    return json.dumps(index, indent=1) + "\n", lzma.compress(raw, filters=_XZ_FILTERS)


def token_table_f1(
    fit: tuple[Integer[np.ndarray, " fitted"], Bool[np.ndarray, " fitted"], Bool[np.ndarray, " fitted"]],
    score: tuple[Integer[np.ndarray, " scored"], Bool[np.ndarray, " scored"], Bool[np.ndarray, " scored"]],
    vocabulary_size: int,
) -> float:
    """F1 of the best rule that sees the token alone; each part is (tokens, values, scored).

    p(token) = positives / scored on `fit`; predicted are the tokens of highest p, as many as maximize F1 on `fit`;
    F1 = 2 tp / (2 tp + fp + fn) on `score`, 0 where nothing is positive.
    """
    tokens, values, scored = fit
    count = np.bincount(tokens[scored], minlength=vocabulary_size)
    positive = np.bincount(tokens[scored & values], minlength=vocabulary_size)
    order = np.argsort(-positive / np.maximum(count, 1), kind="stable")
    f1 = 2 * np.cumsum(positive[order]) / np.maximum(np.cumsum(count[order]) + positive.sum(), 1)
    predicted_tokens = np.zeros(vocabulary_size, dtype=bool)
    predicted_tokens[order[: int(f1.argmax()) + 1]] = True
    tokens, values, scored = score
    predicted, truth = predicted_tokens[tokens[scored]], values[scored]
    return float(2 * (predicted & truth).sum() / max(1, predicted.sum() + truth.sum()))
