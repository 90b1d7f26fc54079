"""`monosemy plan`: what a run will make and need, before anything starts; and the refusal of what cannot fit."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monosemy.core import UserError, available_memory
from monosemy.corpus import Split, StdlibCorpus
from monosemy.dictionaries import BatchTopKConfig, MatryoshkaConfig, TopKConfig
from monosemy.experiments import MEMBERS_A_JOB, has_labels
from monosemy.lm import LanguageModel
from monosemy.recipes.dictionary_run import Subject
from monosemy.recipes.estimate import Estimate, Speed, estimate, n_train_rows
from monosemy.training import Member, training_bytes

PROCESS_BYTES = 480_000_000
"""A process with its libraries and a small language model, before it trains; measured."""

READER_BYTES = 200_000_000
"""What reading shuffled activations takes: two shards of the store, and the batch."""

ROW_BYTES, TOKEN_BYTES = 8, 12
"""Beside activations of two bytes a dimension: the place of a row, and the token with its document."""

LARGEST_BATCH = 1 << 20
WITH_K = (TopKConfig, BatchTopKConfig, MatryoshkaConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class StorePlan:
    """One set of activations: which, of how many tokens (None: of as many as the text has), and its bytes."""

    name: str
    n_tokens: int | None
    stored_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run will make and need.

    members: everything that is trained, the control's at the end, and widths, those of their sites. job_bytes: memory
    of one process that trains. available_bytes, None where the system does not tell. free_bytes: on the disk of `out`.
    disk_bytes: what is still to be written.
    """

    stores: tuple[StorePlan, ...]
    members: tuple[Member, ...]
    n_control: int
    widths: tuple[int, ...]
    n_workers: int
    job_bytes: int
    available_bytes: int | None
    disk_bytes: int
    free_bytes: int
    largest_batch: int | None
    estimate: Estimate

    def lines(self) -> list[str]:
        """The plan for the terminal."""
        stores = [
            f"  {store.name:<34}{'the text' if store.n_tokens is None else f'{store.n_tokens:,}':>12} tokens"
            f"{_size(store.stored_bytes) if store.stored_bytes else 'not known':>12}"
            for store in self.stores
        ]
        memory = f"{_size(self.job_bytes)} a process, {_size(self.n_workers * self.job_bytes)} in {self.n_workers}"
        known = self.available_bytes is not None
        batch = f"{self.largest_batch:,}" if self.largest_batch else "none" if known else "not known"
        return [
            "record",
            *stores,
            "train",
            *_member_lines(self.members, self.n_control),
            f"memory         {memory}; available {_size(self.available_bytes) if known else 'not known'}",
            f"largest batch  {batch}, of the powers of two, in that memory",
            f"disk           {_size(self.disk_bytes)} to write; free {_size(self.free_bytes)}",
            f"time           {self.estimate.line()}",
        ]

    def line(self) -> str:
        """The plan in one line, said when a run begins."""
        return (
            f"plan: {self.estimate.line()}; {len(self.members)} dictionaries in {_processes(self.n_workers)}, "
            f"{_size(self.job_bytes)} each, {_size(self.disk_bytes)} on the disk"
        )


def plan_run(subject: Subject, lm: LanguageModel, speed: Speed, out: Path, n_workers: int) -> Plan:
    """The plan of a run in the folder `out`; nothing is computed but sizes."""
    rows = n_train_rows(subject, lm)
    stores = _stores(subject, lm, rows)
    members = (*subject.members, *subject.control)
    d_of = {place.site: place.d_site for place in subject.places}
    widths = tuple(d_of.get(member.site, subject.middle.d_site) for member in members)
    available = available_memory()
    there = sum(file.stat().st_size for file in out.glob("activations-*/**/*") if file.is_file())
    recorded = sum(store.stored_bytes for store in stores)
    return Plan(
        stores=stores,
        members=members,
        n_control=len(subject.control),
        widths=widths,
        n_workers=n_workers,
        job_bytes=job_bytes(members, widths),
        available_bytes=available,
        disk_bytes=max(0, recorded - there) + dictionary_bytes(members, widths),
        free_bytes=shutil.disk_usage(_existing(out)).free,
        largest_batch=largest_batch(members, widths, n_workers, available, min(rows, LARGEST_BATCH)),
        estimate=estimate(subject, speed, rows, n_workers),
    )


def job_bytes(members: Sequence[Member], widths: Sequence[int]) -> int:
    """Memory of a process that trains those of the members that need most, as many as a job has.

    Weights and moments of each, and the buffers of one: members take their steps in turn.
    """
    needs = [training_bytes(member, d) for member, d in zip(members, widths, strict=True)]
    kept = sorted((need.weights + need.moments for need in needs), reverse=True)[:MEMBERS_A_JOB]
    return PROCESS_BYTES + READER_BYTES + sum(kept) + max((need.buffers for need in needs), default=0)


def dictionary_bytes(members: Sequence[Member], widths: Sequence[int]) -> int:
    """Disk of the trained dictionaries: the weights of each at the powers of two of its steps and at the end, and two
    full states of those in training."""
    needs = [training_bytes(member, d) for member, d in zip(members, widths, strict=True)]
    kept = sum((math.ceil(math.log2(m.n_steps + 1)) + 2) * need.weights for m, need in zip(members, needs, strict=True))
    return kept + 2 * max((need.weights + need.moments for need in needs), default=0) * MEMBERS_A_JOB


def largest_batch(
    members: Sequence[Member], widths: Sequence[int], n_workers: int, available: int | None, most: int = LARGEST_BATCH
) -> int | None:
    """The largest power of two, up to `most`, that all members could have as batch size; None: none, or not known."""
    if available is None:
        return None
    batch = 1 << (max(1, most).bit_length() - 1)
    while batch and n_workers * job_bytes([replace(m, batch_size=batch) for m in members], widths) > available:
        batch //= 2
    return batch or None


