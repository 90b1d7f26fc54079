"""What a judge behind a server will be asked, and what that will cost, before anything is asked."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from monosemy.core import UserError
from monosemy.evaluation import FragmentTable
from monosemy.interpretation.evidence import Budget, Sample
from monosemy.interpretation.intruder import N_ACTIVE
from monosemy.interpretation.openai_questions import OpenAIConfig, OpenAIQuestions, tokens_at_most, tokens_likely
from monosemy.interpretation.prompts import (
    DENSE_SHARE,
    MAX_EXPLANATION_BYTES,
    N_SHOWN,
    N_SHOWN_SILENT,
    escaped_tokens,
    passage,
)
from monosemy.interpretation.text import Text

LIKELY_EXPLANATION_TOKENS = 40
"""Of an answer that explains, and at 3 bytes a token of the explanation that simulations are asked from."""

LIKELY_EXPLANATION_BYTES = 3 * LIKELY_EXPLANATION_TOKENS
"""The length of a usual explanation."""

LIKELY_PICK_TOKENS = 10
"""Of an answer that names the odd passage."""

_N_SHOWN_PAPER = 5
METHOD = (
    "at most: a token for each byte of the longest fragments, answers at their limit, repairs and retries not counted; "
    f"likely: 3 bytes a token, the fragment of median length, {LIKELY_EXPLANATION_TOKENS} tokens an explanation, "
    "2 for each simulated token"
)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """How much is to be judged: latents, budgets, fragments simulated for each explanation, and intruder trials.

    n_fragments: of one explanation under one budget, those of the latent that it is the floor of included. Raises
    UserError for a negative count, and for a budget that comes twice.
    """

    n_latents: int
    budgets: tuple[Budget, ...]
    n_fragments: int
    n_trials: int = 0

    def __post_init__(self) -> None:
        if min(self.n_latents, self.n_fragments, self.n_trials) < 0 or len(set(self.budgets)) < len(self.budgets):
            raise UserError("a workload needs counts from 0 on, and each budget once")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Calls, tokens and dollars of a workload; dollars are None without prices. `method` says how tokens are counted.

    n_calls is exact where every answer can be used and nothing is in the record of calls yet.
    """

    n_calls: int
    n_explanations: int
    n_simulations: int
    n_picks: int
    prompt_tokens_at_most: int
    answer_tokens_at_most: int
    prompt_tokens_likely: int
    answer_tokens_likely: int
    usd_at_most: float | None
    usd_likely: float | None
    method: str = METHOD

    @staticmethod
    def of(
        config: OpenAIConfig,
        *,
        n_explanations: int,
        n_simulations: int,
        n_picks: int,
        prompt_tokens_at_most: int,
        answer_tokens_at_most: int,
        prompt_tokens_likely: int,
        answer_tokens_likely: int,
    ) -> "Estimate":
        """The estimate with its sums and, at the prices of the judge, its dollars."""
        at_most = config.usd(prompt_tokens_at_most, answer_tokens_at_most)
        likely = config.usd(prompt_tokens_likely, answer_tokens_likely)
        return Estimate(
            n_calls=n_explanations + n_simulations + n_picks,
            n_explanations=n_explanations,
            n_simulations=n_simulations,
            n_picks=n_picks,
            prompt_tokens_at_most=prompt_tokens_at_most,
            answer_tokens_at_most=answer_tokens_at_most,
            prompt_tokens_likely=prompt_tokens_likely,
            answer_tokens_likely=answer_tokens_likely,
            usd_at_most=at_most if config.has_prices else None,
            usd_likely=likely if config.has_prices else None,
        )

    def line(self) -> str:
        """The estimate in one line for a user."""
        calls = f"{self.n_calls:,} calls ({self.n_explanations:,} explanations, {self.n_simulations:,} simulations"
        calls += f", {self.n_picks:,} choices)" if self.n_picks else ")"
        tokens = f"about {self.prompt_tokens_likely + self.answer_tokens_likely:,} tokens"
        if self.usd_likely is None or self.usd_at_most is None:
            return f"{calls}, {tokens}; give prices per million tokens for the cost"
        return f"{calls}, {tokens}, about {self.usd_likely:.2f} USD and at most {self.usd_at_most:.2f} USD"


