"""Oracle: what a fault-free server was really asked, and the bytes of what it received."""

from pathlib import Path
from typing import Any

import pytest

from monosemy.core import UserError
from monosemy.interpretation import (
    BUDGETS,
    CallStore,
    IntruderTrial,
    OpenAIConfig,
    OpenAIJudge,
    Workload,
    detect_intruders,
    estimate_cost,
)
from monosemy.interpretation.prompts import passage
from monosemy.interpretation.text import Text
from tests.unit.interpretation.chat_server import ANSWER_TOKENS, ChatServer
from tests.unit.interpretation.samples_of_tests import sample, table, texts

PRICES: dict[str, Any] = {"usd_per_million_prompt_tokens": 2.0, "usd_per_million_answer_tokens": 8.0}


def test_the_calls_are_those_that_are_made_and_the_tokens_an_upper_bound(tmp_path: Path) -> None:
    text = texts(40, length=16)
    fragments = text.fragments
    workload = Workload(n_latents=3, budgets=BUDGETS, n_fragments=4, n_trials=3)
    with ChatServer() as server, CallStore(tmp_path / "calls") as calls:
        config = server.config(**PRICES)
        estimate = estimate_cost(config, workload, fragments)
        judge = OpenAIJudge(config, calls)
        for latent in range(3):
            for budget in BUDGETS:
                n = 5 if budget == "paper" else 40
                of = sample(budget, n, length=16, seed=0, share=(latent + 1) / 20)
                explanation = judge.explain(of)
                judge.simulate(explanation, text.take(fragments.number[latent * 4 : latent * 4 + 4]))
        trials = [
            IntruderTrial(
                latent=k, passages=tuple(passage(fragments.fragment(5 * k + i).text) for i in range(5)), odd=0
            )
            for k in range(3)
        ]
        detect_intruders(trials, judge)
        n_bytes = sum(len(m["content"].encode()) for body in server.bodies for m in body["messages"])
        assert calls.counts()["asked"] == estimate.n_calls == len(server.bodies)
        counts = (estimate.n_explanations, estimate.n_simulations, estimate.n_picks)
        assert counts == (6, 24, 3)
    assert n_bytes <= estimate.prompt_tokens_at_most < 2.5 * n_bytes  # the explanation may be 1000 bytes long
    assert estimate.prompt_tokens_likely == pytest.approx(n_bytes / 3, rel=0.3)
    assert 33 * ANSWER_TOKENS < estimate.answer_tokens_likely < estimate.answer_tokens_at_most == 33 * 600
    assert estimate.usd_at_most == pytest.approx(
        (2 * estimate.prompt_tokens_at_most + 8 * estimate.answer_tokens_at_most) / 1e6
    )
    assert estimate.usd_likely is not None and estimate.usd_at_most is not None
    assert estimate.usd_likely < estimate.usd_at_most
    assert "33 calls (6 explanations, 24 simulations, 3 choices)" in estimate.line()
    assert "USD" in estimate.line() and "bytes a token" in estimate.method


def test_without_prices_there_are_no_dollars() -> None:
    workload = Workload(n_latents=2, budgets=("paper",), n_fragments=10)
    estimate = estimate_cost(OpenAIConfig(model="m"), workload, texts(3).fragments)
    assert (estimate.usd_at_most, estimate.usd_likely, estimate.n_calls) == (None, None, 22)
    assert "give prices" in estimate.line()


def test_nothing_to_do_costs_nothing() -> None:
    estimate = estimate_cost(
        OpenAIConfig(model="m", **PRICES), Workload(n_latents=0, budgets=BUDGETS, n_fragments=10), texts(2).fragments
    )
    assert (estimate.n_calls, estimate.usd_at_most) == (0, 0.0)


def test_a_workload_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError):
        Workload(n_latents=-1, budgets=BUDGETS, n_fragments=1)
    with pytest.raises(UserError):
        Workload(n_latents=1, budgets=("paper", "paper"), n_fragments=1)
    empty = Text(fragments=table([]), labels=None)
    with pytest.raises(UserError, match="needs the fragments"):
        estimate_cost(OpenAIConfig(model="m"), Workload(n_latents=1, budgets=BUDGETS, n_fragments=1), empty.fragments)
