"""A judge behind any server that speaks the OpenAI chat protocol, through the `openai` SDK."""

import json
import os
import threading
import time
import weakref
from dataclasses import dataclass
from typing import Any, TypeVar, final

from monosemy.core import UserError, to_json
from monosemy.interpretation.calls import MALFORMED, NOT_RUN, OK, CallRecord, CallStore, now_text, request_hash
from monosemy.interpretation.evidence import Sample
from monosemy.interpretation.judge import Explanation, Judge, JudgeIdentity, Simulation
from monosemy.interpretation.openai_questions import (
    REFUSED,
    OpenAIConfig,
    OpenAIQuestions,
    tokens_at_most,
    tokens_likely,
)
from monosemy.interpretation.pace import Pace
from monosemy.interpretation.picker import Picker
from monosemy.interpretation.prompts import PROMPT_HASH
from monosemy.interpretation.questions import (
    Question,
    Reply,
    Unusable,
    brief,
    explanation_by,
    recorded_reply,
    simulation_by,
)
from monosemy.interpretation.text import Text

T = TypeVar("T")

BAD_REQUEST = "bad_request"
_NO_ANSWER = ("rate_limited", "server_error", "time_out", "no_connection", BAD_REQUEST)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """What one call came to: a response, or a status with the reason.

    lost_tries: those which the server may charge though nothing came back. fatal: why no other call could do better.
    """

    response: dict[str, Any] | None
    status: str
    reason: str | None
    lost_tries: int = 0
    fatal: str | None = None


@final
class OpenAIJudge(Judge, Picker):
    """Asks a server, every call once: a good answer in the record of calls is never asked for again.

    A request whose JSON schema the server refuses is asked without (its refusal stands in the record as bad_request,
    and "without_schema" in the counts); a malformed answer is asked to be mended once; a refusal, and what the SDK's
    retries do not mend, are failures that the next run asks again. Before each call its upper bound in dollars (all
    retries counted) must fit under the cap beside everything in the record; otherwise it is not_run. Raises UserError
    when `openai` is not installed, when the server wants a key that is not there or wrong, or has no such model.
    """

    def __init__(self, config: OpenAIConfig, calls: CallStore) -> None:
        self.config, self.calls = config, calls
        self.concurrency = config.concurrency
        self._questions = OpenAIQuestions(config)
        self._identity = self._questions.identity()
        self._client, self._tries = _client(config)
        weakref.finalize(self, self._client.close)
        self._slots = threading.BoundedSemaphore(config.concurrency)
        self._pace = Pace(config.tokens_per_minute)
        self._lock = threading.Lock()
        self._schema_refused = False
        self._failures_in_a_row = 0
        calls.know(self._identity, to_json(config))

    def identity(self) -> JudgeIdentity:
        """openai, the model at its server, the hash of prompts and options."""
        return self._identity

    def explain(self, sample: Sample) -> Explanation:
        """One call (two with a repair)."""
        return explanation_by(self._questions, self._ask, sample)

    def simulate(self, explanation: Explanation, text: Text) -> Simulation:
        """One call a fragment (two with a repair)."""
        return simulation_by(self._questions, self._ask, explanation, text)

    def pick(self, passages: tuple[str, ...]) -> Reply[int]:
        """One call (two with a repair)."""
        return self._ask(self._questions.pick(passages))

    def _ask(self, question: Question[T]) -> Reply[T]:
        """The recorded answer, or else the server's."""
        with self.calls.claimed(question.requests[-1]):
            found = recorded_reply(self.calls, question)
            if found is not None:
                self.calls.note("cached")
                return found
            requests = question.requests[-1:] if self._schema_refused else question.requests
            request = requests[0]
            reply = self._call(question, request)
            if reply.status == BAD_REQUEST and len(requests) > 1:
                request = requests[1]
                reply = self._call(question, request)
                if reply.status in (OK, MALFORMED, REFUSED):
                    self._schema_refused = True
            if reply.status == OK and self._schema_refused and request is question.requests[-1]:
                self.calls.note("without_schema")
            return reply

    def _call(self, question: Question[T], request: dict[str, Any]) -> Reply[T]:
        """One request and, where its answer is malformed, its repair."""
        reply = self._once(question, request)
        if reply.status != MALFORMED or question.repair is None:
            return reply
        last = self.calls.last(request)
        if last is None or last.status != MALFORMED:
            return reply
        return self._once(question, question.repair(request, last.response, last.reason or ""))

    def _once(self, question: Question[T], request: dict[str, Any]) -> Reply[T]:
        """One request, unless it failed in this run already, or may not be asked any more."""
        failed = self.calls.failed_now(request)
        if failed is not None:
            return Reply(value=None, status=failed.status, reason=failed.reason)
        config = self.config
        at_most = config.usd(tokens_at_most(request), config.max_answer_tokens)
        with self._slots:
            if self._failures_in_a_row >= config.stop_after_failures:
                self.calls.note(NOT_RUN)
                reason = f"the server failed {config.stop_after_failures} times in a row; run again when it answers"
                return Reply(value=None, status=NOT_RUN, reason=reason)
            self._pace.wait(tokens_likely(request) + config.max_answer_tokens)
            number = self.calls.begin(request, at_most * (1 + config.max_retries), config.max_usd)
            if number is None:
                reason = f"the spending cap of {config.max_usd:g} USD might be passed; raise max_usd and run again"
                return Reply(value=None, status=NOT_RUN, reason=reason)
            asked_at, start = now_text(), time.monotonic()
            outcome = self._send(request, number)
            seconds = time.monotonic() - start
            value, status, reason = None, outcome.status, outcome.reason
            if outcome.response is not None:
                try:
                    value = question.read(outcome.response)
                except Unusable as error:
                    status, reason = error.status, error.reason
            self.calls.record(number, self._record(request, outcome, status, reason, at_most, asked_at, seconds))
        if outcome.fatal is not None:
            raise UserError(outcome.fatal)
        with self._lock:
            self._failures_in_a_row = self._failures_in_a_row + 1 if status in _NO_ANSWER else 0
        return Reply(value=value, status=status, reason=reason)

    def _record(
        self,
        request: dict[str, Any],
        outcome: _Outcome,
        status: str,
        reason: str | None,
        at_most: float,
        asked_at: str,
        seconds: float,
    ) -> CallRecord:
        usage = _usage(outcome.response)
        usd = at_most * outcome.lost_tries
        if outcome.response is not None or status == MALFORMED:
            usd += at_most if usage is None else self.config.usd(*usage)
        return CallRecord(
            request=request,
            response=outcome.response,
            status=status,
            reason=reason,
            judge=self._identity.name,
            revision=self._identity.revision,
            prompt_hash=PROMPT_HASH,
            prompt_tokens=None if usage is None else usage[0],
            answer_tokens=None if usage is None else usage[1],
            usd=usd,
            seconds=seconds,
            asked_at=asked_at,
        )

    def _send(self, request: dict[str, Any], number: int) -> _Outcome:
        """Ask the server, with the SDK's retries."""
        import openai

        config, tries = self.config, self._tries
        tries.begin()
        fatal, lost = None, 0
        try:
            # For servers that heed it: what a lost connection hid is not charged twice.
            headers = {"Idempotency-Key": f"{request_hash(request)[:32]}-{number}"}
            raw = self._client.chat.completions.with_raw_response.create(**request["body"], extra_headers=headers)
            response, status, reason = _json_body(raw.content)
            return _Outcome(response=response, status=status, reason=reason, lost_tries=tries.lost())
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            status, reason = "not_admitted", f"HTTP {error.status_code}"  # its text may quote the key
            fatal = (
                f"the server at {config.base_url} does not let us in (HTTP {error.status_code}); "
                f"put a valid key into the environment variable {config.api_key_env}"
            )
        except openai.NotFoundError as error:
            status, reason = "not_found", brief(str(error))
            fatal = f"the server at {config.base_url} has no model {config.model!r}, or is no such server; check both"
        except openai.APITimeoutError as error:
            status, reason = "time_out", f"no answer within {config.timeout_seconds:g} seconds"
            lost = tries.lost_without_connection(error)
        except openai.APIConnectionError as error:
            status, reason = "no_connection", brief(str(error.__cause__ or error))
            lost = tries.lost_without_connection(error)
        except openai.RateLimitError as error:
            status, reason, lost = "rate_limited", brief(str(error)), tries.lost()
        except openai.APIStatusError as error:
            status = "server_error" if error.status_code >= 500 else BAD_REQUEST
            reason, lost = f"HTTP {error.status_code}: {brief(str(error))}", tries.lost()
        except openai.OpenAIError as error:
            status, reason, lost = "server_error", brief(str(error)), tries.lost()
        return _Outcome(response=None, status=status, reason=tries.clean(reason), lost_tries=lost, fatal=fatal)


