"""Questions in the form of the OpenAI chat protocol, and the options of a judge that speaks it."""

import re
from dataclasses import dataclass
from typing import Any, Literal, final
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float64

from monosemy.core import UserError, fingerprint
from monosemy.interpretation.calls import MALFORMED
from monosemy.interpretation.evidence import TOP_LEVEL, Sample
from monosemy.interpretation.judge import JudgeIdentity
from monosemy.interpretation.prompts import (
    PROMPT_HASH,
    Message,
    explain_messages,
    intruder_messages,
    repair_messages,
    simulate_messages,
)
from monosemy.interpretation.questions import Question, Questions, Unusable, json_object, sentence_of, whole_levels

REFUSED = "refused"
_LIKELY_BYTES_A_TOKEN = 3
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class OpenAIConfig:
    """A model behind a server that speaks the OpenAI chat protocol.

    model: the server's name of it. base_url: where the server is. revision: what the user knows of the weights, for the
    records. api_key_env: the environment variable that holds the key; none is needed for a server that asks for none.
    schema: send a JSON schema for the answer (and go on without where the server refuses it), or never.
    temperature, seed, reasoning_effort: not sent when None. token_limit: the name of the protocol's limit on answers.
    concurrency: calls at once. tokens_per_minute: what is sent, prompts and answers, is held below it (estimated at 3
    bytes a token). timeout_seconds, max_retries: of one try, and how many follow the first after 429, 5xx, a time-out
    or no connection (the SDK's own, which heeds Retry-After). usd_per_million_*: prices, needed for a spending cap.
    max_usd: nothing is asked whose upper bound, with all that the record of calls holds, would pass it.
    stop_after_failures: so many calls in a row without any answer end the asking for this run.
    Raises UserError on values outside of what is said.
    """

    model: str
    base_url: str = "https://api.openai.com/v1"
    revision: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    schema: bool = True
    temperature: float | None = 0.0
    seed: int | None = 0
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    token_limit: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    max_answer_tokens: int = 600
    concurrency: int = 8
    tokens_per_minute: int | None = None
    timeout_seconds: float = 120.0
    max_retries: int = 5
    usd_per_million_prompt_tokens: float | None = None
    usd_per_million_answer_tokens: float | None = None
    max_usd: float | None = None
    stop_after_failures: int = 30

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise UserError(f"{self.base_url!r} is no address of a server; give one like http://localhost:8000/v1")
        if url.username or url.password or url.query or url.fragment:
            raise UserError(
                "the address of the server may hold no user, password or query, as it is written into records; "
                f"put the key into the environment variable {self.api_key_env}"
            )
        if not self.model:
            raise UserError("the judge needs a model; give the server's name of it")
        if not _ENVIRONMENT_NAME.fullmatch(self.api_key_env):
            raise UserError("api_key_env is the name of an environment variable, such as OPENAI_API_KEY, not the key")
        for name, least in (
            *(("max_answer_tokens", 1), ("concurrency", 1), ("stop_after_failures", 1), ("max_retries", 0)),
            *(("tokens_per_minute", 1), ("temperature", 0), ("max_usd", 0)),
            *(("usd_per_million_prompt_tokens", 0), ("usd_per_million_answer_tokens", 0)),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"judge: {name} is {value}; give at least {least}")
        if self.timeout_seconds <= 0:
            raise UserError(f"judge: timeout_seconds is {self.timeout_seconds}; give more than 0")
        if self.max_usd is not None and not self.has_prices:
            raise UserError(
                "a spending cap needs prices: give usd_per_million_prompt_tokens and usd_per_million_answer_tokens"
            )

    @property
    def has_prices(self) -> bool:
        """Both prices are known."""
        return self.usd_per_million_prompt_tokens is not None and self.usd_per_million_answer_tokens is not None

    def usd(self, prompt_tokens: int, answer_tokens: int) -> float:
        """The price of so many tokens, 0 where prices are not known."""
        prompt, answer = self.usd_per_million_prompt_tokens or 0.0, self.usd_per_million_answer_tokens or 0.0
        return (prompt * prompt_tokens + answer * answer_tokens) / 1e6