def estimate_cost(config: OpenAIConfig, workload: Workload, fragments: FragmentTable) -> Estimate:
    """The calls of a workload, counted, and their tokens, from the longest fragments of those given.

    Prompts are made as they would be, with the longest fragments in each place and the longest explanation allowed.
    Raises UserError without fragments.
    """
    if len(fragments) == 0:
        raise UserError("an estimate of cost needs the fragments that will be shown; there are none")
    n_bytes = [sum(len(token.encode()) for token in escaped_tokens(fragments, row)) for row in range(len(fragments))]
    longest = np.argsort(-np.array(n_bytes), kind="stable")
    typical = longest[len(longest) // 2 : len(longest) // 2 + 1]
    n_explanations = workload.n_latents * len(workload.budgets)
    n_simulations = n_explanations * workload.n_fragments
    most = np.array([tokens_at_most(each) for each in _requests(config, fragments, longest, MAX_EXPLANATION_BYTES)])
    likely = np.array([tokens_likely(each) for each in _requests(config, fragments, typical, LIKELY_EXPLANATION_BYTES)])
    explanations = [workload.n_latents * (budget in workload.budgets) for budget in ("paper", "full")]
    counts = np.array([*explanations, n_simulations, workload.n_trials])
    simulation = likely_simulation_tokens(fragments.tokens.shape[1])
    answers = np.array([LIKELY_EXPLANATION_TOKENS, LIKELY_EXPLANATION_TOKENS, simulation, LIKELY_PICK_TOKENS])
    return Estimate.of(
        config,
        n_explanations=n_explanations,
        n_simulations=n_simulations,
        n_picks=workload.n_trials,
        prompt_tokens_at_most=int(counts @ most),
        answer_tokens_at_most=int(counts.sum()) * config.max_answer_tokens,
        prompt_tokens_likely=int(counts @ likely),
        answer_tokens_likely=int(counts @ np.minimum(answers, config.max_answer_tokens)),
    )


def likely_simulation_tokens(n_positions: int) -> int:
    """Of an answer with the activations of so many tokens: 2 for each, and 10."""
    return 2 * n_positions + 10


def _requests(
    config: OpenAIConfig, fragments: FragmentTable, rows: np.ndarray, n_bytes: int
) -> tuple[dict[str, Any], ...]:
    """Requests for an explanation (paper, full), a simulation of an explanation of n_bytes, and a choice.

    Made from these rows in turn, again where they are too few.
    """
    questions = OpenAIQuestions(config)
    odd = tuple(passage(fragments.fragment(row).text) for row in np.resize(rows, N_ACTIVE + 1).tolist())
    asked = (
        questions.explain(_sample(fragments, np.resize(rows, _N_SHOWN_PAPER), "paper")),
        questions.explain(_sample(fragments, np.resize(rows, N_SHOWN), "full")),
        questions.simulate("x" * n_bytes, escaped_tokens(fragments, int(rows[0]))),
        questions.pick(odd),
    )
    return tuple(question.requests[0] for question in asked)


def _sample(fragments: FragmentTable, rows: np.ndarray, budget: Budget) -> Sample:
    """A sample that is shown at its longest: all fragments, and of all tokens almost a fifth, the longest, twice."""
    table = fragments.take(rows.astype(np.int32))
    n_rows, n_positions = table.tokens.shape
    lengths = np.array([[len(token.encode()) for token in escaped_tokens(table, row)] for row in range(n_rows)])
    firing = n_rows - (N_SHOWN_SILENT if budget == "full" else 0)
    lengths[firing:] = -1
    of_each = lengths[:firing].argmax(axis=1) + n_positions * np.arange(firing)  # every one of them fires somewhere
    n_active = math.ceil(DENSE_SHARE * lengths.size) - 1 - firing
    others = [place for place in np.argsort(-lengths, axis=None, kind="stable").tolist() if place not in of_each]
    values = np.zeros(table.tokens.shape, dtype=np.float32)
    values.flat[[*of_each.tolist(), *others[: max(0, n_active)]]] = 10.0
    values[firing:] = 0.0
    return Sample(budget=budget, text=Text(fragments=table, labels=None), values=values, weight=np.ones(n_rows))
