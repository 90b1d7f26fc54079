"""Intruder detection: can somebody tell the text on which a latent is silent among those on which it fires?

It needs no explanation. Each trial shows four fragments of high activation and one silent one, in random order; who
guesses is right in one of five. Source: the intruder task of Chang et al. (2009), for latents as in Paulo et al. (2025,
arXiv 2507.08473); differs in that no token is marked.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import final

import numpy as np

from monosemy.core import Advance, Interval, ignore_advance, numpy_generator, wilson
from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.picker import Picker
from monosemy.interpretation.prompts import passage

N_ACTIVE = 4
"""Fragments of high activation in a trial."""

N_HIGHEST = 20
"""From how many of the fragments of highest activation those are drawn."""

CHANCE = 1 / (N_ACTIVE + 1)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class IntruderTrial:
    """Passages of which number `odd` (from 0) is of a fragment on which the latent is silent."""

    latent: int
    passages: tuple[str, ...]
    odd: int


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class IntruderPick:
    """What was picked in one trial; None with the status and reason where there was no usable answer."""

    latent: int
    odd: int
    picked: int | None
    status: str
    reason: str | None


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class IntruderResult:
    """How many trials were answered, and rightly. Both intervals are None without trials, the first without answers.

    accuracy: n_right / n_answered with Wilson's 95 % interval, failures left out. with_failures_as_chance: a accuracy +
    (1 - a) / 5 with a = n_answered / n_trials, the interval alike: a judge that fails gains nothing by it.
    """

    picks: tuple[IntruderPick, ...]
    n_trials: int
    n_answered: int
    n_right: int
    accuracy: Interval | None
    with_failures_as_chance: Interval | None


def intruder_trial(sample: Sample, latent: int, seed: int, number: int = 0) -> IntruderTrial | None:
    """One trial from a sample of the full budget; None where the latent fires on fewer than 4 of it, or on all.

    Four are drawn uniformly from the 20 of highest peak, the silent one in proportion to the sample's weights, as if
    from all the text on which the latent is silent; the order is random. Depends on the seed, the latent and `number`.
    """
    peak = np.where(sample.text.fragments.mask, sample.values, -np.inf).max(axis=1)
    ranked = np.argsort(-peak, kind="stable")
    active, silent = ranked[peak[ranked] > 0][:N_HIGHEST], np.flatnonzero(~(sample.values != 0).any(axis=1))
    weight = sample.weight[silent]
    if len(active) < N_ACTIVE or len(silent) == 0 or weight.sum() <= 0:
        return None
    generator = numpy_generator(seed, f"intruder/{latent}", number)
    odd_row = generator.choice(silent, p=weight / weight.sum())
    rows = np.append(generator.choice(active, size=N_ACTIVE, replace=False), odd_row)
    order = generator.permutation(N_ACTIVE + 1)
    fragments = sample.text.fragments
    passages = tuple(passage(fragments.fragment(int(row)).text) for row in rows[order])
    return IntruderTrial(latent=latent, passages=passages, odd=int(np.flatnonzero(order == N_ACTIVE)[0]))


def detect_intruders(
    trials: Iterable[IntruderTrial], picker: Picker, *, n_threads: int = 1, advance: Advance = ignore_advance
) -> IntruderResult:
    """Put every trial to the judge, `n_threads` at once; failures are counted, never raised."""

    def pick(trial: IntruderTrial) -> IntruderPick:
        reply = picker.pick(trial.passages)
        return IntruderPick(
            latent=trial.latent, odd=trial.odd, picked=reply.value, status=reply.status, reason=reply.reason
        )

    picks: list[IntruderPick] = []
    with ThreadPoolExecutor(max_workers=n_threads) as pool:
        for each in pool.map(pick, trials):
            picks.append(each)
            advance(1)
    return intruder_result(picks)


def intruder_result(picks: Sequence[IntruderPick]) -> IntruderResult:
    """The accuracies of the picks."""
    n_answered = sum(pick.picked is not None for pick in picks)
    n_right = sum(pick.picked == pick.odd for pick in picks)
    accuracy = wilson(n_right, n_answered) if n_answered else None
    share = n_answered / len(picks) if picks else 0.0
    of_answered = accuracy or Interval(value=CHANCE, low=CHANCE, high=CHANCE)
    mixed = Interval(
        value=share * of_answered.value + (1 - share) * CHANCE,
        low=share * of_answered.low + (1 - share) * CHANCE,
        high=share * of_answered.high + (1 - share) * CHANCE,
    )
    return IntruderResult(
        picks=tuple(picks),
        n_trials=len(picks),
        n_answered=n_answered,
        n_right=n_right,
        accuracy=accuracy,
        with_failures_as_chance=mixed if picks else None,
    )
