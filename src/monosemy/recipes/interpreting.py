"""Which dictionaries of a run have their latents explained, and the stages that do it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from monosemy.core import METHODS, Artifact, UserError, Workers, nearest
from monosemy.dictionaries import TopKConfig, load_dictionary
from monosemy.evaluation import FRAGMENT_LENGTH, read_fragments
from monosemy.experiments import (
    CALLS_FILE,
    BaselineConfig,
    ExplainConfig,
    InterpretationSummaryConfig,
    baseline_job,
    explain_config,
    fragments_job,
    interpretation_fragments,
    interpretation_job,
    summary_stage,
    to_be_asked_again,
    top_k_form_job,
)
from monosemy.interpretation import (
    N_PAPER_FRAGMENTS,
    InterpretationConfig,
    JudgeConfig,
    OpenAIConfig,
    Order,
    RulesConfig,
    Workload,
    estimate_cost,
)
from monosemy.lm import ModelSource
from monosemy.pipeline import Job, Run
from monosemy.recipes.dictionary_run import Compared, Side, Subject, at_point, done, whole_held_out
from monosemy.recipes.judging import N_UNIFORM, Judging
from monosemy.recipes.sweeps import CONTROL_DENSE, Place, dense_baselines, top_k_forms
from monosemy.training import Member

Axis = Literal["seeds", "layers", "sizes", "controls"]
SEEDED = ("random", "ica")
"""Baselines whose directions depend on the seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreting:
    """Which latents are explained and scored."""

    latents: int = 50  # of each dictionary, in a seeded random order
    methods: tuple[str, ...] = ("topk", "tied_l1", "ica", "pca", "random", "neurons_relu")
    axes: tuple[Axis, ...] = ()  # further dictionaries than the headline's: other seeds, layers, sizes; the controls
    order: Order = "seeded"  # "first": the first ones by their number, as the paper does
    n_uniform: int | None = None  # uniform fragments on which explanations are scored; none: all


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A dictionary to interpret: where it is, and the held-out activations at its site."""

    name: str
    dictionary: Artifact
    source: ModelSource
    held_out: tuple[Artifact, Artifact]


def interpret_dictionaries(
    run: Run, workers: Workers, subject: Subject, compared: Compared, interpreting: Interpreting, judging: Judging
) -> Artifact | None:
    """Explain and score latents of the dictionaries that are wanted, and compare; None where no row holds a fragment.

    Raises UserError for a method that the run has not.
    """
    if subject.context_length < FRAGMENT_LENGTH:
        return None
    judge = judging.config()
    wanted = wanted_dictionaries(run, workers, subject, compared, interpreting)
    config = explain_config(judge, interpretation_config(interpreting, judge, _density(subject), subject.seed))
    headline = tuple(each.name for each in wanted if each.name in compared.fragments)
    return interpret(run, workers, wanted, compared.fragments, config, headline).summary


def planned_calls(
    run: Run, workers: Workers, subject: Subject, compared: Compared, interpreting: Interpreting, judging: Judging
) -> list[str]:
    """What `interpret_dictionaries` would ask a server, and what that would cost. Raises as it does."""
    judge = judging.config()
    wanted = wanted_dictionaries(run, workers, subject, compared, interpreting)
    config = interpretation_config(interpreting, judge, _density(subject), subject.seed)
    fragments = sampled_fragments(run, workers, wanted, compared.fragments, config)
    return calls_lines(judge, config, [fragments[each.name] for each in wanted])


def interpretation_config(
    interpreting: Interpreting, judge: JudgeConfig, density: float, seed: int
) -> InterpretationConfig:
    """How latents are chosen and scored; a judge that is paid by the fragment sees few, where no number is given."""
    is_model = not isinstance(judge, RulesConfig)
    return InterpretationConfig(
        n_latents=interpreting.latents,
        order=interpreting.order,
        density=density,
        n_uniform=N_UNIFORM if interpreting.n_uniform is None and is_model else interpreting.n_uniform,
        seed=seed,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreted:
    """What interpreting left: the summary, and the fragments by the name of their dictionary."""

    summary: Artifact
    fragments: dict[str, Artifact]


def interpret(
    run: Run,
    workers: Workers,
    wanted: Sequence[Wanted],
    known: dict[str, Artifact],
    config: ExplainConfig,
    headline: tuple[str, ...],
) -> Interpreted:
    """Sample the fragments of those that are not in `known`, explain and score, and put it together.

    A dictionary of which a judge left calls unanswered is gone through again: those calls are asked once more.
    """
    fragments = sampled_fragments(run, workers, wanted, known, config.interpretation)
    calls = run.folder / CALLS_FILE
    jobs = [interpretation_job(config, each.dictionary, fragments[each.name], calls) for each in wanted]
    # A judge that is a language model asks from threads of its own, and counts what it spends.
    alone = Workers(1) if not isinstance(config.judge, RulesConfig) else workers
    again = [job for job in jobs if to_be_asked_again(job, run.folder)]
    done(run, alone, again, name="ask again", unit="latents", refresh=True)
    found = done(run, alone, jobs, name="explain and score", unit="latents")
    summary = InterpretationSummaryConfig(headline=headline, seed=config.interpretation.seed)
    put_together = run.stage(summary_stage(summary, found, workers), refresh=bool(again))
    return Interpreted(summary=put_together, fragments=fragments)


def sampled_fragments(
    run: Run, workers: Workers, wanted: Sequence[Wanted], known: dict[str, Artifact], config: InterpretationConfig
) -> dict[str, Artifact]:
    """The fragments of every dictionary by its name: those known already, and those sampled now."""
    missing = [each for each in wanted if each.name not in known]
    jobs = [_fragments_job(each, config) for each in missing]
    sampled = done(run, workers, jobs, name="sample contexts", unit="dictionaries")
    return known | {each.name: artifact for each, artifact in zip(missing, sampled, strict=True)}


def calls_lines(judge: JudgeConfig, config: InterpretationConfig, fragments: Sequence[Artifact]) -> list[str]:
    """What a judge would be asked of these dictionaries, and what it would cost."""
    if not isinstance(judge, OpenAIConfig):
        return ["nothing is asked of anybody: only --judge openai asks a server"]
    uniform = config.n_uniform or 0
    # Those that cutoffs are chosen on, the latent's own, and those of the latent that its explanation is the floor of;
    # the uniform ones are the same for both, and asked about once.
    n_fragments = 2 * uniform + (2 if config.floors else 1) * N_PAPER_FRAGMENTS
    workload = Workload(n_latents=config.n_latents * len(fragments), budgets=config.budgets, n_fragments=n_fragments)
    table = read_fragments(fragments[0].path).fit.table
    return [estimate_cost(judge, workload, table).line(), "nothing was asked (--dry-run)"]


def check_interpreting(interpreting: Interpreting) -> None:
    """Raise UserError for a method that there is not, and for no latents at all."""
    for method in interpreting.methods:
        if method not in METHODS:
            raise UserError(f"unknown method {method!r}{nearest(method, METHODS)}; methods: {', '.join(METHODS)}")
    if interpreting.latents < 1:
        raise UserError(f"--latents is {interpreting.latents}; give at least 1")


def wanted_dictionaries(
    run: Run, workers: Workers, subject: Subject, compared: Compared, interpreting: Interpreting
) -> list[Wanted]:
    """The dictionaries of the methods that stand at the headline's point, or on one of the axes through it.

    Raises UserError for a method that there is not, or that the run has no dictionary of.
    """
    check_interpreting(interpreting)
    held_out = {("trained", subject.middle.site): compared.contexts}
    sides = compared.sides if "controls" in interpreting.axes else compared.sides[:1]
    for side in sides[1:]:
        held_out[side.kind, subject.middle.site] = whole_held_out(run, workers, subject, side.source, (subject.middle,))
    others = [place for place in subject.places if place != subject.middle] if "layers" in interpreting.axes else []
    if others:
        stores = whole_held_out(run, workers, subject, sides[0].source, others)
        held_out |= {("trained", place.site): stores for place in others}
    found: list[Wanted] = []
    for side in sides:
        made = {
            m.name: m.site
            for m in side.members
            if m.method in interpreting.methods and on_axis(m, subject, interpreting)
        }
        places = [subject.middle, *others] if side.kind == "trained" else [subject.middle]
        made |= _baselines(run, workers, subject, side, places, interpreting)
        found += [
            Wanted(name=name, dictionary=side.made[name], source=side.source, held_out=held_out[side.kind, site])
            for name, site in made.items()
        ]
    if not found:
        raise UserError(f"the run has no dictionary of the methods {', '.join(interpreting.methods)}")
    return found


def on_axis(member: Member, subject: Subject, interpreting: Interpreting) -> bool:
    """Whether a member is the headline's but for what an axis varies."""
    like = member
    if "seeds" in interpreting.axes:
        like = replace(like, seed=0)
    if "layers" in interpreting.axes and like.seed == 0:
        like = replace(like, site=subject.middle.site)
    if "sizes" in interpreting.axes and (like.site, like.seed) == (subject.middle.site, 0):
        like = replace(like, n_latents=round(subject.training.expansion_factor * subject.middle.d_site))
    if "controls" in interpreting.axes and isinstance(like.architecture, TopKConfig):
        like = replace(like, architecture=replace(like.architecture, frozen_decoder=False))
    return at_point(like, subject)


