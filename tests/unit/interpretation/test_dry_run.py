"""Oracle: the calls of a real run against a fault-free server."""

from pathlib import Path

from monosemy.interpretation import CallStore, DryRunJudge, Judge, OpenAIJudge, Picker
from tests.unit.interpretation.chat_server import ChatServer
from tests.unit.interpretation.samples_of_tests import sample, texts


def go_through(judge: Judge) -> None:
    """Two latents with an explanation each, scored on fragments, each on those of the other too; and a choice."""
    explanations = [judge.explain(sample(length=8, seed=latent)) for latent in range(2)]
    judge.explain(sample(length=8, seed=0))
    for latent in range(2):
        for explanation in explanations:
            judge.simulate(explanation, texts(3, length=8, seed=latent))
    assert isinstance(judge, Picker)
    judge.pick(("one", "two", "three"))


def test_what_it_counts_is_what_a_run_asks(tmp_path: Path) -> None:
    prices = {"usd_per_million_prompt_tokens": 2.0, "usd_per_million_answer_tokens": 8.0}
    with ChatServer() as server, CallStore(tmp_path / "calls") as calls:
        config = server.config(**prices)
        dry = DryRunJudge(config, calls)
        go_through(dry)
        estimate = dry.estimate()
        assert server.bodies == [] and calls.counts()["asked"] == 0
        judge = OpenAIJudge(config, calls)
        assert dry.identity() == judge.identity()
        go_through(judge)
        assert estimate.n_calls == len(server.bodies) == 15
        assert (estimate.n_explanations, estimate.n_simulations, estimate.n_picks) == (2, 12, 1)
        n_bytes = sum(len(m["content"].encode()) for body in server.bodies for m in body["messages"])
        assert n_bytes <= estimate.prompt_tokens_at_most
        assert n_bytes / 3 <= estimate.prompt_tokens_likely <= n_bytes / 2
        assert estimate.usd_at_most is not None and estimate.usd_at_most > calls.totals().usd
        again = DryRunJudge(config, calls)  # everything is in the record
        go_through(again)
        assert (again.estimate().n_calls, again.estimate().usd_at_most) == (0, 0.0)
