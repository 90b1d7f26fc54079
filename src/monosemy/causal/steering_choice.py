"""Which latent to steer with, chosen on text and pairs on which nothing is reported."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from monosemy.causal.interventions import ablated
from monosemy.causal.neutral_text import NeutralText
from monosemy.causal.steering import MAX_DAMAGE, best_strength, steering_curve, steering_edit
from monosemy.causal.steering_goals import PairGoal
from monosemy.core import Advance, UserError, ignore_advance
from monosemy.dictionaries import Dictionary
from monosemy.evaluation import SpliceSample
from monosemy.evaluation.splice_reference import continued, log_probabilities, recorded
from monosemy.lm import LanguageModel, Site

CHOOSING_STRENGTHS = (0.1, 0.25, 0.5, 1.0)
MIN_ACTIVE, MAX_DENSITY = 100, 0.05
N_TARGET_TOKENS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """A candidate: its first-order effect a unit of length, and its best effect within the allowed damage (None: none
    of the strengths had any)."""

    latent: int
    first_order: float
    effect: float | None


def choose_for_pairs(
    dictionary: Dictionary,
    quantiles: Float64[np.ndarray, " n_latents"],
    goal: PairGoal,
    text: NeutralText,
    *,
    n_candidates: int = 6,
    advance: Advance = ignore_advance,
) -> tuple[Tried, ...]:
    """Candidates of the greatest first-order effect a unit of length, best first: by the effect within the damage.

    Only latents that fire (quantile above 0) are taken. `advance` counts edits. Raises UserError where none fires.
    """
    alive = np.flatnonzero(quantiles > 0)
    if len(alive) == 0:
        raise UserError("no latent of the dictionary fires on the validation text; nothing can be steered with it")
    rows = dictionary.W_dec.double()
    first = ((rows @ goal.gradient()) / rows.norm(dim=1).clamp_min(1e-12)).numpy()
    order = alive[np.argsort(-first[alive], kind="stable")][:n_candidates]
    tried: list[Tried] = []
    for latent in order.tolist():
        edits = [(s, steering_edit("add", dictionary, latent, s, float(quantiles[latent]))) for s in CHOOSING_STRENGTHS]
        curve = steering_curve(edits, goal, text, advance)
        best = best_strength(curve, MAX_DAMAGE)
        effect = None if best is None else float(curve.effect[best].mean())
        tried.append(Tried(latent=latent, first_order=float(first[latent]), effect=effect))
    return tuple(sorted(tried, key=lambda each: -np.inf if each.effect is None else -each.effect))


def expressive_latent(
    dictionary: Dictionary,
    z: Float[Tensor, "rows n_latents"],
    quantiles: Float64[np.ndarray, " n_latents"],
    unembedding: Float[Tensor, "vocab d_model"],
) -> int:
    """The latent that by itself says most about the next token.

    score = mean of the five largest entries of q W_U d, W_U without its mean over the vocabulary, among latents that
    are active on 100 rows or more and on at most 5 %. Raises UserError where there is none.
    """
    active = (z != 0).sum(dim=0).numpy()
    kept = np.flatnonzero((active >= MIN_ACTIVE) & (active <= MAX_DENSITY * len(z)))
    if len(kept) == 0:
        raise UserError(
            f"no latent is active on {MIN_ACTIVE} to {round(MAX_DENSITY * len(z))} of {len(z)} validation tokens; "
            "name one with --latent"
        )
    W_U = (unembedding - unembedding.mean(dim=0)).detach().cpu().double()
    pushed = torch.from_numpy(quantiles[kept])[:, None] * dictionary.W_dec.double()[kept] @ W_U.T
    return int(kept[int(pushed.topk(N_TARGET_TOKENS, dim=1).values.mean(dim=1).argmax())])


def raised_tokens(
    lm: LanguageModel,
    site: Site,
    dictionary: Dictionary,
    latent: int,
    sample: SpliceSample,
    n_tokens: int = N_TARGET_TOKENS,
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The tokens that a latent raises most: mean of log p - log p(ablated) where it is active; and by how much, nats.

    Raises UserError for a latent that is not active anywhere in the sample.
    """
    total, n_active = torch.zeros(lm.vocab_size, dtype=torch.float64), 0
    edit = ablated(dictionary, torch.tensor([latent]))
    for row in range(len(sample.tokens)):
        ids = torch.from_numpy(sample.tokens[row : row + 1]).long()
        at = torch.from_numpy(recorded(sample.index[row : row + 1]))
        x = lm.capture(ids, [site])[site].cpu()
        active = _active(dictionary, latent, x[0]) & at[0].numpy()
        if not active[:-1].any():
            continue
        run = lm.logits(ids)
        with torch.inference_mode():
            lowered = log_probabilities(continued(lm, site, ids, x, edit(x), at))
            change = (log_probabilities(run) - lowered)[0][torch.from_numpy(active[:-1])]
            total += change.double().sum(dim=0)
        n_active += int(active[:-1].sum())
    if n_active == 0:
        raise UserError(
            f"latent {latent} never fires on the {len(sample.tokens)} rows of validation text; choose one that fires"
        )
    values, tokens = (total / n_active).topk(n_tokens)
    return tuple(int(token) for token in tokens), tuple(float(value) for value in values)


def _active(dictionary: Dictionary, latent: int, x: Float[Tensor, "seq d_site"]) -> Bool[np.ndarray, " seq"]:
    return (dictionary.encode(x)[:, latent] != 0).numpy()
