"""Oracle: a server of our own, whose right answers are a fixed rule, and its own count of what it answered."""

import json
import logging
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.interpretation import CallStore, Explanation, OpenAIConfig, OpenAIJudge
from monosemy.interpretation.prompts import escape
from tests.unit.interpretation.chat_server import (
    ANSWER_TOKENS,
    PROMPT_TOKENS,
    RIGHT,
    SOON,
    ChatServer,
    Reaction,
    level_of,
    question_of,
)
from tests.unit.interpretation.samples_of_tests import sample, texts


@pytest.fixture
def calls(tmp_path: Path) -> Any:
    with CallStore(tmp_path / "calls.sqlite") as store:
        yield store


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def first(reaction: Reaction, times: int = 1) -> Any:
    """The reaction to the first tries of every request; then what is right."""
    return lambda body, n: reaction if n <= times else RIGHT


def test_an_explanation_and_its_simulation_are_what_the_server_says(calls: CallStore) -> None:
    text = texts(3, length=16, unrecorded=[0, 5])
    with ChatServer() as server:
        judge = OpenAIJudge(server.config(), calls)
        explanation = judge.explain(sample())
        simulation = judge.simulate(explanation, text)
    assert explanation.text is not None and explanation.text.startswith("pattern ")
    assert simulation.answered.tolist() == [True] * 3
    for row in range(3):
        said = f"The unit responds to: {explanation.text}"
        tokens = text.fragments.fragment(row).text
        expected = [0 if at in (0, 5) else level_of(said, escape(token)) for at, token in enumerate(tokens)]
        assert simulation.values[row].tolist() == expected
    assert calls.counts() == {"asked": 4, "answered": 4, "failed": 0, "cached": 0, "not_run": 0}
    totals = calls.totals()
    assert (totals.prompt_tokens, totals.answer_tokens) == (4 * PROMPT_TOKENS, 4 * ANSWER_TOKENS)
    formats = [body["response_format"]["json_schema"]["schema"] for body in server.bodies]
    assert formats[1]["properties"]["activations"]["minItems"] == 16


def test_what_was_answered_is_not_asked_again(calls: CallStore) -> None:
    text = texts(3, length=8)
    with ChatServer() as server:
        results = []
        for _ in range(2):
            judge = OpenAIJudge(server.config(), calls)
            explanation = judge.explain(sample())
            results.append((explanation.text, judge.simulate(explanation, text).values))
        assert set(server.answered().values()) == {1}
        assert len(server.answered()) == 4
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert calls.counts()["cached"] == 4


def test_two_threads_with_the_same_question_pay_once(calls: CallStore) -> None:
    with ChatServer() as server:
        judge = OpenAIJudge(server.config(), calls)
        with ThreadPoolExecutor(8) as pool:
            said = {e.text for e in pool.map(lambda _: judge.explain(sample()), range(8))}
        assert len(said) == 1
        assert sum(server.answered().values()) == 1


def test_no_more_than_so_many_calls_are_made_at_once(calls: CallStore) -> None:
    gate = threading.Event()
    with ChatServer(lambda body, n: Reaction(hold=gate)) as server:
        judge = OpenAIJudge(server.config(concurrency=3), calls)
        assert judge.concurrency == 3
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(judge.explain, sample(seed=seed)) for seed in range(8)]
            while server.at_once < 3 and not all(each.done() for each in asked):
                time.sleep(0.01)
            time.sleep(0.2)  # a fourth would come by now
            gate.set()
        assert all(each.result().text for each in asked)
        assert server.most_at_once == 3


