"""Figures 3 and 17: how near patching n latents brings one prompt's prediction to the other's, one job a dictionary.

Selection pairs (one half of a task's templates) choose in which order latents are patched, held-out pairs (the other
half) give the curve. Source: Cunningham et al. 2023 (arXiv 2309.08600), section 4 and appendix F, where the same 50
prompts choose and are measured; that variant is kept beside the other, under the name "paper".
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from monosemy.causal import (
    KLCurve,
    Patching,
    attribution_order,
    curve_along,
    greedy_order,
    patch_counts,
    threshold_sweep,
)
from monosemy.core import Advance, Artifact, atomic_write_text, wilson
from monosemy.corpus.tasks import Pair
from monosemy.dictionaries import Dictionary, DictionaryCard, load_dictionary
from monosemy.experiments.patching_pairs import right_pairs, task_pairs, task_words
from monosemy.lm import LanguageModel, ModelSource, Site
from monosemy.pipeline import Job, Stage, Workspace

PatchingOrder = Literal["attribution", "greedy", "threshold_sweep"]
PATCHING_KIND, TASK_KIND = "patching", "patching-task"
ABOUT_FILE, CURVE_FILE, RIGHT_FILE = "about.json", "curve.npz", "right.npz"
CURVE_FIELDS = ("order", "n_patched", "kl", "edit", "entries")
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = -5, 0
"""Powers of ten between which the paper's thresholds lie, in nats."""

