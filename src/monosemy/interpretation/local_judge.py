"""A judge that is a language model on this machine: explanation by generation, simulation by digit tokens' logits."""

import re
import threading
import time
from dataclasses import dataclass
from typing import Any, TypeVar, final

import numpy as np
from jaxtyping import Float64

from monosemy.core import UserError, fingerprint, to_json
from monosemy.interpretation.calls import MALFORMED, OK, CallRecord, CallStore, now_text
from monosemy.interpretation.evidence import TOP_LEVEL, Sample
from monosemy.interpretation.judge import Explanation, Judge, JudgeIdentity, Simulation
from monosemy.interpretation.local_model import LocalModel, loaded
from monosemy.interpretation.picker import Picker
from monosemy.interpretation.prompts import PROMPT_HASH, plain_explain, plain_intruder, plain_simulate, slot_pieces
from monosemy.interpretation.questions import (
    Question,
    Questions,
    Reply,
    Unusable,
    explanation_by,
    recorded_reply,
    sentence_of,
    simulation_by,
)
from monosemy.interpretation.text import Text

T = TypeVar("T")

_LETTERS = "ABCDEFGHIJ"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LocalConfig:
    """A causal LM in a folder, or of a hub id at a revision. max_explanation_tokens: the paper's 60.

    Raises UserError for fewer than 1 token.
    """

    model: str
    revision: str | None = None
    max_explanation_tokens: int = 60

    def __post_init__(self) -> None:
        if self.max_explanation_tokens < 1:
            raise UserError(f"judge: max_explanation_tokens is {self.max_explanation_tokens}; give at least 1")


@final
class LocalQuestions(Questions):
    """Questions for a model on this machine; `weights` is the fingerprint of its weights and vocabulary."""

    def __init__(self, config: LocalConfig, weights: str) -> None:
        self._config, self._weights = config, weights

    def identity(self) -> JudgeIdentity:
        """local; the model's name and its fingerprint; a hash of prompts and options."""
        settings = fingerprint({"prompts": PROMPT_HASH, "max_explanation_tokens": self._config.max_explanation_tokens})
        name = re.split(r"[/\\]", self._config.model.rstrip("/\\"))[-1]
        return JudgeIdentity(name="local", revision=f"{name}@{self._weights}", settings=settings)

    def explain(self, sample: Sample) -> Question[str]:
        """Greedy text after the prompt, up to the end of its line."""

        def read(response: dict[str, Any]) -> str:
            return sentence_of(response.get("text"))

        n = self._config.max_explanation_tokens
        return self._question({"task": "generate", "prompt": plain_explain(sample), "n_tokens": n}, read)

    def simulate(self, sentence: str, tokens: tuple[str, ...]) -> Question[Float64[np.ndarray, " position"]]:
        """The expected value at every slot of the table."""
        n = len(tokens)

        def read(response: dict[str, Any]) -> Float64[np.ndarray, " position"]:
            values = np.asarray(response.get("values"), dtype=np.float64)
            if values.shape != (n,) or not ((values >= 0) & (values <= TOP_LEVEL)).all():
                raise Unusable(MALFORMED, f"the record does not hold {n} values from 0 to {TOP_LEVEL}")
            return values

        what = {"task": "slots", "prompt": plain_simulate(sentence), "pieces": list(slot_pieces(tokens))}
        return self._question(what, read)

    def pick(self, passages: tuple[str, ...]) -> Question[int]:
        """The option letter of highest probability, of equals the first. Raises UserError for more than 10 passages."""
        if not 2 <= len(passages) <= len(_LETTERS):
            raise UserError(f"{len(passages)} passages to pick from; give 2 to {len(_LETTERS)}")
        letters = tuple(_LETTERS[: len(passages)])

        def read(response: dict[str, Any]) -> int:
            p = np.asarray(response.get("probabilities"), dtype=np.float64)
            if p.shape != (len(letters),) or not np.isfinite(p).all():
                raise Unusable(MALFORMED, f"the record does not hold {len(letters)} probabilities")
            return int(p.argmax())

        what = {"task": "choice", "prompt": plain_intruder(passages, letters), "options": list(letters)}
        return self._question(what, read)

    def _question(self, what: dict[str, Any], read: Any) -> Question[Any]:
        return Question(requests=({"model": self.identity().revision, **what},), read=read)


@final
class LocalJudge(Judge, Picker):
    """A causal LM of transformers in float32 on the CPU; every pass is made once, as the record of calls knows it.

    Texts are given to it as they are, without a chat template. Raises UserError when the model cannot be loaded.
    """

    def __init__(self, config: LocalConfig, calls: CallStore) -> None:
        self.config, self.calls = config, calls
        self._model = loaded(config.model, config.revision)
        self._questions = LocalQuestions(config, self._model.fingerprint)
        self._identity = self._questions.identity()
        self._lock = threading.Lock()
        calls.know(self._identity, {**to_json(config), "weights": self._model.fingerprint})

    def identity(self) -> JudgeIdentity:
        """local, the model with its fingerprint, the hash of prompts and options."""
        return self._identity

    def explain(self, sample: Sample) -> Explanation:
        """One generation."""
        return explanation_by(self._questions, self._ask, sample)

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        """One pass a fragment, after one for the instruction and the explanation."""
        return simulation_by(self._questions, self._ask, explanation, text)

    def pick(self, passages: tuple[str, ...]) -> Reply[int]:
        """One pass."""
        return self._ask(self._questions.pick(passages))

    def _ask(self, question: Question[T]) -> Reply[T]:
        request = question.requests[0]
        with self._lock:
            found = recorded_reply(self.calls, question)
            if found is not None:
                self.calls.note("cached")
                return found
            failed = self.calls.failed_now(request)
            if failed is not None:
                return Reply(value=None, status=failed.status, reason=failed.reason)
            number = self.calls.begin(request)
            assert number is not None  # there is no spending cap
            asked_at, start = now_text(), time.monotonic()
            response, value, status, reason = None, None, OK, None
            try:
                response = _answered(self._model, request)
                value = question.read(response)
            except Unusable as error:
                status, reason = error.status, error.reason
            record = CallRecord(
                request=request,
                response=response,
                status=status,
                reason=reason,
                judge=self._identity.name,
                revision=self._identity.revision,
                prompt_hash=PROMPT_HASH,
                prompt_tokens=None,
                answer_tokens=None,
                usd=0.0,
                seconds=time.monotonic() - start,
                asked_at=asked_at,
            )
            self.calls.record(number, record)
        return Reply(value=value, status=status, reason=reason)


def _answered(model: LocalModel, request: dict[str, Any]) -> dict[str, Any]:
    """What the model answers, as JSON. Raises Unusable."""
    if request["task"] == "generate":
        return {"text": model.generate(request["prompt"], request["n_tokens"])}
    if request["task"] == "slots":
        return {"values": model.slot_values(request["prompt"], request["pieces"]).tolist()}
    return {"probabilities": model.next_probabilities(request["prompt"], request["options"]).tolist()}