@final
class OpenAIQuestions(Questions):
    """Questions for a model behind a server; each as a request with a JSON schema and, after it, one without."""

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config

    def identity(self) -> JudgeIdentity:
        """openai; the model at its server; a hash of the prompts and of the options that a request holds."""
        config = self._config
        host = urlsplit(config.base_url).netloc
        revision = f"{config.model}@{config.revision}" if config.revision else config.model
        settings = fingerprint({"prompts": PROMPT_HASH, "request": self._request((), None), "schema": config.schema})
        return JudgeIdentity(name="openai", revision=f"{revision} at {host}", settings=settings)

    def explain(self, sample: Sample) -> Question[str]:
        """An explanation as JSON."""

        def read(response: dict[str, Any]) -> str:
            return sentence_of(_object(response).get("explanation"))

        return self._question(explain_messages(sample), "explanation", {"explanation": {"type": "string"}}, read)

    def simulate(self, sentence: str, tokens: tuple[str, ...]) -> Question[Float64[np.ndarray, " position"]]:
        """A list of whole numbers from 0 to 10, one a token."""

        def read(response: dict[str, Any]) -> Float64[np.ndarray, " position"]:
            return whole_levels(_object(response).get("activations"), len(tokens))

        level = {"type": "integer", "minimum": 0, "maximum": TOP_LEVEL}
        levels = {"type": "array", "items": level, "minItems": len(tokens), "maxItems": len(tokens)}
        return self._question(simulate_messages(sentence, tokens), "simulation", {"activations": levels}, read)

    def pick(self, passages: tuple[str, ...]) -> Question[int]:
        """The number of the odd passage."""

        def read(response: dict[str, Any]) -> int:
            odd = _object(response).get("odd")
            if type(odd) is not int or not 1 <= odd <= len(passages):
                raise Unusable(MALFORMED, f"the odd excerpt is no whole number from 1 to {len(passages)}")
            return odd - 1

        number = {"type": "integer", "minimum": 1, "maximum": len(passages)}
        return self._question(intruder_messages(passages), "intruder", {"odd": number}, read)

    def _question(self, messages: tuple[Message, ...], name: str, properties: dict[str, Any], read: Any) -> Question:
        schema = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
        with_schema = {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}
        requests = (self._request(messages, with_schema),) if self._config.schema else ()
        return Question(requests=(*requests, self._request(messages, None)), read=read, repair=_repaired)

    def _request(self, messages: tuple[Message, ...], answer_format: dict[str, Any] | None) -> dict[str, Any]:
        """Everything that is sent but the key, and the server."""
        config = self._config
        optional = {
            "temperature": config.temperature,
            "seed": config.seed,
            "reasoning_effort": config.reasoning_effort,
            "response_format": answer_format,
        }
        return {
            "server": config.base_url,
            "revision": config.revision,
            "body": {
                "model": config.model,
                "messages": [{"role": message.role, "content": message.content} for message in messages],
                config.token_limit: config.max_answer_tokens,
                **{name: value for name, value in optional.items() if value is not None},
            },
        }


def answer_text(response: dict[str, Any]) -> str:
    """The text of the first choice of a chat completion. Raises Unusable: refused, malformed (cut off too)."""
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Unusable(MALFORMED, "the server's answer holds no message")
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        raise Unusable(REFUSED, str(message.get("refusal") or "kept back by the server's content filter"))
    content = message.get("content")
    if choice.get("finish_reason") == "length":
        raise Unusable(MALFORMED, "the answer was cut off at the limit of tokens")
    if not isinstance(content, str) or not content.strip():
        raise Unusable(MALFORMED, "the message is empty")
    return content


def tokens_at_most(request: dict[str, Any]) -> int:
    """An upper bound of a request's prompt tokens: its bytes in UTF-8 and 16 for each message.

    No tokenizer that works on bytes makes more tokens than bytes; schemas are counted as text.
    """
    body = request["body"]
    texts = [message["content"] for message in body["messages"]]
    return sum(len(text.encode()) + 16 for text in texts) + len(str(body.get("response_format", "")))


def tokens_likely(request: dict[str, Any]) -> int:
    """About how many prompt tokens a request has: one for 3 bytes of its messages, and 4 for each message."""
    texts = [message["content"] for message in request["body"]["messages"]]
    return sum(len(text.encode()) // _LIKELY_BYTES_A_TOKEN + 4 for text in texts)


def _object(response: dict[str, Any]) -> dict[str, Any]:
    return json_object(answer_text(response))


def _repaired(request: dict[str, Any], response: dict[str, Any] | None, reason: str) -> dict[str, Any]:
    """The request with the malformed answer, and what was wrong with it, added to the conversation."""
    try:
        answer = answer_text(response or {})
    except Unusable:
        answer = ""
    added = [{"role": message.role, "content": message.content} for message in repair_messages(answer, reason)]
    body = request["body"]
    return request | {"body": body | {"messages": [*body["messages"], *added]}}
