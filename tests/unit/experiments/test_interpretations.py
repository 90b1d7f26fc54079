"""Which latents have fragments sampled, and when a judge is asked again. Oracle: counts by hand, files by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from monosemy.core import Artifact, UserError, open_artifact, write_artifact
from monosemy.experiments import (
    explain_config,
    interpretation_fragments,
    interpretation_job,
    sampled_latents,
    to_be_asked_again,
)
from monosemy.interpretation import (
    INTERPRETATION_KIND,
    LATENTS_FILE,
    PROMPT_HASH,
    InterpretationConfig,
    JudgeConfig,
    LocalConfig,
    OpenAIConfig,
    ReplayConfig,
    RulesConfig,
    latent_order,
)

CONFIG = InterpretationConfig(density=0.1)


def test_some_more_than_are_wanted_the_first_of_the_order() -> None:
    latents = sampled_latents(640, 50, "seeded", 3)
    assert latents is not None and len(latents) == 50 + 25 + 10
    assert list(latents) == sorted(latent_order(np.arange(640), "seeded", 3)[:85].tolist())
    assert sampled_latents(640, 50, "first", 3) == tuple(range(85))


def test_all_where_few_are_left() -> None:
    assert sampled_latents(85, 50, "seeded", 0) is None
    assert sampled_latents(86, 50, "seeded", 0) is not None
    config = InterpretationConfig(n_latents=300, density=0.1)
    assert interpretation_fragments(160, config, seed=4).latents is None
    assert interpretation_fragments(160, config, seed=4).seed == 4


def test_another_version_of_a_judge_is_another_outcome() -> None:
    assert explain_config(OpenAIConfig(model="m"), CONFIG).version == PROMPT_HASH
    assert explain_config(RulesConfig(), CONFIG).version != PROMPT_HASH


def test_files_that_a_judge_reads_are_part_of_its_version(tmp_path: Path) -> None:
    calls, weights = tmp_path / "calls", tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    for judge, file in ((ReplayConfig(calls=calls), calls), (LocalConfig(model=str(weights.parent)), weights)):
        versions: list[str] = []
        for content in ("one", "two", "one"):
            file.write_text(content)
            versions.append(explain_config(judge, CONFIG).version)
        assert versions[0] == versions[2] != versions[1]


def test_a_record_of_calls_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="calls is missing"):
        explain_config(ReplayConfig(calls=tmp_path / "calls"), CONFIG)


@pytest.mark.parametrize(
    ("judge", "rows", "again"),
    [
        (OpenAIConfig(model="m"), None, False),
        (OpenAIConfig(model="m"), [{"status": "ok", "answered": 1.0}, {"status": "skipped"}], False),
        (OpenAIConfig(model="m"), [{"status": "ok", "answered": 0.5}], True),
        (LocalConfig(model="m"), [{"status": "failed"}], True),
        (RulesConfig(), [{"status": "failed"}], False),
    ],
    ids=["not done", "all answered", "a fragment", "a latent", "rules"],
)
def test_only_what_a_model_left_unanswered_is_asked_again(
    tmp_path: Path, judge: JudgeConfig, rows: list[dict[str, object]] | None, again: bool
) -> None:
    parent = _made(tmp_path, "parent")
    job = interpretation_job(explain_config(judge, CONFIG), parent, parent, tmp_path / "calls")
    stage = job.stages[0]
    if rows is not None:
        with write_artifact(
            tmp_path / stage.folder_name,
            kind=INTERPRETATION_KIND,
            config=stage.config,
            parents=stage.parent_fingerprints,
            version=stage.version,
        ) as folder:
            (folder / LATENTS_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert to_be_asked_again(job, tmp_path) is again


def _made(root: Path, name: str) -> Artifact:
    with write_artifact(root / name, kind=name, config=CONFIG) as folder:
        (folder / "data").write_text(name)
    return open_artifact(root / name, kind=name)
