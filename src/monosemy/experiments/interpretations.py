"""Jobs that explain the latents of one dictionary and score the explanations on text that they were not made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from monosemy.core import Advance, Artifact
from monosemy.dictionaries import load_dictionary
from monosemy.evaluation import FragmentConfig, read_fragments
from monosemy.interpretation import (
    INTERPRETATION_KIND,
    PROMPT_HASH,
    RULES_VERSION,
    InterpretationConfig,
    JudgeConfig,
    Order,
    RulesConfig,
    interpret_latents,
    judge_from,
    latent_order,
    write_interpretation,
)
from monosemy.pipeline import Job, Stage, Workspace

CALLS_FILE = "judge-calls.sqlite"
"""The calls of judges that are asked over a wire or by a pass of a model, beside the artifacts of a run."""

ROWS_FILE = "latents.jsonl"
"""What a killed job leaves for the next: the latents that it had done."""

SPARE_SHARE, SPARE_LATENTS = 0.5, 10
"""So many more latents than are wanted have their fragments sampled, as some fire too rarely to be scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainConfig:
    """By whom the latents of a dictionary are explained, and which of them; `version` is that of the judge's rules or
    prompts."""

    judge: JudgeConfig
    interpretation: InterpretationConfig
    version: str


def explain_config(judge: JudgeConfig, interpretation: InterpretationConfig) -> ExplainConfig:
    """The configuration with today's version of the judge, which is part of what decides the outcome."""
    version = str(RULES_VERSION) if isinstance(judge, RulesConfig) else PROMPT_HASH
    return ExplainConfig(judge=judge, interpretation=interpretation, version=version)


def sampled_latents(n_latents: int, wanted: int, order: Order, seed: int) -> tuple[int, ...] | None:
    """The latents whose fragments are needed to interpret `wanted` of n_latents, ascending; None: all of them."""
    n = wanted + round(SPARE_SHARE * wanted) + SPARE_LATENTS
    if n >= n_latents:
        return None
    first = latent_order(np.arange(n_latents), order, seed)[:n]
    return tuple(sorted(int(latent) for latent in first))


def interpretation_fragments(n_latents: int, config: InterpretationConfig, seed: int) -> FragmentConfig:
    """Which fragments are sampled of a dictionary that is to be interpreted."""
    return FragmentConfig(latents=sampled_latents(n_latents, config.n_latents, config.order, config.seed), seed=seed)


def interpretation_job(config: ExplainConfig, dictionary: Artifact, fragments: Artifact, calls: Path) -> Job:
    """The job that explains and scores latents of one dictionary. calls: the file of a judge's calls."""
    stage = Stage(name=INTERPRETATION_KIND, config=config, parents={"dictionary": dictionary, "fragments": fragments})
    body = partial(_interpret, config, dictionary.path, fragments.path, calls)
    return Job(stages=(stage,), body=body, n_units=config.interpretation.n_latents)


def _interpret(
    config: ExplainConfig,
    dictionary: Path,
    fragments: Path,
    calls: Path,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    _, card = load_dictionary(dictionary)
    workspace = workspaces[0]
    found = interpret_latents(
        read_fragments(fragments),
        judge_from(config.judge, calls),
        config.interpretation,
        scratch=workspace.scratch() / ROWS_FILE,
        advance=advance,
    )
    write_interpretation(workspace.folder, card, found)