@final
class _Tries:
    """How many tries of a thread's call were sent without any answer; and the key, which no text may hold."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._local = threading.local()

    def begin(self) -> None:
        self._local.open = 0

    def sent(self, _request: object) -> None:
        self._local.open += 1

    def answered(self, _response: object) -> None:
        self._local.open -= 1

    def lost(self) -> int:
        return max(0, self._local.open)

    def lost_without_connection(self, error: Exception) -> int:
        """None where there was no connection at all; else the last try at least, even if its answer had begun."""
        never_sent = type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout")
        return 0 if never_sent else max(1, self.lost())

    def clean(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _client(config: OpenAIConfig) -> tuple[Any, _Tries]:
    """The SDK's client. The key is read here, from the environment, and kept nowhere else."""
    try:
        import openai
    except ImportError as error:
        raise UserError(
            "a judge behind a server needs the package openai; install it: pip install 'monosemy[judge]'"
        ) from error
    key = os.environ.get(config.api_key_env, "").strip()
    tries = _Tries(key)
    hooks = {"request": [tries.sent], "response": [tries.answered]}
    client = openai.OpenAI(
        api_key=key or "none",  # servers of one's own ask for none, the SDK does
        base_url=config.base_url,
        timeout=config.timeout_seconds,
        max_retries=config.max_retries,
        http_client=openai.DefaultHttpxClient(event_hooks=hooks),
    )
    return client, tries


def _usage(response: dict[str, Any] | None) -> tuple[int, int] | None:
    """Tokens of the prompt and of the answer, where the server tells them."""
    usage = (response or {}).get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (prompt, answer) if type(prompt) is int and type(answer) is int else None


def _json_body(content: bytes) -> tuple[dict[str, Any] | None, str, str | None]:
    """The JSON object that a server sent with status 200."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return None, MALFORMED, f"the server's answer is no JSON object: {brief(content.decode('utf-8', 'replace'))}"
    return body, OK, None
