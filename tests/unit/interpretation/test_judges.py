"""Oracle: the class of the judge, and JSON there and back."""

from pathlib import Path

import pytest

from monosemy.core import UserError, from_json, to_json
from monosemy.interpretation import (
    CallStore,
    JudgeConfig,
    LocalConfig,
    LocalJudge,
    OpenAIConfig,
    OpenAIJudge,
    ReplayConfig,
    ReplayJudge,
    RulesConfig,
    RulesJudge,
    judge_from,
)
from tests.unit.interpretation.tiny_judges import saved


def test_options_make_their_judge_and_rules_make_no_file(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    assert isinstance(judge_from(RulesConfig(), path), RulesJudge)
    assert not path.exists()
    assert isinstance(judge_from(LocalConfig(model=str(saved(tmp_path / "tiny"))), path), LocalJudge)
    assert isinstance(judge_from(ReplayConfig(calls=path), tmp_path / "other"), ReplayJudge)
    assert isinstance(judge_from(OpenAIConfig(model="m"), path), OpenAIJudge)
    assert not (tmp_path / "other").exists()
    with CallStore(path) as calls:
        assert [identity.name for identity, _ in calls.judges()] == ["local", "openai"]


@pytest.mark.parametrize(
    "config",
    [
        RulesConfig(),
        OpenAIConfig(model="m", max_usd=1.0, usd_per_million_prompt_tokens=1.0, usd_per_million_answer_tokens=2.0),
        LocalConfig(model="m"),
        ReplayConfig(calls=Path("a/b")),
    ],
    ids=lambda config: type(config).__name__,
)
def test_options_survive_json(config: JudgeConfig) -> None:
    assert from_json(JudgeConfig, to_json(config)) == config


def test_an_unknown_judge_is_refused() -> None:
    with pytest.raises(UserError, match="unknown type"):
        from_json(JudgeConfig, {"type": "Oracle"})
