"""What a run will cost before it begins: a matrix product and a pass of the model timed here, times how many there are.

A step of training and a measurement are counted in products of a batch by an encoder, [B d] x [d n]. Which factor holds
depends on how sparse the latents become and on the machine, so that a range is given, not a number.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from monosemy.core import torch_generator
from monosemy.experiments import documents_for
from monosemy.lm import LanguageModel, Site
from monosemy.recipes.dictionary_run import Subject
from monosemy.training import Member

BATCH_SEQUENCES = 8
STEP_PRODUCTS = (1.5, 15.0)
"""A training step takes so many times as long as its encoder product: from active values alone, and by autograd."""

MEASURING_PRODUCTS = (8.0, 35.0)
"""Measuring takes so many times as long as the product that encodes the held-out rows of a split: without labels, and
with the 116 of the embedded corpus. Both upper ends are those of the default run on two cores."""

STEP_SECONDS, SCORE_SECONDS = (0.0005, 0.002), (0.1, 0.5)
"""What a step, and measuring one dictionary, take beside their products, however small these are."""

BASELINES = 20
PRODUCT_SECONDS = 0.5
"""How long the product is timed."""

LARGEST_TIMED = 1 << 22
"""Numbers in the largest matrix that is made to be timed; a larger product takes as long a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed:
    """What this machine does in one process: multiplications with addition in a product, tokens through the model."""

    products_a_second: float
    tokens_a_second: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Seconds (from, to) of the three long parts of a run in one process, and how many processes share them."""

    harvest_seconds: tuple[float, float]
    training_seconds: tuple[float, float]
    measuring_seconds: tuple[float, float]
    n_workers: int

    @property
    def total_seconds(self) -> tuple[float, float]:
        """Of the whole, in all processes together."""
        parts = self.harvest_seconds, self.training_seconds, self.measuring_seconds
        return sum(low for low, _ in parts) / self.n_workers, sum(high for _, high in parts) / self.n_workers

    def line(self) -> str:
        """One line for the terminal."""
        parts = self.harvest_seconds, self.training_seconds, self.measuring_seconds
        each = [(low / self.n_workers, high / self.n_workers) for low, high in parts]
        record, train, measure = (between(*part) for part in each)
        return f"{between(*self.total_seconds)}: record activations {record}, train {train}, measure {measure}"


def estimate(subject: Subject, speed: Speed, n_train_rows: int, n_workers: int) -> Estimate:
    """The time of a run, from how much of everything there is. n_train_rows: activations that are recorded to train."""
    length, measuring = subject.context_length, subject.measuring
    members = (*subject.members, *subject.control)
    n_scored = 2 * measuring.n_score_sequences * length
    control_rows = measuring.n_control_sequences * length if subject.control else 0
    harvest = (n_train_rows + control_rows + 2 * n_scored) / speed.tokens_a_second
    widths = {place.site: place.d_site for place in subject.places}
    sizes = [widths.get(member.site, subject.middle.d_site) * member.n_latents for member in members]
    step = sum(m.n_steps * m.batch_size * size for m, size in zip(members, sizes, strict=True))
    usual = max(sizes, default=0)
    score = n_scored / 2 * (sum(sizes) + BASELINES * usual)
    rate = speed.products_a_second
    n_steps, n_scores = sum(member.n_steps for member in members), len(members) + BASELINES
    return Estimate(
        harvest_seconds=(0.9 * harvest, 1.3 * harvest),
        training_seconds=_range(STEP_PRODUCTS, step / rate, STEP_SECONDS, n_steps),
        measuring_seconds=_range(MEASURING_PRODUCTS, score / rate, SCORE_SECONDS, n_scores),
        n_workers=n_workers,
    )


def _range(products: tuple[float, float], seconds: float, each: tuple[float, float], n: int) -> tuple[float, float]:
    """From and to: so many products of so many seconds, and n times what each costs besides."""
    return products[0] * seconds + n * each[0], products[1] * seconds + n * each[1]


def measured_speed(subject: Subject, lm: LanguageModel) -> Speed:
    """Time a product of the recipe's shape and a few sequences through the model: about a second, with one thread."""
    sites = [Site.parse(place.site) for place in subject.places]
    tokens = torch.randint(
        lm.vocab_size, (BATCH_SEQUENCES, subject.context_length), generator=torch_generator(0, "estimate")
    )
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each of the processes has
    try:
        model_seconds = _seconds(lambda: lm.capture(tokens, sites))
        products = _products_a_second(subject.members[0], subject.middle.d_site)
    finally:
        torch.set_num_threads(n_threads)
    return Speed(products_a_second=products, tokens_a_second=tokens.numel() / model_seconds)


def n_train_rows(subject: Subject, lm: LanguageModel) -> int:
    """Activations that are recorded of the train split; the text is counted only where all of it is wanted."""
    wanted = subject.measuring.max_train_sequences
    if wanted is not None:
        return wanted * subject.context_length
    return sum(len(document.tokens) for document in documents_for(lm, subject.corpus, "train"))


def _products_a_second(member: Member, d: int) -> float:
    """Multiplications a second in `[B d] x [d n]`, of the member's batch and width or as much of them as is wise."""
    n = max(1, min(member.n_latents, LARGEST_TIMED // d))
    batch = max(1, min(member.batch_size, LARGEST_TIMED // max(n, d)))
    generator = torch_generator(0, "estimate")
    x, W = torch.randn(batch, d, generator=generator), torch.randn(n, d, generator=generator)
    out = torch.empty(batch, n)
    seconds = _seconds(lambda: torch.mm(x, W.T, out=out), at_least=PRODUCT_SECONDS)
    return batch * d * n / seconds


def _seconds(work: Callable[[], object], n: int = 3, at_least: float = 0.0) -> float:
    """The median time of n calls or more, for so many seconds, after one that warms up."""
    work()
    times: list[float] = []
    while len(times) < n or sum(times) < at_least:
        times.append(_timed(work))
    return float(np.median(times))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def between(low: float, high: float) -> str:
    """A range of times in the unit of its end: 40 to 90 s, 3 to 12 min; one number where both are the same."""
    for seconds, unit in ((3600 * 1.5, "h"), (90, "min"), (0, "s")):
        if high >= seconds:
            size = {"h": 3600, "min": 60, "s": 1}[unit]
            ends = [_rounded(end / size) for end in (low, high)]
            return f"{ends[1]} {unit}" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} {unit}"
    raise ValueError(f"times are at least 0, not {high}")


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 3 or value == 0 else f"{value:.1g}" if value < 1 else f"{value:.1f}"
