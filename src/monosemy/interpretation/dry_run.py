"""A judge that asks nobody: put in the place of one behind a server, it counts what that one would be asked."""

import threading
from typing import Any, TypeVar, final

import numpy as np

from monosemy.interpretation.calls import CallStore, request_hash
from monosemy.interpretation.costs import (
    LIKELY_EXPLANATION_BYTES,
    LIKELY_EXPLANATION_TOKENS,
    LIKELY_PICK_TOKENS,
    Estimate,
    likely_simulation_tokens,
)
from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.judge import Explanation, Judge, JudgeIdentity, Simulation
from monosemy.interpretation.openai_questions import OpenAIConfig, OpenAIQuestions, tokens_at_most, tokens_likely
from monosemy.interpretation.picker import Picker
from monosemy.interpretation.prompts import MAX_EXPLANATION_BYTES
from monosemy.interpretation.questions import Question, Reply, explanation_by, recorded_reply, simulation_by
from monosemy.interpretation.text import Text

T = TypeVar("T")


@final
class DryRunJudge(Judge, Picker):
    """Counts every question that has no answer in the record of calls, each once, and what asking it would cost.

    The whole run is gone through with made-up answers: explanations of usual length (for the upper bound of the
    longest), predictions of 0, the first passage. Nothing is recorded, and no scores come of it.
    """

    def __init__(self, config: OpenAIConfig, calls: CallStore) -> None:
        self.config, self.calls = config, calls
        self._questions = OpenAIQuestions(config)
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._counts = {"explain": 0, "simulate": 0, "pick": 0}
        self._prompt_at_most = self._prompt_likely = self._answer_likely = 0

    def identity(self) -> JudgeIdentity:
        """That of the judge whose place it takes."""
        return self._questions.identity()

    def explain(self, sample: Sample) -> Explanation:
        """The recorded explanation, or a made-up one that no other question has."""

        def ask(question: Question[Any]) -> Reply[Any]:
            made_up = f"{request_hash(question.requests[0])} ".ljust(LIKELY_EXPLANATION_BYTES, "x")
            return self._reply(question, "explain", LIKELY_EXPLANATION_TOKENS, made_up)

        return explanation_by(self._questions, ask, sample)

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        """The recorded predictions, or 0."""
        n = text.fragments.tokens.shape[1]

        def ask(question: Question[Any]) -> Reply[Any]:
            return self._reply(question, "simulate", likely_simulation_tokens(n), np.zeros(n))

        return simulation_by(self._questions, ask, explanation, text)

    def pick(self, passages: tuple[str, ...]) -> Reply[int]:
        """The recorded choice, or the first."""
        return self._reply(self._questions.pick(passages), "pick", LIKELY_PICK_TOKENS, 0)

    def estimate(self) -> Estimate:
        """What was counted up to now."""
        config, counts = self.config, self._counts
        n_calls = sum(counts.values())
        return Estimate.of(
            config,
            n_explanations=counts["explain"],
            n_simulations=counts["simulate"],
            n_picks=counts["pick"],
            prompt_tokens_at_most=self._prompt_at_most,
            answer_tokens_at_most=n_calls * config.max_answer_tokens,
            prompt_tokens_likely=self._prompt_likely,
            answer_tokens_likely=self._answer_likely,
        )

    def _reply(self, question: Question[T], kind: str, answer_tokens: int, made_up: T) -> Reply[T]:
        found = recorded_reply(self.calls, question)
        if found is not None:
            return found
        request = question.requests[0]
        key = request_hash(request)
        with self._lock:
            if key not in self._seen:
                self._seen.add(key)
                self._counts[kind] += 1
                longer = MAX_EXPLANATION_BYTES if kind == "simulate" else 0
                self._prompt_at_most += tokens_at_most(request) + longer
                self._prompt_likely += tokens_likely(request)
                self._answer_likely += min(answer_tokens, self.config.max_answer_tokens)
        return Reply(value=made_up)
