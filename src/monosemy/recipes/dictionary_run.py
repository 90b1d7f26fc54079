"""The line from activations to a comparison of dictionaries, on any language model and text."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from monosemy.core import Artifact, Workers
from monosemy.corpus import Corpus, Split, frozen_labels
from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.evaluation import FRAGMENT_LENGTH, FragmentConfig
from monosemy.experiments import (
    BaselineConfig,
    ComparisonConfig,
    HeldOut,
    LmKind,
    ProbeConfig,
    Recording,
    ReferenceConfig,
    TableConfig,
    baseline_job,
    comparison_stage,
    evaluation_job,
    fragments_job,
    has_labels,
    probe_job,
    reference_job,
    store_stage,
    table_job,
    top_k_form_job,
    trained_stage,
    training_jobs,
)
from monosemy.lm import ModelSource
from monosemy.pipeline import Job, Run, Stage
from monosemy.recipes.sweeps import CONTROL_DENSE, DENSE, PCA_K, Place, Training, dense_baselines, top_k_forms
from monosemy.training import Member


@dataclass(frozen=True, kw_only=True, slots=True)
class Measuring:
    """How much is recorded, and on how much dictionaries are measured; sequences are rows of the context's length."""

    max_train_sequences: int | None = 2_050  # of the train split, as many as the default steps see; none: all of it
    n_control_sequences: int = 2_050  # of the train split, read by the model of random weights
    n_score_sequences: int = 300  # of validation and of test, on which everything is measured
    max_context_sequences: int | None = None  # of validation and of test, whose fragments are shown; none: all
    n_splice_sequences: int = 64  # of those of test, on which the model's loss is measured
    n_fit_rows: int = 200_000  # activations that the baselines and the probe are fitted on
    dtype: Literal["bfloat16", "float16"] = "bfloat16"  # of the stored activations


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model and a text, the sites that are recorded, the one where methods are compared, and what is trained.

    control: members on the activations of the same architecture with random weights; none where there is no control.
    """

    source: ModelSource
    corpus: Corpus
    context_length: int
    places: tuple[Place, ...]
    middle: Place
    members: tuple[Member, ...]
    control: tuple[Member, ...]
    training: Training
    measuring: Measuring
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """The artifacts that the report is made of; fragments by the name of their dictionary.

    contexts: all of validation and of test at the middle site, from which the fragments are drawn.
    """

    evaluations: tuple[Artifact, ...]
    comparison: Artifact
    fragments: dict[str, Artifact]
    sides: tuple["Side", ...]
    contexts: tuple[Artifact, Artifact]


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two models, the trained one or the control: its activations and what is learned from them."""

    kind: LmKind
    source: ModelSource
    train: Artifact
    held_out: HeldOut
    members: tuple[Member, ...]
    dense: tuple[BaselineConfig, ...]
    made: dict[str, Artifact] = field(default_factory=dict)  # the dictionaries, by name


Until = Literal["harvest", "train", "evaluate", "report"]


def compare_dictionaries(
    run: Run,
    workers: Workers,
    subject: Subject,
    until: Until = "report",
) -> Compared | None:
    """Record, train and fit, measure, sample contexts, compare: each stage found or computed; None if ended before."""
    sides = recorded_sides(run, workers, subject)
    whole = whole_held_out(run, workers, subject, sides[0].source, (subject.middle,))
    if until == "harvest":
        return None
    reference = learn(run, workers, subject, sides)
    if until == "train":
        return None
    headline = tuple(member.name for member in subject.members if at_point(member, subject))
    contexts = [
        fragments_job(FragmentConfig(seed=subject.seed), sides[0].made[name], *whole, sides[0].source)
        for name in headline
        if subject.context_length >= FRAGMENT_LENGTH  # else no row holds a fragment, and the report says so
    ]
    measured = [*contexts, *_evaluation_jobs(subject, sides, reference, headline)]
    artifacts = done(run, workers, measured, name="measure", unit="dictionaries")
    evaluations = artifacts[len(contexts) :]
    repeated = {m.name: sides[0].made[m.name] for m in subject.members if m.site == subject.middle.site}
    rule = _by_coefficient(subject)
    config = ComparisonConfig(headline=headline, rule=tuple(member.name for member in rule), seed=subject.seed)
    return Compared(
        evaluations=tuple(evaluations),
        comparison=run.stage(comparison_stage(config, evaluations, repeated, workers)),
        fragments=dict(zip(headline, artifacts[: len(contexts)], strict=False)),
        sides=tuple(sides),
        contexts=whole,
    )