def refuse_what_cannot_fit(plan: Plan) -> None:
    """Raise UserError, saying what would fit, where memory or disk do not suffice for the plan, or k is too large."""
    for member in plan.members:
        k = member.architecture.k if isinstance(member.architecture, WITH_K) else 0
        if k > member.n_latents:
            raise UserError(f"{member.name}: k is {k} and there are only {member.n_latents} latents; choose another")
    if plan.disk_bytes > plan.free_bytes:
        left = plan.free_bytes - dictionary_bytes(plan.members, plan.widths)
        share = left / max(1, sum(store.stored_bytes for store in plan.stores))
        raise UserError(
            f"the run writes {_size(plan.disk_bytes)} and {_size(plan.free_bytes)} are free on the disk; name another "
            + (
                f"with --out, or record less: about {share:.0%} of the tokens would fit (--max-train-sequences)"
                if share > 0
                else "with --out, or train fewer or smaller dictionaries (--expansion-factor)"
            )
        )
    if plan.available_bytes is None or plan.n_workers * plan.job_bytes <= plan.available_bytes:
        return
    in_all = plan.n_workers * plan.job_bytes
    would = _what_would_fit(plan, plan.available_bytes)
    raise UserError(
        f"training needs {_size(in_all)} of memory in {_processes(plan.n_workers)} and {_size(plan.available_bytes)} "
        f"are available; {' or '.join(would) + ' would fit' if would else 'no smaller batch or number of latents fits'}"
    )


def _what_would_fit(plan: Plan, available: int) -> list[str]:
    found: list[str] = []
    batch = plan.largest_batch
    if batch is not None and batch < max(member.batch_size for member in plan.members):
        found.append(f"--batch-size {batch}")
    n = max(member.n_latents for member in plan.members)
    halvings = 0
    while n >> halvings and plan.n_workers * job_bytes(_halved(plan.members, halvings), plan.widths) > available:
        halvings += 1
    if halvings > 0 and n >> halvings:
        d = plan.widths[max(range(len(plan.members)), key=lambda i: plan.members[i].n_latents)]
        found.append(f"n_latents {n >> halvings:,} (--expansion-factor {(n >> halvings) / d:.3g})")
    n_workers = available // plan.job_bytes
    if 0 < n_workers < plan.n_workers:
        found.append(f"--threads {n_workers}")
    return found


def _halved(members: Sequence[Member], times: int) -> list[Member]:
    return [replace(member, n_latents=max(1, member.n_latents >> times)) for member in members]


def _stores(subject: Subject, lm: LanguageModel, n_rows: int) -> tuple[StorePlan, ...]:
    measuring, length = subject.measuring, subject.context_length
    everywhere, middle = [place.d_site for place in subject.places], [subject.middle.d_site]
    n_scored = measuring.n_score_sequences * length
    n_sites = f"{len(everywhere)} sites" if len(everywhere) > 1 else "1 site"
    stores = [_store(f"train, {n_sites}", n_rows, everywhere)]
    stores += [_store(f"{split}, {n_sites}", n_scored, everywhere) for split in _HELD_OUT]
    if subject.control:
        stores.append(_store("control, train, 1 site", measuring.n_control_sequences * length, middle))
        stores += [_store(f"control, {split}, 1 site", n_scored, middle) for split in _HELD_OUT]
    most = measuring.max_context_sequences
    for split in _HELD_OUT:
        n_tokens = most * length if most is not None else _n_embedded_tokens(subject, lm, split)
        stores.append(_store(f"contexts, {split}, 1 site", n_tokens, middle))
    return tuple(stores)


def _store(name: str, n_tokens: int | None, widths: Sequence[int]) -> StorePlan:
    row = 2 * sum(widths) + ROW_BYTES + TOKEN_BYTES
    return StorePlan(name=name, n_tokens=n_tokens, stored_bytes=(n_tokens or 0) * row)


def _n_embedded_tokens(subject: Subject, lm: LanguageModel, split: Split) -> int | None:
    """The tokens of a split where they are counted already: those of the embedded corpus."""
    if not (isinstance(subject.corpus, StdlibCorpus) and has_labels(lm, subject.corpus)):
        return None
    return sum(document.n_tokens for document in subject.corpus.frozen_documents if document.split == split)


def _member_lines(members: Sequence[Member], n_control: int) -> list[str]:
    """A line for each method, number of latents and length of training."""
    counts: dict[tuple[str, int, int, int], int] = {}
    for i, member in enumerate(members):
        of_control = ", control" if i >= len(members) - n_control else ""
        key = member.method + of_control, member.n_latents, member.n_steps, member.batch_size
        counts[key] = counts.get(key, 0) + 1
    return [
        f"  {n:>3} {method:<20} {n_latents:>9,} latents   {n_steps:,} steps of {batch:,} = {n_steps * batch:,} tokens"
        for (method, n_latents, n_steps, batch), n in counts.items()
    ]


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.resolve()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _processes(n: int) -> str:
    return "1 process" if n == 1 else f"{n} processes"


def _size(n_bytes: int | None) -> str:
    """Decimal units, three digits: 31.2 MB, 4.05 GB."""
    n_bytes = n_bytes or 0
    size, unit = next(((size, unit) for size, unit in ((1e12, "TB"), (1e9, "GB")) if n_bytes >= size), (1e6, "MB"))
    return f"{n_bytes / size:.3g} {unit}"


_HELD_OUT: tuple[Split, ...] = ("validation", "test")