@pytest.mark.parametrize(
    "fault",
    [
        Reaction(status=429, headers=SOON),
        Reaction(status=500, headers=SOON),
        Reaction(status=503, headers=SOON),
        Reaction(hang_up=True),
    ],
    ids=["429", "500", "503", "hang up"],
)
def test_the_sdk_mends_faults_that_pass(calls: CallStore, fault: Reaction) -> None:
    with ChatServer(first(fault)) as server:
        judge = OpenAIJudge(server.config(), calls)
        assert judge.explain(sample()).text is not None
        assert set(server.tries.values()) == {2}
        assert len(set(server.idempotency)) == 1
    assert calls.counts() == {"asked": 1, "answered": 1, "failed": 0, "cached": 0, "not_run": 0}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Reaction(status=429, headers=SOON), "rate_limited"),
        (Reaction(status=500, headers=SOON), "server_error"),
        (Reaction(status=400), "bad_request"),
        (Reaction(hold=threading.Event()), "time_out"),
        (Reaction(refusal="I would rather not"), "refused"),
        (Reaction(finish="content_filter"), "refused"),
        (Reaction(content="no idea"), "malformed"),
        (Reaction(content='{"explanation": ""}'), "malformed"),
        (Reaction(content='{"explanation": "cut o', finish="length"), "malformed"),
        (Reaction(raw=b"<html>"), "malformed"),
        (Reaction(raw=b'{"choices": []}'), "malformed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_that_stays_is_a_status_and_is_asked_again_by_the_next_run(
    tmp_path: Path, fault: Reaction, status: str
) -> None:
    broken = True
    with ChatServer(lambda body, n: fault if broken else RIGHT) as server:
        config = server.config(max_retries=1, timeout_seconds=0.3 if status == "time_out" else 20.0)
        with CallStore(tmp_path / "calls") as calls:
            judge = OpenAIJudge(config, calls)
            explanation = judge.explain(sample())
            assert explanation.text is None
            assert explanation.reason is not None and explanation.reason.startswith(f"{status}: ")
            again = judge.explain(sample())  # in the same run it is not asked again
            assert again == explanation
            counts = calls.counts()
            n_calls = 2 if status in ("malformed", "bad_request") else 1  # the repair, or without the schema
            assert (counts["asked"], counts["failed"], counts[f"failed/{status}"]) == (n_calls,) * 3
        if fault.hold is not None:
            fault.hold.set()
        broken = False
        with CallStore(tmp_path / "calls") as calls:
            assert OpenAIJudge(config, calls).explain(sample()).text is not None
            assert calls.counts()["answered"] == 1
            assert calls.totals().by_status == {"ok": 1, status: n_calls}


def test_a_malformed_answer_is_mended_once_and_what_was_mended_stays(tmp_path: Path) -> None:
    wrong = '{"activations": [1, 2, 3]}'
    text = texts(1, length=8)

    def react(body: dict[str, Any], n: int) -> Reaction:
        return RIGHT if "could not be used" in question_of(body) else Reaction(content=wrong)

    with ChatServer(react) as server:
        for run in range(2):
            with CallStore(tmp_path / "calls") as calls:
                judge = OpenAIJudge(server.config(), calls)
                simulation = judge.simulate(Explanation(text="words"), text)
                assert simulation.answered.all()
                assert calls.counts()["asked"] == (2 if run == 0 else 0)
        repair = server.bodies[1]["messages"]
        assert len(server.bodies) == 2
        assert repair[-2] == {"role": "assistant", "content": wrong}
        assert "3 activations for 8 tokens" in repair[-1]["content"]


@pytest.mark.parametrize(
    "wrong",
    ["[0]", '"00000000"', "[0,0,0,0,0,0,0,11]", "[0,0,0,0,0,0,0,-1]", "[0,0,0,0,0,0,0,0.5]", "[0,0,0,0,0,0,0,true]"],
)
def test_activations_that_are_not_one_whole_number_a_token_are_no_answer(calls: CallStore, wrong: str) -> None:
    with ChatServer(lambda body, n: Reaction(content=f'{{"activations": {wrong}}}')) as server:
        simulation = OpenAIJudge(server.config(), calls).simulate(Explanation(text="words"), texts(2, length=8))
    assert not simulation.answered.any() and not simulation.values.any()
    assert all(reason.startswith("malformed: ") for reason in simulation.reasons) and len(simulation.reasons) == 2