def recorded_sides(run: Run, workers: Workers, subject: Subject) -> list[Side]:
    """The trained model and, where there is one, the control, their activations recorded and nothing learned yet."""
    kinds: tuple[LmKind, ...] = ("trained", "random") if subject.control else ("trained",)
    return [_recorded(run, workers, subject, kind) for kind in kinds]


def _recorded(
    run: Run,
    workers: Workers,
    subject: Subject,
    kind: LmKind,
) -> Side:
    """Record a model's activations: all sites of the trained one, the middle one of the control."""
    control = kind == "random"
    source = ModelSource(
        name=subject.source.name, device=subject.source.device, random_seed=subject.seed if control else None
    )
    places = (subject.middle,) if control else subject.places
    n_train = subject.measuring.n_control_sequences if control else subject.measuring.max_train_sequences
    wanted = {
        "train": n_train,
        "validation": subject.measuring.n_score_sequences,
        "test": subject.measuring.n_score_sequences,
    }
    stores = {split: _store(run, workers, subject, source, split, places, wanted[split]) for split in _SPLITS}
    labels = frozen_labels().fingerprint if has_labels(source.load(), subject.corpus) else None
    dense = dense_baselines(
        CONTROL_DENSE if control else DENSE,
        subject.middle,
        expansion=subject.training.expansion_factor,
        n_rows=subject.measuring.n_fit_rows,
        seed=subject.seed,
        control=control,
    )
    return Side(
        kind=kind,
        source=source,
        train=stores["train"],
        held_out=HeldOut(validation=stores["validation"], test=stores["test"], labels=labels),
        members=subject.control if control else subject.members,
        dense=tuple(dense),
    )


def _store(
    run: Run,
    workers: Workers,
    subject: Subject,
    source: ModelSource,
    split: Split,
    places: Sequence[Place],
    max_sequences: int | None,
) -> Artifact:
    recording = Recording(
        split=split,
        sites=tuple(place.site for place in places),
        context_length=subject.context_length,
        max_sequences=max_sequences,
        dtype=subject.measuring.dtype,
        seed=subject.seed,
    )
    return run.stage(store_stage(recording, source, subject.corpus, workers))


def learn(
    run: Run,
    workers: Workers,
    subject: Subject,
    sides: Sequence[Side],
) -> Artifact:
    """Train the members, fit the baselines and their top-k forms, into `made`; returns the splice reference."""
    reference = ReferenceConfig(
        lm=subject.source.load().fingerprint(),
        sites=tuple(place.site for place in subject.places),
        n_sequences=subject.measuring.n_splice_sequences,
        seed=subject.seed,
    )
    jobs = [reference_job(reference, subject.source, sides[0].train, sides[0].held_out.test)]
    names: list[tuple[Side, str]] = []
    stages: dict[str, tuple[Side, Stage]] = {}
    for side in sides:
        for member in side.members:
            stage = trained_stage(member, subject.seed, side.train, side.held_out.validation)
            stages[stage.key] = side, stage
        for config in side.dense:
            jobs.append(baseline_job(config, side.train, side.kind))
            names.append((side, config.name))

    def plan(missing: Sequence[Stage]) -> list[Job]:
        keys = {stage.key for stage in missing}
        planned = [job for job in jobs if job.stages[0].key in keys]
        for side in sides:
            planned += training_jobs([s for key, (own, s) in stages.items() if own is side and key in keys], side.kind)
        return sorted(planned, key=lambda job: -job.n_units)  # the longest first: what is left at the end is short

    ordered = [job.stages[0] for job in jobs] + [stage for _, stage in stages.values()]
    found = run.stages(ordered, plan, workers, name="train and fit", unit="steps")
    for (side, name), artifact in zip(names, found[1:], strict=False):
        side.made[name] = artifact
    trained = [(side, member) for side in sides for member in side.members]
    for (side, member), artifact in zip(trained, found[len(jobs) :], strict=True):
        side.made[member.name] = artifact
    _make_top_k_forms(run, workers, subject, sides)
    return found[0]


