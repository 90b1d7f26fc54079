"""Case studies of single latents: what each fires on, what ablating it does, and which words it needs.

Each latent is a stage of its own, so that a latent once studied is found again whoever else is studied with it. Its
folder: `case.json`, what the page shows; `case.npz`, the vectors behind it: the lens, mean changes of logits and of
log-probabilities [vocab], changes of the next token at each position with its unit, and the sweeps.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from monosemy.causal import is_dense
from monosemy.core import Advance, Artifact, atomic_write_text
from monosemy.dictionaries import load_dictionary
from monosemy.experiments.case_activity import ActivityConfig, activity_part
from monosemy.experiments.case_bench import CaseBench, CaseSide, ReadLatent, opened_bench
from monosemy.experiments.case_effect import EffectConfig, effect_part, lens_of, lens_part, measured_effects
from monosemy.experiments.case_texts import SweepConfig, texts_part
from monosemy.lm import ModelSource
from monosemy.pipeline import Job, Stage, Workspace

CASE_KIND, CASE_FILE, CASE_ARRAYS = "case-study", "case.json", "case.npz"
N_UNITS = 10
"""What one latent counts for in the display."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseConfig:
    """The study of one latent on one split of the text.

    side: the negative one is of a dense dictionary, whose latents take both signs.
    """

    latent: int
    side: CaseSide = "positive"
    split: Literal["validation", "test"] = "validation"
    activity: ActivityConfig = field(default_factory=ActivityConfig)
    effect: EffectConfig = field(default_factory=EffectConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    seed: int = 0


def case_stage(config: CaseConfig, dictionary: Artifact, store: Artifact) -> Stage:
    """The stage of one latent. store: the activations of the split."""
    return Stage(name=CASE_KIND, config=config, parents={"dictionary": dictionary, "text": store})


def case_jobs(stages: Sequence[Stage], source: ModelSource, n_jobs: int) -> list[Job]:
    """The jobs that study latents, of several dictionaries maybe: latents of one are read in one pass over the text.

    stages: made by `case_stage`. n_jobs: into about so many jobs are the latents of a dictionary put.
    """
    groups: dict[tuple[str, str, int], list[Stage]] = {}
    for stage in stages:
        assert isinstance(stage.config, CaseConfig)  # case_stage made it
        parents = stage.parents["dictionary"].fingerprint, stage.parents["text"].fingerprint
        groups.setdefault((*parents, stage.config.seed), []).append(stage)
    jobs: list[Job] = []
    for group in groups.values():
        size = min(MAX_LATENTS_A_JOB, -(-len(group) // max(1, n_jobs)))
        jobs += [_job(tuple(group[i : i + size]), source) for i in range(0, len(group), size)]
    return jobs


def study_latent(
    bench: CaseBench, read: ReadLatent, config: CaseConfig
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Everything of one latent, as JSON and as arrays; of a silent one (`status`) little more than the lens."""
    card = bench.card
    record: dict[str, Any] = {
        **{"latent": config.latent, "side": config.side, "split": config.split, "seed": config.seed},
        **{"dictionary": card.name, "method": card.method, "variant": card.variant, "lm": card.lm_kind},
        **{"site": card.site, "n_latents": card.n_latents, "is_dense": is_dense(bench.dictionary)},
        "status": "ok",
    }
    lens = lens_of(bench, read)
    record["lens"], arrays = lens_part(bench, read, lens, config.effect.n_tokens)
    if not (read.values > 0).any():
        return {**record, "status": "silent", "n_tokens": len(read.values), "n_fired": 0}, arrays
    record |= activity_part(bench, read, config.activity)
    effects = measured_effects(bench, read, config.effect)
    record["effect"], more = effect_part(bench, read, effects, lens, config.effect)
    record["text"], swept = texts_part(bench, read, config.sweep)
    return record, arrays | more | swept


def _job(stages: tuple[Stage, ...], source: ModelSource) -> Job:
    configs = tuple(stage.config for stage in stages if isinstance(stage.config, CaseConfig))  # case_stage made them
    parents = stages[0].parents
    body = partial(_study, configs, parents["dictionary"].path, parents["text"].path, source)
    return Job(stages=stages, body=body, n_units=len(stages) * N_UNITS)


def _study(
    configs: tuple[CaseConfig, ...],
    dictionary_path: Path,
    store: Path,
    source: ModelSource,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    dictionary, card = load_dictionary(dictionary_path)
    bench = opened_bench(source, dictionary, card, store, configs[0].seed)
    read = bench.read([(config.latent, config.side) for config in configs])
    for config, latent, workspace in zip(configs, read, workspaces, strict=True):
        record, arrays = study_latent(bench, latent, config)
        atomic_write_text(workspace.folder / CASE_FILE, json.dumps(record, allow_nan=False) + "\n")
        np.savez_compressed(workspace.folder / CASE_ARRAYS, **arrays)  # pyright: ignore[reportArgumentType]
        advance(N_UNITS)


MAX_LATENTS_A_JOB = 4
"""A killed run loses at most the latents of the jobs at work."""
