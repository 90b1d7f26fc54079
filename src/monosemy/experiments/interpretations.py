"""Jobs that explain the latents of one dictionary and score the explanations on text that they were not made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from monosemy.core import Advance, Artifact, UserError, file_sha256, fingerprint
from monosemy.dictionaries import load_dictionary
from monosemy.evaluation import FragmentConfig, read_fragments
from monosemy.interpretation import (
    INTERPRETATION_KIND,
    PROMPT_HASH,
    RULES_VERSION,
    InterpretationConfig,
    JudgeConfig,
    LocalConfig,
    OpenAIConfig,
    Order,
    ReplayConfig,
    RulesConfig,
    has_failures,
    interpret_latents,
    judge_from,
    latent_order,
    write_interpretation,
)
from monosemy.pipeline import Job, Stage, Workspace, find_stage

CALLS_FILE = "judge-calls.sqlite"
"""The calls of judges that are asked over a wire or by a pass of a model, beside the artifacts of a run."""

ROWS_FILE = "latents.jsonl"
"""What a killed job leaves for the next: the latents that it had done."""

SPARE_SHARE, SPARE_LATENTS = 0.5, 10
"""So many more latents than are wanted have their fragments sampled, as some fire too rarely to be scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainConfig:
    """By whom the latents of a dictionary are explained, and which of them; `version` tells what else decides what the
    judge says: its rules or prompts, and the content of the files that its options name."""

    judge: JudgeConfig
    interpretation: InterpretationConfig
    version: str


def explain_config(judge: JudgeConfig, interpretation: InterpretationConfig) -> ExplainConfig:
    """The configuration with today's version of the judge, which is part of what decides the outcome.

    Raises UserError where the record of calls that is to be replayed does not exist.
    """
    return ExplainConfig(judge=judge, interpretation=interpretation, version=_judge_version(judge))


def to_be_asked_again(job: Job, root: Path) -> bool:
    """Whether the job is done under `root`, but its judge failed to answer some calls, which a further run asks again.

    Of rules and replays nothing else can come, so that they never are.
    """
    stage = job.stages[0]
    assert isinstance(stage.config, ExplainConfig)  # interpretation_job made it
    done = find_stage(stage, root) if isinstance(stage.config.judge, OpenAIConfig | LocalConfig) else None
    return done is not None and has_failures(done.path)


def _judge_version(judge: JudgeConfig) -> str:
    match judge:
        case RulesConfig():
            return str(RULES_VERSION)
        case OpenAIConfig():
            return PROMPT_HASH
        case ReplayConfig(calls=calls):
            if not calls.is_file():
                raise UserError(f"{calls} is missing; give the file of calls that a run with a judge left")
            return fingerprint([PROMPT_HASH, file_sha256(calls)])
        case LocalConfig(model=model):
            folder = Path(model).expanduser()
            files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
            return fingerprint([PROMPT_HASH, *((path.name, file_sha256(path)) for path in files)])


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