def test_a_server_that_refuses_schemas_is_asked_without_and_it_is_recorded(tmp_path: Path) -> None:
    def react(body: dict[str, Any], n: int) -> Reaction:
        return Reaction(status=400, message="no response_format here") if "response_format" in body else RIGHT

    text = texts(3, length=8)
    with ChatServer(react) as server:
        with CallStore(tmp_path / "calls") as calls:
            simulation = OpenAIJudge(server.config(), calls).simulate(Explanation(text="words"), text)
            assert simulation.answered.all()
            counts = calls.counts()
            assert (counts["answered"], counts["failed/bad_request"], counts["without_schema"]) == (3, 1, 3)
            last = calls.last({"server": server.url, "revision": "", "body": server.bodies[0]})
            assert last is not None and "no response_format here" in str(last.reason)
        with CallStore(tmp_path / "calls") as calls:
            OpenAIJudge(server.config(), calls).simulate(Explanation(text="words"), text)
            assert calls.counts()["asked"] == 0


def test_text_around_the_json_is_left_out(calls: CallStore) -> None:
    content = 'Here it is:\n```json\n{"explanation": "a\\nword"}\n```'
    with ChatServer(lambda body, n: Reaction(content=content)) as server:
        assert OpenAIJudge(server.config(), calls).explain(sample()).text == "a word"


def test_nothing_is_asked_that_might_pass_the_spending_cap(tmp_path: Path) -> None:
    prices = {"usd_per_million_prompt_tokens": 1.0, "usd_per_million_answer_tokens": 10.0}
    each = (PROMPT_TOKENS + 10 * ANSWER_TOKENS) / 1e6
    with ChatServer() as server:
        config = server.config(max_usd=0.012, max_retries=0, concurrency=1, **prices)
        with CallStore(tmp_path / "calls") as calls:
            simulation = OpenAIJudge(config, calls).simulate(Explanation(text="words"), texts(60, length=64))
            n = int(simulation.answered.sum())
            assert 0 < n < 60
            assert simulation.answered[:n].all()
            assert len(simulation.reasons) == 60 - n
            assert simulation.reasons[0].startswith("not_run: the spending cap of 0.012 USD")
            assert calls.totals().usd == pytest.approx(n * each)
            assert n * each < 0.012
            assert calls.counts()["not_run"] == 60 - n
            assert sum(server.answered().values()) == n
        with CallStore(tmp_path / "calls") as calls:  # what was spent before counts
            OpenAIJudge(config, calls).simulate(Explanation(text="words"), texts(60, length=64))
            assert calls.counts()["asked"] == 0


def test_a_call_begun_without_an_answer_counts_under_the_cap(calls: CallStore) -> None:
    prices = {"usd_per_million_prompt_tokens": 1.0, "usd_per_million_answer_tokens": 10.0}
    assert calls.begin({"killed": "while it was asked"}, 0.999) is not None
    with ChatServer() as server:
        judge = OpenAIJudge(server.config(max_usd=1.0, max_retries=0, **prices), calls)
        assert str(judge.explain(sample()).reason).startswith("not_run")
        assert server.bodies == []


def test_without_usage_a_call_counts_at_its_upper_bound(calls: CallStore) -> None:
    prices = {"usd_per_million_prompt_tokens": 1.0, "usd_per_million_answer_tokens": 10.0}
    with ChatServer(lambda body, n: Reaction(usage=False)) as server:
        OpenAIJudge(server.config(max_answer_tokens=100, **prices), calls).explain(sample())
        n_bytes = sum(len(message["content"].encode()) for message in server.bodies[0]["messages"])
    assert (n_bytes + 1000) / 1e6 < calls.totals().usd < 1.5 * (n_bytes + 1000) / 1e6


def test_tries_of_which_nothing_was_heard_count_as_paid(calls: CallStore) -> None:
    prices = {"usd_per_million_prompt_tokens": 1.0, "usd_per_million_answer_tokens": 10.0}
    with ChatServer(first(Reaction(hang_up=True), times=2)) as server:
        OpenAIJudge(server.config(max_answer_tokens=100, **prices), calls).explain(sample())
        n_bytes = sum(len(message["content"].encode()) for message in server.bodies[0]["messages"])
    assert 2 * (n_bytes + 1000) / 1e6 < calls.totals().usd < 3 * (n_bytes + 1000) / 1e6


