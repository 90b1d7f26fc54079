"""From a text to an activation store: the language model runs once over it, and every site is recorded.

Workers each take chunks of the text; a finished chunk lies in the scratch folder, and a harvest that was killed goes on
from there. Then every shard is put together from the chunks (see `ShardLayout`). Neither the number of workers nor a
kill changes a byte of the store.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from monosemy.activations.harvest_chunk import PLAN_FILE, SUMS, ChunkTask, capture_chunk, read_plan
from monosemy.activations.harvest_plan import EXCLUDED, HarvestConfig, HarvestPlan, plan_harvest, sample_sequences
from monosemy.activations.sequences import PackedSequences
from monosemy.activations.store import (
    DOCUMENTS_FILE,
    MOMENTS_FILE,
    SEQUENCES_FILE,
    STORE_FILE,
    StoredDocument,
    scale_of,
    shard_file,
    store_json,
)
from monosemy.activations.store_writer import chunk_file, is_whole, seal_shard, sealed_file
from monosemy.core import (
    SILENT,
    Advance,
    Progress,
    UserError,
    Workers,
    atomic_write_bytes,
    atomic_write_text,
    canonical_json,
    full_disk_is_user_error,
)
from monosemy.corpus import TokenizedDocument
from monosemy.lm import ModelSource

Moments = dict[str, Float64[np.ndarray, " _"]]
"""Arrays of MOMENTS_FILE by name."""


class _ShardTask(NamedTuple):
    scratch: Path
    name: str
    shard: int


def harvest(
    folder: Path,
    scratch: Path,
    config: HarvestConfig,
    source: ModelSource,
    documents: Sequence[TokenizedDocument],
    first_tokens: Sequence[int] | None,
    workers: Workers,
    progress: Progress = SILENT,
) -> None:
    """Fill `folder` with the files of an activation store (its manifest is the caller's affair).

    documents: those of one split, in order. first_tokens: for each, the number of its first token in the corpus' own
    order of all documents. scratch: on the file system of `folder`; what a killed harvest left there is gone on from.
    Raises UserError when the text fills no row, a site does not exist, the activations are not finite, do not fit into
    the 16-bit format or do not vary, and when the disk is too small (before it starts).
    """
    lm = source.load()
    if lm.fingerprint() != config.lm:
        raise ValueError(f"the source gives the model {lm.fingerprint()}, and the configuration names {config.lm}")
    packed = sample_sequences(config, lm, documents)
    plan = plan_harvest(config, lm, packed)
    stored = _stored_documents(documents, first_tokens)
    with full_disk_is_user_error(scratch):
        _begin(scratch, plan, packed, stored)
        _refuse_small_disk(scratch, plan)
        _capture(scratch, plan, source, workers, progress)
        moments = _moments(scratch, plan)
        _seal(scratch, plan, workers, progress)
        _publish(folder, scratch, plan, packed, moments)


def _stored_documents(
    documents: Sequence[TokenizedDocument], first_tokens: Sequence[int] | None
) -> list[StoredDocument]:
    firsts = [None] * len(documents) if first_tokens is None else [int(first) for first in first_tokens]
    return [
        StoredDocument(id=text.id, unit=text.unit, n_tokens=len(text.tokens), first_token=first)
        for text, first in zip(documents, firsts, strict=True)
    ]


def _begin(scratch: Path, plan: HarvestPlan, packed: PackedSequences, documents: Sequence[StoredDocument]) -> None:
    """Put what the workers read into the scratch folder, emptied where it holds the work of another plan."""
    file = scratch / PLAN_FILE
    if not file.is_file() or file.read_text(encoding="utf-8") != canonical_json(plan):
        shutil.rmtree(scratch, ignore_errors=True)
        atomic_write_text(file, canonical_json(plan))
    if not is_whole(scratch / SEQUENCES_FILE):
        arrays = {"tokens": packed.tokens, "document": packed.document, "index": packed.index}
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        atomic_write_bytes(scratch / SEQUENCES_FILE, save_arrays(contiguous))
    atomic_write_text(scratch / DOCUMENTS_FILE, json.dumps([asdict(document) for document in documents], indent=0))


def _refuse_small_disk(scratch: Path, plan: HarvestPlan) -> None:
    there = sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file())
    free, needed = shutil.disk_usage(scratch).free, plan.estimate().peak_bytes - there
    if free < needed:
        raise UserError(
            f"the activations need {needed / 1e9:.2f} GB of disk in {scratch.parent} and {free / 1e9:.2f} GB are free; "
            "choose another folder, fewer sites or fewer sequences"
        )


def _capture(scratch: Path, plan: HarvestPlan, source: ModelSource, workers: Workers, progress: Progress) -> None:
    """Run the model over the chunks that are not there yet."""
    unsealed = [name for name in plan.names if not _is_sealed(scratch, plan, name)]
    missing = [
        chunk
        for chunk in range(len(plan.chunk_rows))
        if not all(is_whole(chunk_file(scratch, chunk, name)) for name in [*unsealed, SUMS])
    ]
    size = plan.chunk_sequences
    n_missing = sum(min(size, plan.n_sequences - chunk * size) for chunk in missing) * plan.config.context_length
    n_tokens = plan.estimate().n_tokens
    with progress.task("harvest", n_tokens, "tokens", done=n_tokens - n_missing) as task:
        tasks = [ChunkTask(scratch, source, chunk) for chunk in missing]
        for _ in workers.map(capture_chunk, tasks, task.advance):
            pass


def _moments(scratch: Path, plan: HarvestPlan) -> Moments:
    """Means and mean squares over all chunks. Raises UserError when a site does not vary."""
    total = np.zeros((2, sum(plan.d_sites)))
    for chunk in range(len(plan.chunk_rows)):
        total += load_arrays(chunk_file(scratch, chunk, SUMS).read_bytes())[SUMS]
    parts = np.split(total / sum(plan.chunk_rows), np.cumsum(plan.d_sites)[:-1], axis=1)
    moments: Moments = {}
    for site, (mean, mean_square) in zip(plan.config.sites, parts, strict=True):
        scale_of(site, mean, mean_square)
        moments |= {f"{site}/mean": mean.copy(), f"{site}/mean_square": mean_square.copy()}
    return moments


def _is_sealed(scratch: Path, plan: HarvestPlan, name: str) -> bool:
    return all(is_whole(sealed_file(scratch, name, shard)) for shard in range(plan.n_shards))


def _seal(scratch: Path, plan: HarvestPlan, workers: Workers, progress: Progress) -> None:
    """Put the shards together that are not there yet; the chunks' files of a name go as soon as all its shards are."""
    tasks = [
        _ShardTask(scratch, name, shard)
        for name in plan.names
        for shard in range(plan.n_shards)
        if not is_whole(sealed_file(scratch, name, shard))
    ]
    n_shards = len(plan.names) * plan.n_shards
    with progress.task("shards", n_shards, "files", done=n_shards - len(tasks)) as task:
        last = {name: shard for _, name, shard in tasks}
        for name in set(plan.names) - set(last):
            _remove_chunks(scratch, plan, name)
        for done, _ in zip(tasks, workers.map(_seal_shard, tasks), strict=True):
            task.advance()
            if last[done.name] == done.shard:
                _remove_chunks(scratch, plan, done.name)


def _seal_shard(task: _ShardTask, _: Advance) -> None:
    seal_shard(task.scratch, read_plan(task.scratch).layout, task.name, task.shard)


def _remove_chunks(scratch: Path, plan: HarvestPlan, name: str) -> None:
    for chunk in range(len(plan.chunk_rows)):
        chunk_file(scratch, chunk, name).unlink(missing_ok=True)


def _publish(folder: Path, scratch: Path, plan: HarvestPlan, packed: PackedSequences, moments: Moments) -> None:
    """Put the finished files into the store's folder."""
    for name in plan.names:
        for shard in range(plan.n_shards):
            _link(sealed_file(scratch, name, shard), folder / shard_file(name, shard))
    for name in (SEQUENCES_FILE, DOCUMENTS_FILE):
        _link(scratch / name, folder / name)
    (folder / MOMENTS_FILE).write_bytes(save_arrays(moments))
    text = store_json(
        shard_rows=plan.layout.shard_rows(),
        d_site=dict(zip(plan.config.sites, plan.d_sites, strict=True)),
        dtype=plan.config.dtype,
        order=plan.config.order,
        context_length=plan.config.context_length,
        n_sequences=plan.n_sequences,
        n_dropped_tokens=packed.n_dropped_tokens,
        excluded=EXCLUDED,
    )
    (folder / STORE_FILE).write_text(text, encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    """The same file under a second name: what is kept for a harvest that is killed from here on needs no more space."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without links, or another one
        shutil.move(source, target)