_COUNTED = ("n_visits", "n_passes", "n_rows", "n_skipped", "n_close_calls")
"""What a sweep says of its own work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskConfig:
    """A task and a model whose answers on its held-out pairs are counted. lm: its fingerprint."""

    task: str
    lm: str
    n_pairs: int
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchingConfig:
    """A task, an order of latents, and on how many pairs it is chosen and measured. lm: the model's fingerprint.

    n_greedy: latents that the greedy order chooses, the others follow by attribution. n_thresholds, n_sweeps: of the
    threshold sweep, whose points are what its thresholds leave; each sweep visits the latents in another seeded order.
    """

    task: str
    lm: str
    order: PatchingOrder
    n_selection_pairs: int
    n_pairs: int
    n_greedy: int | None = None
    n_thresholds: int | None = None
    n_sweeps: int | None = None
    seed: int


def task_job(config: TaskConfig, source: ModelSource) -> Job:
    """The job that counts how many held-out pairs of a task the model gets right."""
    stage = Stage(name=TASK_KIND, config=config)
    return Job(stages=(stage,), body=partial(_score, config, source))


def patching_job(config: PatchingConfig, source: ModelSource, dictionary: Artifact) -> Job:
    """The job that patches one dictionary's latents in one task's pairs."""
    stage = Stage(name=PATCHING_KIND, config=config, parents={"dictionary": dictionary})
    return Job(stages=(stage,), body=partial(_patch, config, source, dictionary.path), n_units=_n_steps(config))


def _score(config: TaskConfig, source: ModelSource, workspaces: Sequence[Workspace], advance: Advance) -> None:
    lm, words = source.load(), task_words(config.task)
    pairs = task_pairs(config.task, lm, config.n_pairs, seed=config.seed, split="held_out")
    right = right_pairs(lm, pairs)
    accuracy = wilson(int(right.sum()), len(right))
    about = {
        **{"name": words.name, "description": words.description, "hard_case": words.hard_case},
        **{"n_pairs": len(pairs), "n_right": int(right.sum())},
        **{"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "templates": [pair.template for pair in pairs],
        **{"clean": pairs[0].clean_text, "corrupt": pairs[0].corrupt_text},
        **{"answer": _answer(lm, pairs[0].answer_ids), "wrong": _answer(lm, pairs[0].wrong_ids)},
    }
    np.savez_compressed(workspaces[0].folder / RIGHT_FILE, right=right)
    _write(workspaces[0].folder / ABOUT_FILE, about)
    advance(1)


def _answer(lm: LanguageModel, ids: Sequence[int]) -> str:
    """The shortest of the tokens that count as one answer: the name, or the character they all begin with."""
    return min((str(lm.tokenizer.decode([id_])) for id_ in ids), key=len)


def _patch(
    config: PatchingConfig,
    source: ModelSource,
    dictionary_path: Path,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    started = time.monotonic()
    lm = source.load()
    dictionary, card = load_dictionary(dictionary_path)
    chosen_on = _patching(lm, dictionary, card, _pairs(config, lm, "selection"))
    pairs = _pairs(config, lm, "held_out")
    measured_on = _patching(lm, dictionary, card, pairs)
    arrays: dict[str, np.ndarray] = {}
    passes = _curves(config, chosen_on, measured_on, arrays, advance)
    arrays |= {
        "oracle": measured_on.oracle(),
        "error_only": measured_on.error_only(),
        "all_latents": measured_on.kl(measured_on.all()),
        "n_changed": measured_on.changed.sum(axis=1),
        "n_changed_entries": measured_on.n_entries.sum(axis=1),
    }
    about = {
        **{"task": config.task, "order": config.order, "seed": config.seed},
        **{"dictionary": card.name, "method": card.method, "variant": card.variant, "sparsity": card.sparsity},
        **{"site": card.site, "lm": card.lm_kind, "dictionary_seed": card.seed, "n_latents": card.n_latents},
        **{"expansion_factor": card.expansion_factor, "d_site": dictionary.d_in},
        **{"n_selection_pairs": chosen_on.n_pairs, "n_pairs": measured_on.n_pairs, **passes},
        "templates": [pair.template for pair in pairs],
        "n_latents_ever_changed": int(measured_on.changed.any(axis=0).sum()),
        "seconds": round(time.monotonic() - started, 2),
    }
    np.savez_compressed(workspaces[0].folder / CURVE_FILE, **arrays)  # pyright: ignore[reportArgumentType]
    _write(workspaces[0].folder / ABOUT_FILE, about)


def _pairs(config: PatchingConfig, lm: LanguageModel, split: Literal["selection", "held_out"]) -> list[Pair]:
    n = config.n_selection_pairs if split == "selection" else config.n_pairs
    return task_pairs(config.task, lm, n, seed=config.seed, split=split)


def _patching(lm: LanguageModel, dictionary: Dictionary, card: DictionaryCard, pairs: Sequence[Pair]) -> Patching:
    return Patching(lm, Site.parse(card.site), dictionary, pairs)


def _curves(
    config: PatchingConfig,
    chosen_on: Patching,
    measured_on: Patching,
    arrays: dict[str, np.ndarray],
    advance: Advance,
) -> dict[str, Any]:
    """Put the curves into `arrays`, by `<split>/<number>/<array>`; what the order took, for about.json."""
    width = chosen_on.dictionary.d_in
    if config.order == "threshold_sweep":
        return _sweep_curves(config, chosen_on, measured_on, arrays, advance)
    order = attribution_order(chosen_on)
    if config.order == "greedy":
        first = greedy_order(chosen_on, config.n_greedy or 1, advance=advance)
        order = np.concatenate([first, order[~np.isin(order, first)]])
    numbers = patch_counts(chosen_on.n_latents, width)
    _keep(arrays, "held_out/0", curve_along(measured_on, order, numbers))
    advance(1 if config.order == "attribution" else 0)
    return {}


def _sweep_curves(
    config: PatchingConfig,
    chosen_on: Patching,
    measured_on: Patching,
    arrays: dict[str, np.ndarray],
    advance: Advance,
) -> dict[str, Any]:
    thresholds = np.logspace(LOWEST_THRESHOLD, HIGHEST_THRESHOLD, config.n_thresholds or 0).tolist()
    found: dict[str, list[int]] = {name: [] for name in _COUNTED}
    for number in range(config.n_sweeps or 0):
        sweep = threshold_sweep(chosen_on, thresholds, config.seed + number, advance=advance)
        _keep(arrays, f"held_out/{number}", sweep.curve(measured_on))
        _keep(arrays, f"selection/{number}", sweep.curve(chosen_on))
        for name, counts in found.items():
            counts.append(int(getattr(sweep, name)))
    return found


def _keep(arrays: dict[str, np.ndarray], name: str, curve: KLCurve) -> None:
    arrays |= {f"{name}/{field}": getattr(curve, field) for field in CURVE_FIELDS}


def _n_steps(config: PatchingConfig) -> int:
    """What a job counts for in the display: thresholds of sweeps, latents chosen greedily, one for an attribution."""
    match config.order:
        case "threshold_sweep":
            return (config.n_sweeps or 1) * (config.n_thresholds or 1)
        case "greedy":
            return config.n_greedy or 1
        case "attribution":
            return 1


def _write(path: Path, about: Mapping[str, Any]) -> None:
    atomic_write_text(path, json.dumps(about, indent=1, allow_nan=False) + "\n")
