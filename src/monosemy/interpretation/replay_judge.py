"""A judge that only reads aloud: what a judge answered in a recorded run, and a failure for everything else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

from monosemy.core import UserError, from_json
from monosemy.interpretation.calls import NOT_RECORDED, CallStore
from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.judge import Explanation, Judge, JudgeIdentity, Simulation
from monosemy.interpretation.local_judge import LocalConfig, LocalQuestions
from monosemy.interpretation.openai_questions import OpenAIConfig, OpenAIQuestions
from monosemy.interpretation.picker import Picker
from monosemy.interpretation.questions import (
    Question,
    Questions,
    Reply,
    explanation_by,
    recorded_reply,
    simulation_by,
)
from monosemy.interpretation.text import Text

T = TypeVar("T")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayConfig:
    """The record of calls to read from; `revision` names the judge where it holds the calls of several."""

    calls: Path
    revision: str | None = None


@final
class ReplayJudge(Judge, Picker):
    """Answers from a record of calls alone; a call that is not in it fails as not_recorded.

    Its identity is that of the judge that was recorded: the numbers are that judge's. Raises UserError when there is no
    such file, it holds no such judge or several, or was made with other prompts than today's.
    """

    def __init__(self, config: ReplayConfig, calls: CallStore | None = None) -> None:
        self.calls = calls or CallStore(config.calls, must_exist=True)
        self._questions = _recorded_questions(self.calls, config)

    def identity(self) -> JudgeIdentity:
        """That of the judge that was recorded."""
        return self._questions.identity()

    def explain(self, sample: Sample) -> Explanation:
        """The recorded explanation."""
        return explanation_by(self._questions, self._ask, sample)

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        """The recorded predictions."""
        return simulation_by(self._questions, self._ask, explanation, text)

    def pick(self, passages: tuple[str, ...]) -> Reply[int]:
        """The recorded choice."""
        return self._ask(self._questions.pick(passages))

    def _ask(self, question: Question[T]) -> Reply[T]:
        found = recorded_reply(self.calls, question)
        if found is not None:
            self.calls.note("cached")
            return found
        self.calls.note(NOT_RECORDED)
        last = next((record for each in question.requests if (record := self.calls.last(each)) is not None), None)
        reason = "this call was not made in the recorded run" if last is None else f"recorded as {last.status}"
        return Reply(value=None, status=NOT_RECORDED, reason=reason)


def _recorded_questions(calls: CallStore, config: ReplayConfig) -> Questions:
    judges = [(identity, data) for identity, data in calls.judges() if config.revision in (None, identity.revision)]
    if not judges:
        known = ", ".join(identity.revision for identity, _ in calls.judges()) or "none"
        raise UserError(f"{calls.path} holds no calls of {config.revision or 'any judge'}; it has: {known}")
    if len({identity.revision for identity, _ in judges}) > 1:
        known = ", ".join(sorted({identity.revision for identity, _ in judges}))
        raise UserError(f"{calls.path} holds the calls of several judges; name one as the revision: {known}")
    identity, data = judges[-1]
    questions = _questions_of(data)
    if questions.identity() != identity:
        raise UserError(f"{calls.path} was recorded with other prompts than today's; replay it with that version")
    return questions


def _questions_of(data: dict[str, Any]) -> Questions:
    """The questions of a recorded configuration. Raises UserError where it is not of this version."""
    if data.get("type") == LocalConfig.__name__:
        fields = {name: value for name, value in data.items() if name != "weights"}
        return LocalQuestions(from_json(LocalConfig, fields), str(data.get("weights")))
    return OpenAIQuestions(from_json(OpenAIConfig, data))
