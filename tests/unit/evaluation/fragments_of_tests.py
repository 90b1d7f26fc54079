"""Small texts and dictionaries whose arithmetic is exact, so that a sampler can be compared to the last bit."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from monosemy.activations import StoredDocument, StoredSequences
from monosemy.dictionaries import Dictionary, Sparsifier, TopK
from monosemy.evaluation import FragmentConfig, FragmentPart, FragmentSampler

D = 4
N_TOKENS = 50
VOCABULARY = [*(f"<{i}>" for i in range(N_TOKENS - 1)), b"\xf0\x9f".decode(errors="surrogateescape")]


@dataclass(frozen=True, kw_only=True)
class Text:
    """Packed sequences with separators, their documents, and x for every recorded position in the text's order."""

    sequences: StoredSequences
    documents: tuple[StoredDocument, ...]
    recorded: np.ndarray
    x: torch.Tensor

    @property
    def place(self) -> np.ndarray:
        return np.flatnonzero(self.recorded)


def text(n_sequences: int = 6, context_length: int = 256, seed: int = 0) -> Text:
    """Documents of 5 to 150 tokens, one unit for three of them; whole numbers as activations."""
    rng = np.random.default_rng(seed)
    n = n_sequences * context_length
    document, index = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    lengths: list[int] = []
    at = 0
    while at < n:
        length = min(int(rng.integers(5, 150)), n - at - 1)
        document[at : at + length + 1] = len(lengths)
        index[at : at + length + 1] = np.arange(-1, length)
        lengths.append(length)
        at += length + 1
    tokens = rng.integers(0, N_TOKENS, n).astype(np.int32)
    shape = (n_sequences, context_length)
    index = index.reshape(shape)
    recorded = index >= 0
    recorded[:, 0] = False
    return Text(
        sequences=StoredSequences(tokens=tokens.reshape(shape), document=document.reshape(shape), index=index),
        documents=tuple(
            StoredDocument(id=f"{seed}/d{i}", unit=f"u{i // 3}", n_tokens=length, first_token=10 * i)
            for i, length in enumerate(lengths)
        ),
        recorded=recorded,
        x=torch.from_numpy(rng.integers(-3, 4, (int(recorded.sum()), D)).astype(np.float32)),
    )


def dictionary(n_latents: int = 12, sparsifier: Sparsifier | None = None, bias: int = -14, seed: int = 0) -> Dictionary:
    """Whole numbers as weights, so that sums are exact in any order. Latent 0 is dead, latent 1 always fires (ReLU)."""
    generator = torch.Generator().manual_seed(seed)
    W_enc = torch.randint(-2, 3, (n_latents, D), generator=generator).float()
    b_enc = torch.full((n_latents,), float(bias))
    W_enc[:2] = 0.0
    b_enc[:2] = torch.tensor([-1.0, 2.0])
    return Dictionary(
        W_enc=W_enc, b_enc=b_enc, W_dec=W_enc.clone(), b_dec=torch.zeros(D), sparsifier=sparsifier or TopK(3)
    )


P = TypeVar("P", bound=FragmentPart)


def sampled(part: type[P], of: Text, by: Dictionary, config: FragmentConfig | None = None, chunk: int = 1000) -> P:
    """What the sampler keeps when the text comes in chunks of so many rows."""
    sampler = FragmentSampler(part, by, of.sequences, config or FragmentConfig(n_uniform=7))
    for start in range(0, len(of.place), chunk):
        sampler.add(of.place[start : start + chunk], of.x[start : start + chunk])
    return sampler.finish(VOCABULARY, of.documents)


def assert_equal_parts(a: FragmentPart, b: FragmentPart) -> None:
    """Every array, bit for bit."""
    assert type(a) is type(b)
    assert dict(a.table.text) == dict(b.table.text)
    assert a.table.documents == b.table.documents
    assert a.statistics.n_tokens == b.statistics.n_tokens
    assert a.statistics.n_fragments == b.statistics.n_fragments
    left, right = arrays_of(a), arrays_of(b)
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype, name
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def arrays_of(part: FragmentPart) -> dict[str, np.ndarray]:
    """All arrays of a part."""
    rows = {group: kept.values for group, kept in part.kept.items()} | {"codes": part.uniform_codes}
    objects = {"table": part.table, "statistics": part.statistics, **{f"{name} rows": r for name, r in rows.items()}}
    arrays = {
        f"{name}/{field}": getattr(thing, field)
        for name, thing in objects.items()
        for field in thing.__dataclass_fields__
        if isinstance(getattr(thing, field), np.ndarray)
    }
    arrays |= {f"{group}/row": kept.row for group, kept in part.kept.items()}
    return arrays | {"latents": part.latents, "uniform": part.uniform_row}
