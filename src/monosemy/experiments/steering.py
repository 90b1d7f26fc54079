"""Jobs that steer the model with one latent of a dictionary and beside it with other directions of the same length.

Selection pairs and validation text choose the latent and each curve's strength; held-out pairs and test report.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from monosemy.activations import ActivationStore
from monosemy.causal import (
    MODES,
    STRENGTHS,
    Goal,
    Intervention,
    Mode,
    NeutralText,
    PairGoal,
    SteeringCurve,
    TokenGoal,
    Tried,
    active_quantiles,
    added,
    choose_for_pairs,
    expressive_latent,
    raised_tokens,
    random_directions,
    steering_curve,
    steering_edit,
    unit_vector,
)
from monosemy.core import Advance, Artifact, UserError
from monosemy.corpus.tasks import both_right, generate, task_named
from monosemy.dictionaries import Dictionary, load_dictionary
from monosemy.evaluation import check_fits, sample_sequences
from monosemy.experiments.contexts import vocabulary
from monosemy.experiments.learning import opened_store
from monosemy.experiments.steering_files import CurvePair, SteeringAbout, write_steering
from monosemy.experiments.texts import backend_tokenizer
from monosemy.lm import LanguageModel, ModelSource, Site
from monosemy.pipeline import Job, Stage, Workspace

STEERING_KIND = "steering"
OWN_TOKENS = "own_tokens"
"""Instead of a task's name: the goal is that the tokens that the latent itself raises become more likely."""

