"""Options of the command line, as the judge that they describe."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.interpretation import LocalConfig, OpenAIConfig, ReplayConfig, RulesConfig
from monosemy.recipes import Judging


def test_each_judge_gets_its_options() -> None:
    assert Judging(max_rules=3).config() == RulesConfig(max_rules=3)
    assert Judging(judge="local", model="folder", revision="main").config() == LocalConfig(
        model="folder", revision="main"
    )
    assert Judging(judge="replay", calls=Path("calls.sqlite")).config() == ReplayConfig(calls=Path("calls.sqlite"))
    served = Judging(judge="openai", model="m", base_url="http://localhost:8000/v1", concurrency=2, max_retries=1)
    assert served.config() == OpenAIConfig(model="m", base_url="http://localhost:8000/v1", concurrency=2, max_retries=1)


@pytest.mark.parametrize(
    ("judging", "says"),
    [
        (Judging(judge="local"), "--judge local needs a model; give --model"),
        (Judging(judge="openai"), "--judge openai needs a model; give --model"),
        (Judging(judge="replay"), "name their file with --calls"),
        (Judging(judge="openai", model="m", base_url="nonsense"), "is no address of a server"),
    ],
)
def test_what_is_missing_is_said(judging: Judging, says: str) -> None:
    with pytest.raises(UserError, match=says):
        judging.config()
