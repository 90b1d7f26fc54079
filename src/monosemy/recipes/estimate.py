"""What a run will cost before it begins: a few batches and steps timed here, times how many there will be."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from monosemy.core import torch_generator
from monosemy.dictionaries import Dictionary
from monosemy.experiments import documents_for
from monosemy.lm import LanguageModel, Site
from monosemy.recipes.dictionary_run import Subject
from monosemy.training import Learner, Member

BATCH_SEQUENCES = 8
ENCODINGS = 8
"""Measuring a dictionary takes so many times as long as encoding the held-out rows of one split."""

BASELINES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Seconds of the three long parts of a run, and bytes on the disk; measured on this machine, one process each."""

    harvest_seconds: float
    training_seconds: float
    measuring_seconds: float
    stored_bytes: int
    n_members: int
    n_workers: int

    def line(self) -> str:
        """One line for the terminal."""
        parts = self.harvest_seconds, self.training_seconds, self.measuring_seconds
        record, train, measure, total = (f"{_minutes(seconds / self.n_workers)}" for seconds in (*parts, sum(parts)))
        return (
            f"estimate: {total} with {self.n_workers} processes: record activations {record} "
            f"({self.stored_bytes / 1e9:.1f} GB), train {self.n_members} dictionaries {train}, measure {measure}; "
            "what is there already is not made again"
        )


def estimate(subject: Subject, lm: LanguageModel, n_workers: int) -> Estimate:
    """Time one batch of the language model, and three steps and one encoding of the recipe's first member.

    A step's time is taken as proportional to n_latents, as its matrix products are. A text shorter than the recipe's
    sample of it costs less.
    """
    measuring, length = subject.measuring, subject.context_length
    sites = [Site.parse(place.site) for place in subject.places]
    tokens = torch.randint(lm.vocab_size, (BATCH_SEQUENCES, length), generator=torch_generator(0, "estimate"))
    token_seconds = _seconds(lambda: lm.capture(tokens, sites)) / tokens.numel()
    n_rows = length * measuring.max_train_sequences if measuring.max_train_sequences else _n_tokens(subject, lm)
    members = (*subject.members, *subject.control)
    step, encoding = _member_seconds(members[0], subject.middle.d_site)
    sizes = [member.n_latents / members[0].n_latents for member in members]
    n_scored = 2 * measuring.n_score_sequences * length
    control_rows = measuring.n_control_sequences * length if subject.control else 0
    return Estimate(
        harvest_seconds=token_seconds * (n_rows + control_rows + 2 * n_scored),
        training_seconds=step * sum(m.n_steps * size for m, size in zip(members, sizes, strict=True)),
        measuring_seconds=encoding * ENCODINGS / 2 * n_scored * (sum(sizes) + BASELINES),
        stored_bytes=2 * (n_rows + n_scored) * sum(place.d_site for place in subject.places),
        n_members=len(members),
        n_workers=n_workers,
    )


def _n_tokens(subject: Subject, lm: LanguageModel) -> int:
    return sum(len(document.tokens) for document in documents_for(lm, subject.corpus, "train"))


def _member_seconds(member: Member, d_site: int) -> tuple[float, float]:
    """Seconds of a training step, and of encoding one activation."""
    learner = Learner(member, np.zeros(d_site), 1.0)
    x = torch.randn(member.batch_size, d_site, generator=torch_generator(0, "estimate"))
    step = _seconds(lambda: learner.advance_(x, measure=False))
    dictionary: Dictionary = learner.export()
    return step, _seconds(lambda: dictionary.encode(x)) / len(x)


def _seconds(work: Callable[[], object], n: int = 3) -> float:
    """The median time of n calls after one that warms up."""
    work()
    times: Sequence[float] = [_timed(work) for _ in range(n)]
    return float(np.median(times))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