Edits = list[tuple[float, Intervention | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class SteeringConfig:
    """What is steered for, and with what.

    task: the name of a task, or "own_tokens". latent: its number; None: chosen. n_pairs: of each half of the templates.
    n_sequences: packed rows of validation and of test on which damage is measured. n_rows: of validation, on which
    it is measured how active latents are. n_draws: of random directions, over which the mean is taken.
    """

    task: str
    site: str
    latent: int | None = None
    strengths: tuple[float, ...] = STRENGTHS
    n_pairs: int = 60
    n_sequences: int = 24
    n_rows: int = 20_000
    n_candidates: int = 6
    n_draws: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task != OWN_TOKENS:
            task_named(self.task)
        if not self.strengths or list(self.strengths) != sorted(set(self.strengths)):
            raise UserError(f"the strengths are {list(self.strengths)}; give one or more, rising")


def steering_job(
    config: SteeringConfig, dictionary: Artifact, validation: Artifact, test: Artifact, source: ModelSource
) -> Job:
    """The job that steers for one goal with a latent of one dictionary and with the other directions."""
    parents = {"dictionary": dictionary, "validation": validation, "test": test}
    n_curves = len(MODES) + 1 + config.n_draws
    return Job(
        stages=(Stage(name=STEERING_KIND, config=config, parents=parents),),
        body=partial(_steer, config, dictionary.path, validation.path, test.path, source),
        n_units=2 * n_curves * len(config.strengths),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Side:
    """One of the two: where is chosen, or where is reported."""

    goal: Goal
    text: NeutralText


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Plan:
    """The latent that was chosen, what the goal is, and the direction that a difference of means gives for it."""

    latent: int
    quantile: float
    choosing: _Side
    reporting: _Side
    difference: torch.Tensor
    tried: tuple[Tried, ...] = ()
    tokens: tuple[int, ...] = ()
    raised: tuple[float, ...] = ()
    accuracy: float | None = None
    gap: float | None = None


def _steer(
    config: SteeringConfig,
    dictionary_path: Path,
    validation: Path,
    test: Path,
    source: ModelSource,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    dictionary, card = load_dictionary(dictionary_path)
    if config.latent is not None and not 0 <= config.latent < dictionary.n_latents:
        raise UserError(f"latent {config.latent} does not exist: the dictionary has 0 to {dictionary.n_latents - 1}")
    lm, stores = source.load(), (opened_store(validation), opened_store(test))
    check_fits(dictionary, stores[1], config.site, card)
    planned = _for_tokens if config.task == OWN_TOKENS else _for_pairs
    plan = planned(config, lm, dictionary, stores)
    size = float(plan.quantile * dictionary.W_dec[plan.latent].double().norm())
    curves: list[CurvePair] = []
    for mode in MODES:
        edits = _edits(config, _latent_edit(mode, dictionary, plan), none_at=1.0 if mode == "scale" else 0.0)
        if mode == "clamp":
            edits = _edits(config, _latent_edit(mode, dictionary, plan), none_at=None)
        curves.append(_curves(card.method, mode, [edits], plan, advance))
    directions: list[tuple[str, str | None, list[torch.Tensor]]] = []
    if float(plan.difference.norm()) > 0:
        directions.append(("mean_difference", None, [unit_vector(plan.difference)]))
    else:  # the tokens never come next in the text where is chosen: there is nothing to take a mean of
        advance(2 * len(config.strengths))
    drawn = [
        unit_vector(random_directions(1, dictionary.d_in, config.seed, draw)[0].double())
        for draw in range(config.n_draws)
    ]
    directions.append(("random", "directions", drawn))
    for method, variant, vectors in directions:
        several = [_edits(config, _added(vector, size), none_at=0.0) for vector in vectors]
        curves.append(_curves(method, variant, several, plan, advance))
    about = _about(config, lm, plan, source)
    write_steering(workspaces[0].folder, about, card, curves, config)


def _for_pairs(
    config: SteeringConfig,
    lm: LanguageModel,
    dictionary: Dictionary,
    stores: tuple[ActivationStore, ActivationStore],
) -> _Plan:
    tokenizer, site = backend_tokenizer(lm), Site.parse(config.site)
    task = task_named(config.task)
    selected, held_out = (
        generate(task, tokenizer, config.n_pairs, seed=config.seed, split=split) for split in ("selection", "held_out")
    )
    longest = max(pair.n_tokens for pair in [*selected, *held_out])
    if longest > lm.context_length:
        raise UserError(
            f"a prompt of {config.task} has {longest} tokens, more than the model's context of {lm.context_length}; "
            "choose another task"
        )
    choosing, reporting = (
        _Side(goal=PairGoal(lm, site, pairs), text=_text(config, lm, store))
        for pairs, store in zip((selected, held_out), stores, strict=True)
    )
    goal, reported = choosing.goal, reporting.goal
    assert isinstance(goal, PairGoal)
    assert isinstance(reported, PairGoal)
    quantiles = active_quantiles(_latents(config, dictionary, stores[0]))
    latent = config.latent
    tried: tuple[Tried, ...] = ()
    if latent is None:
        tried = choose_for_pairs(dictionary, quantiles, goal, choosing.text, n_candidates=config.n_candidates)
        latent = tried[0].latent
    clean, corrupt = (
        reported.batch.at_last(lm.logits(ids).cpu()) for ids in (reported.batch.clean, reported.batch.corrupt)
    )
    return _Plan(
        latent=latent,
        quantile=float(quantiles[latent]),
        choosing=choosing,
        reporting=reporting,
        difference=goal.mean_difference(),
        tried=tried,
        accuracy=float(both_right(clean, corrupt, held_out).double().mean()),
        gap=float(reported.gap.mean()),
    )


def _for_tokens(
    config: SteeringConfig,
    lm: LanguageModel,
    dictionary: Dictionary,
    stores: tuple[ActivationStore, ActivationStore],
) -> _Plan:
    site = Site.parse(config.site)
    z = _latents(config, dictionary, stores[0])
    quantiles = active_quantiles(z)
    latent = config.latent
    if latent is None:
        latent = expressive_latent(dictionary, z, quantiles, lm.unembedding)
    everything = sample_sequences(stores[0], len(stores[0].sequences().tokens), config.seed)
    tokens, raised = raised_tokens(lm, site, dictionary, latent, everything)
    choosing, reporting = (
        _Side(
            goal=TokenGoal(lm, site, sample_sequences(store, config.n_sequences, config.seed), tokens),
            text=_text(config, lm, store),
        )
        for store in stores
    )
    goal = choosing.goal
    assert isinstance(goal, TokenGoal)
    return _Plan(
        latent=latent,
        quantile=float(quantiles[latent]),
        choosing=choosing,
        reporting=reporting,
        difference=goal.mean_difference(),
        tokens=tokens,
        raised=raised,
    )


def _text(config: SteeringConfig, lm: LanguageModel, store: ActivationStore) -> NeutralText:
    return NeutralText(lm, Site.parse(config.site), sample_sequences(store, config.n_sequences, config.seed))


def _latents(config: SteeringConfig, dictionary: Dictionary, store: ActivationStore) -> torch.Tensor:
    chunks = store.chunks((config.site,), n_rows=config.n_rows)
    return torch.cat([dictionary.encode(chunk.x[config.site]) for chunk in chunks])


def _latent_edit(mode: Mode, dictionary: Dictionary, plan: _Plan) -> Callable[[float], Intervention]:
    return lambda strength: steering_edit(mode, dictionary, plan.latent, strength, plan.quantile)


def _added(vector: torch.Tensor, size: float) -> Callable[[float], Intervention]:
    return lambda strength: added(vector, strength * size)


def _edits(config: SteeringConfig, edit: Callable[[float], Intervention], none_at: float | None) -> Edits:
    """An edit a strength; none where the strength changes nothing."""
    return [(s, None if none_at is not None and s == none_at else edit(s)) for s in config.strengths]


def _curves(method: str, variant: str | None, several: Sequence[Edits], plan: _Plan, advance: Advance) -> CurvePair:
    """The curve where is chosen and the one that is reported; of several draws the mean."""
    found: list[SteeringCurve] = []
    for side in (plan.choosing, plan.reporting):
        curves = [steering_curve(edits, side.goal, side.text, advance) for edits in several]
        found.append(
            SteeringCurve(
                strengths=curves[0].strengths,
                effect=np.mean([curve.effect for curve in curves], axis=0),
                ce_increase=np.mean([curve.ce_increase for curve in curves], axis=0),
                n_predictions=curves[0].n_predictions,
            )
        )
    return CurvePair(method=method, variant=variant, choosing=found[0], reporting=found[1])


def _about(config: SteeringConfig, lm: LanguageModel, plan: _Plan, source: ModelSource) -> SteeringAbout:
    own = config.task == OWN_TOKENS
    words = vocabulary(lm)
    # A model can have more logits than its tokenizer has tokens.
    known = [words[token] if token < len(words) else f"<token {token}>" for token in plan.tokens]
    texts = [word.encode("utf-8", "replace").decode() for word in known]
    return SteeringAbout(
        task=config.task,
        description="" if own else task_named(config.task).description,
        latent=plan.latent,
        is_given=config.latent is not None,
        quantile=plan.quantile,
        tokens=tuple(texts),
        raised=plan.raised,
        tried=plan.tried,
        accuracy=plan.accuracy,
        gap=plan.gap,
        lm="random" if source.random_seed is not None else "trained",
        prompts="sequences" if own else "pairs",
        n_sequences=config.n_sequences,
        seed=config.seed,
    )
