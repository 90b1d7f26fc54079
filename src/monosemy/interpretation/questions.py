"""What is asked of a language model and how its answer is read, apart from who asks: a live judge or a replay."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, final

import numpy as np
from jaxtyping import Float64

from monosemy.interpretation.calls import MALFORMED, OK, CallStore
from monosemy.interpretation.evidence import TOP_LEVEL, Sample
from monosemy.interpretation.judge import Explanation, JudgeIdentity, Simulation
from monosemy.interpretation.prompts import MAX_EXPLANATION_BYTES, escaped_tokens
from monosemy.interpretation.text import Text

T = TypeVar("T")


class Unusable(Exception):
    """An answer that cannot be used: the status of its call, and why."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Question(Generic[T]):
    """Requests that ask the same, the first preferred, and how a response is read; `read` raises Unusable.

    repair: the request that asks again after a response that was malformed, where one may.
    """

    requests: tuple[dict[str, Any], ...]
    read: Callable[[dict[str, Any]], T]
    repair: Callable[[dict[str, Any], dict[str, Any] | None, str], dict[str, Any]] | None = None


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reply(Generic[T]):
    """The answer, or None with the status of the call and the reason."""

    value: T | None
    status: str = OK
    reason: str | None = None


Ask = Callable[[Question[Any]], Reply[Any]]


class Questions(ABC):
    """The questions of one kind of judge, with everything in them that the answer depends on."""

    @abstractmethod
    def identity(self) -> JudgeIdentity:
        """Whose answers they ask for."""

    @abstractmethod
    def explain(self, sample: Sample) -> Question[str]:
        """What does the latent respond to?"""

    @abstractmethod
    def simulate(self, sentence: str, tokens: tuple[str, ...]) -> Question[Float64[np.ndarray, " position"]]:
        """What does it do on these escaped tokens, in tenths of its peak?"""

    @abstractmethod
    def pick(self, passages: tuple[str, ...]) -> Question[int]:
        """Which passage (from 0) is the odd one?"""


def recorded_reply(calls: CallStore, question: Question[T]) -> Reply[T] | None:
    """The answer that the record has to a question, to its repair included; None where there is no good one."""
    for request in question.requests:
        good = calls.good(request)
        if good is None and question.repair is not None:
            last = calls.last(request)
            if last is not None and last.status == MALFORMED:
                good = calls.good(question.repair(request, last.response, last.reason or ""))
        if good is not None and good.response is not None:
            try:
                return Reply(value=question.read(good.response))
            except Unusable:
                continue  # recorded by a version that read answers in another way: it is asked again
    return None


def explanation_by(questions: Questions, ask: Ask, sample: Sample) -> Explanation:
    """What the judge says the latent responds to."""
    reply = ask(questions.explain(sample))
    return Explanation(text=reply.value, reason=_why(reply))


def simulation_by(questions: Questions, ask: Ask, explanation: Explanation, text: Text) -> Simulation:
    """The judge's predictions, fragment by fragment; 0 where nothing was recorded and where it gave no answer."""
    if explanation.text is None:
        raise ValueError("an explanation without text predicts nothing")
    values = np.zeros(text.fragments.tokens.shape, dtype=np.float32)
    answered = np.zeros(len(text), dtype=np.bool_)
    reasons: list[str] = []
    for row in range(len(text)):
        reply = ask(questions.simulate(explanation.text, escaped_tokens(text.fragments, row)))
        if reply.value is None:
            reasons.append(_why(reply) or reply.status)
            continue
        answered[row] = True
        values[row] = np.where(text.fragments.mask[row], reply.value, 0)
    return Simulation(values=values, answered=answered, reasons=tuple(reasons))


def json_object(text: str) -> dict[str, Any]:
    """The one JSON object in a model's answer, around which it may have written something. Raises Unusable."""
    start, stop = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : stop + 1]) if 0 <= start < stop else None
    except ValueError:
        found = None
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise Unusable(MALFORMED, f"no JSON object in the answer {brief(text)}")
    return found


def sentence_of(value: object) -> str:
    """An explanation on one line. Raises Unusable where it is no text, empty or too long."""
    sentence = " ".join(value.split()) if isinstance(value, str) else ""
    sentence = sentence.encode("utf-8", "replace").decode()
    if not sentence:
        raise Unusable(MALFORMED, "the explanation is empty or no text")
    if len(sentence.encode()) > MAX_EXPLANATION_BYTES:
        raise Unusable(MALFORMED, f"the explanation is longer than {MAX_EXPLANATION_BYTES} bytes")
    return sentence


def whole_levels(value: object, n: int) -> Float64[np.ndarray, " position"]:
    """n activations 0 to 10 from JSON. Raises Unusable where they are not that."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Unusable(MALFORMED, "the activations are no list")
    if len(value) != n:
        raise Unusable(MALFORMED, f"{len(value)} activations for {n} tokens")
    if not all(type(level) is int and 0 <= level <= TOP_LEVEL for level in value):
        raise Unusable(MALFORMED, f"an activation is no whole number from 0 to {TOP_LEVEL}")
    return np.array(value, dtype=np.float64)


def brief(text: str) -> str:
    """A text in a message: its beginning, on one line."""
    text = " ".join(text.split())
    return repr(text if len(text) <= 120 else text[:117] + "...")


def _why(reply: Reply[Any]) -> str | None:
    if reply.value is not None:
        return None
    return f"{reply.status}: {reply.reason}" if reply.reason else reply.status
