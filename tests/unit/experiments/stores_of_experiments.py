"""Stores and dictionaries of a few numbers, and what jobs make of them, for the tests of `monosemy.experiments`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from torch import Tensor

from monosemy.activations import StoredDocument
from monosemy.core import SILENT, Artifact, Workers, open_artifact, write_artifact
from monosemy.corpus import Split, StdlibCorpus, frozen_labels
from monosemy.dictionaries import Dictionary, DictionaryCard, Identity, Sparsifier, write_card
from monosemy.pipeline import Job, find_stage, run_jobs
from tests.unit.evaluation.rows_in_memory import packed_rows

SITE = "resid_post.1"
CONTEXT, OFFSET = 64, 1000
PLANTED = "comma"
"""The label that the first dimension of a labelled store shows."""


def artifact(fingerprint: str, name: str = "x") -> Artifact:
    """A parent of which nothing but the fingerprint and the path is asked."""
    return Artifact(
        path=Path(name), kind="activations", config={}, parents={}, files={}, fingerprint=fingerprint, version=1
    )


def write_store(
    folder: Path,
    x: Mapping[str, Tensor],
    *,
    tokens: np.ndarray,
    document: np.ndarray,
    index: np.ndarray,
    documents: Sequence[StoredDocument],
    lm: str = "lm-a",
    split: Split = "test",
    order: str = "text",
) -> Artifact:
    """A store in one shard; x of the recorded positions, in the order of the text."""
    recorded = index >= 0
    recorded[:, 0] = False
    place = torch.from_numpy(np.flatnonzero(recorded))
    with write_artifact(folder, kind="activations", config={"lm": lm, "split": split, "order": order}) as path:
        for name in [*x, "place"]:
            (path / name).mkdir()
            key, tensor = ("place", place) if name == "place" else ("x", x[name].to(torch.bfloat16))
            assert len(tensor) == len(place)
            save_file({key: tensor.contiguous()}, path / name / "00000.safetensors")
        arrays = {"tokens": tokens, "document": document, "index": index}
        save_arrays({name: value.astype(np.int32) for name, value in arrays.items()}, path / "sequences.safetensors")
        (path / "documents.json").write_text(json.dumps([asdict(each) for each in documents]))
        moments = {
            f"{site}/{name}": value.mean(dim=0).numpy()
            for site, t in x.items()
            for name, value in (("mean", t.double()), ("mean_square", t.double() ** 2))
        }
        save_arrays(moments, path / "moments.safetensors")
        about = {"n_rows": len(place), "shard_rows": [len(place)], "d_site": {s: t.shape[1] for s, t in x.items()}}
        about |= {"dtype": "bfloat16", "order": order, "context_length": index.shape[1]}
        (path / "store.json").write_text(json.dumps(about))
    return open_artifact(folder, kind="activations")


def random_store(
    folder: Path, d: int = 6, *, lm: str = "lm-a", split: Split = "test", order: str = "text", seed: int = 0
) -> Artifact:
    """Some 450 rows of d dimensions, of unlike variances and not centered, in ten units, without labels."""
    documents, packed, place = packed_rows(40, 13, 8)
    x = torch.randn(len(place), d, generator=torch.Generator().manual_seed(seed)) * torch.arange(1, d + 1) + 1
    return write_store(
        folder,
        {SITE: x},
        tokens=packed.tokens,
        document=packed.document,
        index=packed.index,
        documents=[
            StoredDocument(id=f"d{i}", unit=each.unit, n_tokens=each.n_tokens, first_token=None)
            for i, each in enumerate(documents)
        ],
        lm=lm,
        split=split,
        order=order,
    )


def labelled_store(folder: Path, split: Split, *, lm: str = "lm-a", n_sequences: int = 6, d: int = 4) -> Artifact:
    """Tokens 1000, 1001... of 40 documents of the embedded corpus; x[:, 0] near 1 where `PLANTED` holds, else 0."""
    corpus, labels = StdlibCorpus(), frozen_labels()
    planted = labels.values(next(label for label in labels.labels if label.name == PLANTED))
    first = {}  # counted here, not by the code that is tested
    start = 0
    for frozen in corpus.frozen_documents:
        first[frozen.id] = start
        start += frozen.n_tokens
    n_read = n_sequences * (CONTEXT - 1)
    long_enough = [each for each in corpus.tokenized(split) if len(each.tokens) >= OFFSET + n_read][:40]
    stored = [
        StoredDocument(id=each.id, unit=each.unit, n_tokens=len(each.tokens), first_token=first[each.id])
        for each in long_enough
    ]
    index = np.stack([np.arange(OFFSET, OFFSET + n_read).reshape(n_sequences, -1) for _ in stored])
    read = [each.tokens[OFFSET : OFFSET + n_read].reshape(n_sequences, -1) for each in long_enough]
    tokens = np.stack(read).astype(np.int32)
    index, tokens = (np.pad(a, ((0, 0), (0, 0), (1, 0)), constant_values=v) for a, v in ((index, -1), (tokens, 0)))
    holds = np.concatenate([planted[first[each.id] + OFFSET :][:n_read] for each in stored])
    x = 0.1 * torch.randn(len(holds), d, generator=torch.Generator().manual_seed(len(split)))
    x[:, 0] += torch.from_numpy(holds)
    return write_store(
        folder,
        {SITE: x},
        tokens=tokens.reshape(-1, CONTEXT),
        document=np.repeat(np.arange(len(stored)), n_sequences)[:, None].repeat(CONTEXT, axis=1),
        index=index.reshape(-1, CONTEXT),
        documents=stored,
        lm=lm,
        split=split,
    )


def linear(W: Tensor, sparsifier: Sparsifier | None = None) -> Dictionary:
    """z = W x, x_hat = W^T z."""
    n_latents, d = W.shape
    zero = torch.zeros
    return Dictionary(
        W_enc=W, b_enc=zero(n_latents), W_dec=W.clone(), b_dec=zero(d), sparsifier=sparsifier or Identity()
    )


def card_of(dictionary: Dictionary, name: str = "topk-seed0", **changed: Any) -> DictionaryCard:
    """The card of a TopK dictionary that was trained for three steps, but for what is given."""
    fields: dict[str, Any] = {"name": name, "method": "topk", "lm": "lm-a", "lm_kind": "trained", "site": SITE}
    fields |= {"seed": int(name.rpartition("-seed")[2]), "n_latents": dictionary.n_latents}
    fields |= {"expansion_factor": dictionary.n_latents / dictionary.d_in, "sparsity": "k=2", "n_steps": 3}
    return DictionaryCard(**(fields | {"n_tokens": 96, "store": "s"} | changed))


def write_dictionary(
    folder: Path, dictionary: Dictionary, name: str = "topk-seed0", *, curve: list | None = None, **changed: Any
) -> Artifact:
    """A dictionary's artifact; with a curve, as a trained one has it."""
    card = card_of(dictionary, name, **changed)
    with write_artifact(folder, kind="dictionary", config={"name": name}) as path:
        dictionary.save(path)
        write_card(path, card)
        if curve is not None:
            (path / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in curve))
    return open_artifact(folder, kind="dictionary")


def made(job: Job, root: Path) -> list[Artifact]:
    """What a job leaves, made in this process."""
    stages = list(job.stages)
    with Workers(1) as workers:
        run_jobs(stages, lambda _: [job], root, workers, SILENT, name="job", unit="")
    found = [find_stage(stage, root) for stage in stages]
    assert None not in found
    return [each for each in found if each is not None]