def _density(subject: Subject) -> float:
    """The share of TopK's latents that are active on a token; every method's are binarized at it."""
    training = subject.training
    return training.k / round(training.expansion_factor * subject.middle.d_site)


def _fragments_job(wanted: Wanted, config: InterpretationConfig) -> Job:
    dictionary, _ = load_dictionary(wanted.dictionary.path)
    sampling = interpretation_fragments(dictionary.n_latents, config, config.seed)
    return fragments_job(sampling, wanted.dictionary, *wanted.held_out, wanted.source)


def _baselines(
    run: Run, workers: Workers, subject: Subject, side: Side, places: Sequence[Place], interpreting: Interpreting
) -> dict[str, str]:
    """Name and site of the baselines that are wanted, those made that the run has not yet."""
    methods = [m for m in interpreting.methods if side.kind == "trained" or m.removesuffix("_topk") in CONTROL_DENSE]
    dense = list(dict.fromkeys(method.removesuffix("_topk") for method in methods if method in BASELINES))
    several = "seeds" in interpreting.axes and side.kind == "trained"
    seeds = range(subject.training.n_seeds if several else 1)
    configs = [
        config
        for place in places
        for seed in seeds
        for config in dense_baselines(
            [method for method in dense if seed == 0 or method in SEEDED],
            place,
            expansion=subject.training.expansion_factor,
            n_rows=subject.measuring.n_fit_rows,
            seed=subject.seed + seed,
            control=side.kind == "random",
        )
    ]
    _make(run, workers, side, [config for config in configs if config.name not in side.made])
    forms = [
        (base, form) for base, form in top_k_forms(configs, k=subject.training.k, pca_k=()) if form.method in methods
    ]
    jobs = [
        top_k_form_job(form, side.made[base], side.train, side.kind)
        for base, form in forms
        if form.name not in side.made
    ]
    names = [form.name for _, form in forms if form.name not in side.made]
    side.made.update(zip(names, done(run, workers, jobs, name="top-k forms", unit=""), strict=True))
    site_of = {config.name: config.site for config in configs}
    return {config.name: config.site for config in configs if config.method in methods} | {
        form.name: site_of[base] for base, form in forms
    }


def _make(run: Run, workers: Workers, side: Side, configs: Sequence[BaselineConfig]) -> None:
    jobs = [baseline_job(config, side.train, side.kind) for config in configs]
    made = done(run, workers, jobs, name="fit baselines", unit="")
    side.made.update(zip([config.name for config in configs], made, strict=True))


BASELINES = tuple(METHODS[METHODS.index("neurons") : METHODS.index("token_table")])