def test_a_server_that_is_not_there_is_left_alone_after_some_failures(calls: CallStore) -> None:
    with ChatServer() as server:
        config = server.config(max_retries=0, stop_after_failures=3, concurrency=1, usd_per_million_prompt_tokens=1.0)
    simulation = OpenAIJudge(config, calls).simulate(Explanation(text="words"), texts(5, length=8))
    assert [reason.split(":")[0] for reason in simulation.reasons] == ["no_connection"] * 3 + ["not_run"] * 2
    assert calls.totals().usd == 0


@pytest.mark.parametrize(("status", "hint"), [(401, "valid key"), (403, "valid key"), (404, "no model 'tiny'")])
def test_what_no_call_can_mend_is_told_at_once(
    calls: CallStore, status: int, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    reaction = Reaction(status=status, message="wrong key sk-secret-123")
    with ChatServer(lambda body, n: reaction) as server, pytest.raises(UserError, match=hint) as caught:
        OpenAIJudge(server.config(), calls).explain(sample())
    assert "sk-secret" not in str(caught.value)
    assert calls.totals().unanswered == 0


def test_the_key_is_sent_and_stays_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret-123")
    caplog.set_level(logging.DEBUG)
    reaction = Reaction(status=400, message="wrong: sk-secret-123")
    with ChatServer(lambda body, n: reaction if n == 1 else RIGHT) as server:
        with CallStore(tmp_path / "calls") as calls:
            judge = OpenAIJudge(server.config(api_key_env="MY_KEY"), calls)
            judge.explain(sample())
            explanation = judge.explain(sample(seed=1))
            assert "sk-secret" not in repr((explanation, judge.config, calls.counts(), calls.judges()))
        assert set(server.keys) == {"Bearer sk-secret-123"}
    assert all(b"sk-secret" not in path.read_bytes() for path in tmp_path.iterdir())
    assert "sk-secret" not in caplog.text


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"base_url": "localhost:8000"}, "no address of a server"),
        ({"base_url": "http://me:secret@localhost/v1"}, "no user, password"),
        ({"base_url": "http://localhost/v1?key=secret"}, "no user, password"),
        ({"model": ""}, "needs a model"),
        ({"api_key_env": "sk-secret 123"}, "name of an environment variable"),
        ({"max_usd": 1.0}, "needs prices"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"timeout_seconds": 0.0}, "timeout_seconds"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(UserError, match=hint) as caught:
        OpenAIConfig(**{"model": "m", **options})
    assert "secret" not in str(caught.value)


def test_without_the_package_the_message_says_what_to_install(
    calls: CallStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match=r"pip install 'monosemy\[judge\]'"):
        OpenAIJudge(OpenAIConfig(model="m"), calls)


def test_the_identity_holds_what_answers_depend_on_and_nothing_else(calls: CallStore) -> None:
    def settings(**options: Any) -> tuple[str, str]:
        identity = OpenAIJudge(OpenAIConfig(model="m", **options), calls).identity()
        return identity.revision, identity.settings

    base = settings()
    assert settings(concurrency=2, timeout_seconds=3.0, max_retries=1, tokens_per_minute=9) == base
    assert settings(revision="2026-01")[0] != base[0]
    for options in ({"temperature": 1.0}, {"seed": 3}, {"max_answer_tokens": 9}, {"schema": False}):
        assert settings(**options)[1] != base[1]


def test_records_tell_who_was_asked_what(calls: CallStore) -> None:
    with ChatServer() as server:
        judge = OpenAIJudge(server.config(revision="r1"), calls)
        judge.explain(sample())
        record = calls.good({"server": server.url, "revision": "r1", "body": server.bodies[0]})
    assert record is not None and record.response is not None
    assert json.loads(record.response["choices"][0]["message"]["content"])["explanation"].startswith("pattern")
    assert (record.judge, record.revision) == ("openai", judge.identity().revision)
    assert record.status == "ok" and record.reason is None and record.seconds > 0
