"""Which dictionaries are patched: those that are there, and those that are trained or fitted for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from monosemy.core import METHODS, Artifact, UserError, nearest
from monosemy.dictionaries import read_card
from monosemy.experiments import (
    BaselineConfig,
    Recording,
    baseline_job,
    store_stage,
    trained_stage,
    training_jobs,
)
from monosemy.experiments.baseline_kinds import DenseMethod
from monosemy.lm import Site
from monosemy.recipes.dictionary_run import Side, Subject, done
from monosemy.recipes.stdlib import parse_layers
from monosemy.recipes.study import Study
from monosemy.recipes.sweeps import Place, dense_baselines, tied_l1, topk
from monosemy.training import Member

DENSE: tuple[str, ...] = get_args(DenseMethod)
FIT_SEQUENCES = 800
"""Rows of training text, recorded where a dictionary comes alone, that baselines beside it are fitted on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryChoice:
    """Which dictionaries: methods at sites; further coefficients of tied L1; other seeds than the first.

    layers: "all", "0-2" or "1,3" of a run's residual sites; None: the site of its headline.
    """

    methods: tuple[str, ...]
    layers: str | None = None
    extra_coefficients: tuple[float, ...] = ()
    all_seeds: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Dictionaries by name, and those of them that are set against the others."""

    dictionaries: dict[str, Artifact] = field(default_factory=dict)
    headline: tuple[str, ...] = ()


def chosen_dictionaries(study: Study, choice: DictionaryChoice) -> Chosen:
    """The dictionaries of the choice; those of a run that it lacks are trained, baselines are fitted.

    Raises UserError for an unknown method or layer, for one that can be neither found nor made, and for layers or
    coefficients beside a single dictionary.
    """
    for method in choice.methods:
        if method not in METHODS:
            raise UserError(f"unknown method {method!r}{nearest(method, METHODS)}; methods: {', '.join(METHODS)}")
    if study.side is None or study.subject is None:
        return _beside_one(study, choice)
    found, headline = dict[str, Artifact](), list[str]()
    members, dense = list[Member](), list[BaselineConfig]()
    for place in _places(study.subject, choice):
        own = _members(study.subject, place, choice)
        members += own
        headline += [member.name for member in own if _is_headline(member, study.subject)]
        dense += dense_baselines(
            [method for method in choice.methods if method in DENSE],
            place,
            expansion=study.subject.training.expansion_factor,
            n_rows=study.subject.measuring.n_fit_rows,
            seed=study.subject.seed,
            control=False,
        )
        found |= _others(study, place, choice)
    found |= _trained(study, study.side, study.subject, members) | _fitted(study, study.side.train, dense)
    if not found:
        raise UserError(f"there is no dictionary of the methods {', '.join(choice.methods) or 'none'} to patch")
    return Chosen(dictionaries=found, headline=tuple(headline) or tuple(found)[:1])


def _places(subject: Subject, choice: DictionaryChoice) -> list[Place]:
    if choice.layers is None:
        return [subject.middle]
    layers = parse_layers(choice.layers, subject.source.load().n_layers)
    places = {Site.parse(place.site).layer: place for place in subject.places if "resid_post" in place.site}
    missing = [str(layer) for layer in layers if layer not in places]
    if missing:
        has = ", ".join(str(layer) for layer in places)
        raise UserError(f"--layers: the run has no activations of layer {', '.join(missing)}; it has {has}")
    return [places[layer] for layer in layers]


def _members(subject: Subject, place: Place, choice: DictionaryChoice) -> list[Member]:
    """TopK and tied L1 at the recipe's point; at the middle site the recipe's other coefficients too."""
    training, members = subject.training, list[Member]()
    seeds = range(training.n_seeds if choice.all_seeds and place == subject.middle else 1)
    if "topk" in choice.methods:
        members += [topk(training, place, seed=seed) for seed in seeds]
    if "tied_l1" in choice.methods:
        swept = training.l1_coefficients if place == subject.middle else ()
        coefficients = sorted({training.l1_headline, *swept, *choice.extra_coefficients})
        members += [tied_l1(training, place, coefficient=c) for c in coefficients]
        members += [tied_l1(training, place, seed=seed) for seed in seeds if seed > 0]
    elif choice.extra_coefficients:
        raise UserError("--extra-coefficients are of tied L1; add tied_l1 to --methods")
    return members


def _is_headline(member: Member, subject: Subject) -> bool:
    sparsity = member.architecture.sparsity
    return member.seed == 0 and (
        member.method == "topk" or sparsity == tied_l1(subject.training, subject.middle).architecture.sparsity
    )


def _others(study: Study, place: Place, choice: DictionaryChoice) -> dict[str, Artifact]:
    """What the run has of methods that are not made here: top-k forms, other architectures."""
    wanted = [method for method in choice.methods if method not in (*DENSE, "topk", "tied_l1")]
    if not wanted:
        return {}
    cards = {name: card for name, card in study.cards().items() if card.site == place.site and card.variant is None}
    for method in wanted:
        if not any(card.method == method for card in cards.values()):
            raise UserError(
                f"the run has no dictionary of {method} at {place.site}; made here are only topk, tied_l1 and "
                f"{', '.join(DENSE)}"
            )
    return {name: study.dictionaries[name] for name, card in cards.items() if card.method in wanted}


def _trained(study: Study, side: Side, subject: Subject, members: Sequence[Member]) -> dict[str, Artifact]:
    stages = [
        trained_stage(member, subject.seed, side.train, side.held_out.validation)
        for member in members
        if member.name not in study.dictionaries
    ]
    made = study.run.stages(
        stages, lambda missing: training_jobs(missing, side.kind), study.workers, name="train", unit="steps"
    )
    names = [member.name for member in members if member.name not in study.dictionaries]
    there = {member.name: study.dictionaries[member.name] for member in members if member.name in study.dictionaries}
    both = there | dict(zip(names, made, strict=True))
    return {member.name: both[member.name] for member in members}


def _fitted(study: Study, store: Artifact, configs: Sequence[BaselineConfig]) -> dict[str, Artifact]:
    missing = [config for config in configs if config.name not in study.dictionaries]
    jobs = [baseline_job(config, store, "trained") for config in missing]
    made = done(study.run, study.workers, jobs, name="fit baselines", unit="")
    both = study.dictionaries | dict(zip([config.name for config in missing], made, strict=True))
    return {config.name: both[config.name] for config in configs}


def _beside_one(study: Study, choice: DictionaryChoice) -> Chosen:
    """One dictionary, and beside it the baselines among the methods, fitted on training text recorded for them."""
    if choice.layers is not None or choice.extra_coefficients or choice.all_seeds:
        raise UserError("--layers, --extra-coefficients and --all-seeds are for a run's folder; leave them out")
    name = study.headline
    card = read_card(study.dictionaries[name].path)
    dense = [method for method in choice.methods if method in DENSE]
    found = {name: study.dictionaries[name]}
    if dense:
        recording = Recording(
            split="train",
            sites=(card.site,),
            context_length=study.context_length,
            max_sequences=FIT_SEQUENCES,
            dtype="bfloat16",
            seed=study.seed,
        )
        store = study.run.stage(store_stage(recording, study.source, study.corpus, study.workers))
        place = Place(site=card.site, d_site=study.lm.d_site(Site.parse(card.site)))
        found |= _fitted(
            study,
            store,
            dense_baselines(
                dense,
                place,
                expansion=card.expansion_factor,
                n_rows=FIT_SEQUENCES * study.context_length,
                seed=study.seed,
                control=False,
            ),
        )
    return Chosen(dictionaries=found, headline=(name,))