def _make_top_k_forms(run: Run, workers: Workers, subject: Subject, sides: Sequence[Side]) -> None:
    forms = [
        (side, base, form)
        for side in sides
        for base, form in top_k_forms(side.dense, k=subject.training.k, pca_k=PCA_K if side.kind == "trained" else ())
    ]
    jobs = [top_k_form_job(form, side.made[base], side.train, side.kind) for side, base, form in forms]
    for (side, _, form), artifact in zip(forms, done(run, workers, jobs, name="top-k forms", unit=""), strict=True):
        side.made[form.name] = artifact


def whole_held_out(
    run: Run, workers: Workers, subject: Subject, source: ModelSource, places: Sequence[Place]
) -> tuple[Artifact, Artifact]:
    """All of validation and of test at some sites, from which fragments are drawn."""
    n = subject.measuring.max_context_sequences
    validation, test = (_store(run, workers, subject, source, split, places, n) for split in _HELD_OUT)
    return validation, test


def _evaluation_jobs(
    subject: Subject, sides: Sequence[Side], reference: Artifact, headline: Collection[str]
) -> list[Job]:
    """The tables and probes, and every dictionary."""
    # The longest first: what is left at the end is short.
    jobs = _lookup_jobs(subject, sides)
    for side in sides:
        spliced = reference if side.kind == "trained" else None
        for name, dictionary in side.made.items():
            # Of PCA's other sizes only the curve of reconstruction against sparsity is wanted.
            labels = not any(f"pca_topk-k{k}-" in name for k in PCA_K if k != subject.training.k)
            jobs.append(
                evaluation_job(
                    dictionary,
                    side.held_out,
                    labels=labels,
                    of_latents=name in headline,
                    reference=spliced,
                    source=side.source,
                    seed=subject.seed,
                )
            )
    return jobs


def _lookup_jobs(subject: Subject, sides: Sequence[Side]) -> list[Job]:
    """Where there are labels: the tables, and for each model the probe."""
    labels = sides[0].held_out.labels
    if labels is None:
        return []
    corpus = subject.corpus.fingerprint()
    tables = [
        TableConfig(method=method, labels=labels, corpus=corpus, seed=subject.seed)
        for method in ("bigram_table", "token_table")
    ]
    probes = [
        ProbeConfig(
            site=subject.middle.site,
            labels=labels,
            n_rows=subject.measuring.n_fit_rows,
            lm_kind=side.kind,
            seed=subject.seed,
        )
        for side in sides
    ]
    return [
        *(table_job(config, subject.source, sides[0].held_out) for config in tables),
        *(probe_job(config, side.train, side.held_out) for config, side in zip(probes, sides, strict=True)),
    ]


def at_point(member: Member, subject: Subject) -> bool:
    """Whether this is the recipe's TopK or tied L1 that the others stand beside: middle site, its size, seed 0."""
    size = round(subject.training.expansion_factor * subject.middle.d_site)
    architecture = member.architecture
    training = subject.training
    match architecture:
        case TiedL1Config():
            wanted = architecture.coefficient == training.l1_headline
        case TopKConfig():
            wanted = architecture.k == training.k and not architecture.frozen_decoder
        case _:
            wanted = False
    return wanted and (member.site, member.n_latents, member.seed) == (subject.middle.site, size, 0)


def _by_coefficient(subject: Subject) -> list[Member]:
    """Tied L1 at the middle site in the recipe's size, seed 0, by falling coefficient."""
    size = round(subject.training.expansion_factor * subject.middle.d_site)
    found = [
        (m.architecture.coefficient, m)
        for m in subject.members
        if isinstance(m.architecture, TiedL1Config) and (m.site, m.n_latents, m.seed) == (subject.middle.site, size, 0)
    ]
    return [member for _, member in sorted(found, key=lambda pair: -pair[0])]


def done(
    run: Run, workers: Workers, jobs: Sequence[Job], *, name: str, unit: str, refresh: bool = False
) -> list[Artifact]:
    """The artifacts of jobs of one stage each; those that are there are made anew with `refresh`."""
    by_key = {job.stages[0].key: job for job in jobs}
    return run.stages(
        [job.stages[0] for job in jobs],
        lambda missing: [by_key[stage.key] for stage in missing],
        workers,
        name=name,
        unit=unit,
        refresh=refresh,
    )


_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_HELD_OUT: tuple[Split, ...] = ("validation", "test")
