"""Oracle: the run that was recorded."""

from pathlib import Path

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.interpretation import (
    CallStore,
    Explanation,
    Judge,
    JudgeIdentity,
    LocalConfig,
    LocalJudge,
    OpenAIJudge,
    Picker,
    ReplayConfig,
    ReplayJudge,
)
from tests.unit.interpretation.chat_server import RIGHT, ChatServer, Reaction, question_of
from tests.unit.interpretation.samples_of_tests import sample, texts
from tests.unit.interpretation.tiny_judges import saved

TEXT = texts(3, length=8, unrecorded=[0])
PASSAGES = ("one", "two", "three")


def answers(judge: Judge) -> tuple[str | None, list[list[float]], int | None]:
    explanation = judge.explain(sample(length=8))
    assert isinstance(judge, Picker)
    predicted = judge.simulate(Explanation(text="words"), TEXT)
    return explanation.text, predicted.values.tolist(), judge.pick(PASSAGES).value


def replayed(path: Path, recorded: Judge, expected: object) -> None:
    """The replay answers alike, and fails for what was not asked."""
    with CallStore(path, must_exist=True) as calls:
        replay = ReplayJudge(ReplayConfig(calls=path), calls)
        assert replay.identity() == recorded.identity()
        assert answers(replay) == expected
        missing = replay.explain(sample(length=8, seed=9))
        assert (missing.text, missing.reason) == (None, "not_recorded: this call was not made in the recorded run")
        simulation = replay.simulate(Explanation(text="other"), TEXT)
        assert not simulation.answered.any() and not simulation.values.any()
        assert (calls.counts()["asked"], calls.counts()["cached"], calls.counts()["not_recorded"]) == (0, 5, 4)


def test_a_replay_of_a_server_without_schemas_that_needed_a_repair(tmp_path: Path) -> None:
    path = tmp_path / "calls"

    def react(body: dict, n: int) -> Reaction:
        if "response_format" in body:
            return Reaction(status=400)
        return RIGHT if "could not be used" in question_of(body) else Reaction(content="hm")

    with ChatServer(react) as server, CallStore(path) as calls:
        judge = OpenAIJudge(server.config(), calls)
        expected = answers(judge)
        assert expected[0] is not None and np.any(expected[1]) and expected[2] == 2
    replayed(path, judge, expected)


def test_a_replay_of_a_local_model_needs_no_weights(tmp_path: Path) -> None:
    path, folder = tmp_path / "calls", saved(tmp_path / "tiny")
    with CallStore(path) as calls:
        judge = LocalJudge(LocalConfig(model=str(folder), max_explanation_tokens=6), calls)
        expected = answers(judge)
    for file in folder.iterdir():
        file.unlink()
    replayed(path, judge, expected)


def test_a_call_that_failed_when_it_was_recorded_says_so(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with ChatServer(lambda body, n: Reaction(refusal="no")) as server, CallStore(path) as calls:
        OpenAIJudge(server.config(), calls).explain(sample())
    with CallStore(path) as calls:
        assert (
            ReplayJudge(ReplayConfig(calls=path), calls).explain(sample()).reason == "not_recorded: recorded as refused"
        )


def test_of_several_judges_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with ChatServer() as server, CallStore(path) as calls:
        for revision in ("a", "b"):
            OpenAIJudge(server.config(revision=revision), calls).explain(sample())
        named = calls.judges()[0][0].revision
        assert ReplayJudge(ReplayConfig(calls=path, revision=named), calls).explain(sample()).text is not None
        with pytest.raises(UserError, match="several judges"):
            ReplayJudge(ReplayConfig(calls=path), calls)
        with pytest.raises(UserError, match="holds no calls of c"):
            ReplayJudge(ReplayConfig(calls=path, revision="c"), calls)


def test_other_prompts_than_those_recorded_are_told(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    with ChatServer() as server, CallStore(path) as calls:
        judge = OpenAIJudge(server.config(), calls)
        data = calls.judges()[0][1]
    with CallStore(tmp_path / "old") as calls:
        calls.know(JudgeIdentity(name="openai", revision=judge.identity().revision, settings="old"), data)
        with pytest.raises(UserError, match="other prompts"):
            ReplayJudge(ReplayConfig(calls=tmp_path / "old"), calls)


def test_a_record_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no record of calls"):
        ReplayJudge(ReplayConfig(calls=tmp_path / "none"))
