"""The default run: the embedded model on the embedded corpus, from nothing to a report, without a download.

Seconds of each part, two processes on two cores (docs/log.md; 540 in all, 20 to 30 when everything is cached):

    imports, loading, pages              25
    text models                          25
    language model                       51
    description                           6
    activations (525,000 x 4 sites, control, held out)      69
    training (16 x 1,000 steps of 512), fits, reference      85
    measuring (39 subjects, 2 sets of contexts)             131
    comparison                           11
    interpretation (50 latents of six methods)              113
    patching (E2 and C1, four methods)                       32

Interpretation was to take 60 s: 22 go into the contexts of the dense methods, 90 into 300 latents at .6 s of processor
time each, half of it the fit of rules under the full budget. The site will get 30 s.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from monosemy.core import Artifact, Progress, Result, UserError, Workers, read_results, set_threads, write_results
from monosemy.corpus import Corpus, StdlibCorpus, frozen_labels
from monosemy.dictionaries import read_card
from monosemy.experiments import (
    EMBEDDED_CORPUS,
    RESULTS_FILE,
    GroundConfig,
    TextModelsConfig,
    corpus_named,
    measure_language_model,
    measure_text_models,
)
from monosemy.interpretation import LATENTS_FILE
from monosemy.lm import EMBEDDED_LM, LanguageModel, Location, ModelSource, Site
from monosemy.pipeline import RUN_FILE, Run, Stage, Workspace
from monosemy.recipes.dictionary_run import Compared, Measuring, Subject, Until, at_point, compare_dictionaries
from monosemy.recipes.estimate import measured_speed
from monosemy.recipes.harvest import DescribeConfig, describe_stage, how_it_was_made
from monosemy.recipes.interpreting import Interpreting, interpret_dictionaries, planned_calls
from monosemy.recipes.judging import BY_RULES, Judging
from monosemy.recipes.patching_stages import patching_lines, patching_of_run
from monosemy.recipes.plan import plan_run, refuse_what_cannot_fit
from monosemy.recipes.summary import dictionary_summary, interpretation_lines
from monosemy.recipes.sweeps import Place, Training, default_sweep, full_sweep
from monosemy.report import DictionaryRunFiles, write_dictionary_page, write_ground_page, write_patching_page

TASK_GATE = 0.9
"""A causal experiment needs a task of which the model gets at least this share of pairs right."""

NOT_MEASURED = (
    "Other architectures than TopK and the tied L1 autoencoder.",
    "What single latents do inside the model: `monosemy ablate`, `tree`, `erase` and `steer` look at that.",
    "Other seeds of the language model: every figure is of one trained model.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """How much of the language model itself is measured; of the embedded one only."""

    n_describe_sequences: int = 400  # rows of 256 tokens whose activations are described
    n_train_documents: int = 15  # of the train split, on which bits a byte are measured too
    n_task_pairs: int = 400
    n_induction_sequences: int = 128
    max_documents: int | None = None  # of each split: a quick look instead of the figures to cite


@dataclass(frozen=True, kw_only=True, slots=True)
class StdlibRun:
    """Options of `monosemy run`."""

    out: Path = Path("runs/stdlib")  # folder of everything that is made
    model: str = EMBEDDED_LM  # "embedded", a folder, or a Hugging Face id
    corpus: str = EMBEDDED_CORPUS  # "stdlib", a folder, a .jsonl or .parquet file, or a Hugging Face data set
    text_field: str = "text"  # the column or key that holds the text
    layers: str = (
        "all"  # such as 0-2 or 1,3: residual streams at the end of these blocks; methods meet at the middle one
    )
    context_length: int = 256
    sweep: Literal["default", "full"] = "default"  # which dictionaries are trained
    training: tyro.conf.OmitArgPrefixes[Training] = field(default_factory=Training)
    measuring: tyro.conf.OmitArgPrefixes[Measuring] = field(default_factory=Measuring)
    ground: tyro.conf.OmitArgPrefixes[Ground] = field(default_factory=Ground)
    interpreting: tyro.conf.OmitArgPrefixes[Interpreting] = field(default_factory=Interpreting)
    seed: int = 0
    threads: int | None = None  # processes of one thread each; none: every core
    device: Literal["auto", "cpu", "cuda"] = "auto"
    refresh: bool = False  # make again what is there already


def stdlib() -> StdlibRun:
    """The default recipe."""
    return StdlibRun()


def stdlib_full() -> StdlibRun:
    """One axis varied at a time around the default: about sixty dictionaries; it says first how long."""
    return StdlibRun(
        out=Path("runs/stdlib_full"),
        sweep="full",
        measuring=Measuring(max_train_sequences=4_100, n_control_sequences=4_100),
    )


def run_stdlib(
    options: StdlibRun,
    *,
    command: Sequence[str],
    progress: Progress,
    until: Until = "report",
    only_cached: bool = False,
    judging: Judging = BY_RULES,
    record_file: str = RUN_FILE,
) -> list[str]:
    """Measure the model, record, train, compare, write the pages; the lines to print at the end.

    until: the last thing that is done. With `only_cached`, nothing is computed but the pages. judging: who explains
    latents. record_file: where it is recorded what was done.
    """
    n_workers = set_threads(options.threads)
    source = ModelSource(name=options.model, device=options.device)
    corpus = corpus_named(options.corpus, options.text_field)
    lm = source.load()
    subject = subject_of(options, source, lm, corpus)
    embedded = options.model == EMBEDDED_LM and isinstance(corpus, StdlibCorpus)
    if not (only_cached or (options.out / RESULTS_FILE).exists()):
        plan = plan_run(subject, lm, measured_speed(subject, lm), options.out, n_workers)
        refuse_what_cannot_fit(plan)
        progress.message(plan.line())
    with (
        Workers(n_workers) as workers,
        Run(
            options.out,
            command=tuple(command),
            seed=options.seed,
            n_threads=n_workers,
            progress=progress,
            refresh=options.refresh,
            only_cached=only_cached,
            record_file=record_file,
        ) as run,
    ):
        measured = None
        if embedded and until == "report":
            assert isinstance(corpus, StdlibCorpus)
            measured = _ground(options, run, workers, source, corpus)
        compared = compare_dictionaries(run, workers, subject, until)
        if compared is None or until == "evaluate":
            summary = dictionary_summary(compared.comparison) if compared is not None else []
            return [*summary, f"done up to {until}; everything is in {options.out}"]
        if judging.dry_run:
            return planned_calls(run, workers, subject, compared, options.interpreting, judging)
        interpreted = interpret_dictionaries(run, workers, subject, compared, options.interpreting, judging)
        patching = _patching(run, workers, subject, compared) if embedded else None
        return _reported(options, run, measured, compared, interpreted, patching)


def plan_stdlib(options: StdlibRun) -> list[str]:
    """What `run_stdlib` would record, train and need, as lines; about a second is measured, nothing is written."""
    n_workers = set_threads(options.threads)
    source = ModelSource(name=options.model, device=options.device)
    corpus = corpus_named(options.corpus, options.text_field)
    lm = source.load()
    subject = subject_of(options, source, lm, corpus)
    plan = plan_run(subject, lm, measured_speed(subject, lm), options.out, n_workers)
    try:
        refuse_what_cannot_fit(plan)
    except UserError as error:
        return [*plan.lines(), f"it does not fit: {error}"]
    return plan.lines()


def _patching(run: Run, workers: Workers, subject: Subject, compared: Compared) -> Artifact:
    """How few latents of the headline's dictionaries move an answer, beside those of PCA and random directions."""
    made = compared.sides[0].made
    cards = {name: read_card(artifact.path) for name, artifact in made.items()}
    learned = [member.name for member in subject.members if at_point(member, subject)]
    dense = [
        name
        for name, card in cards.items()
        if card.method in ("pca", "random") and (card.site, card.seed) == (subject.middle.site, subject.seed)
    ]
    return patching_of_run(run, workers, subject.source, made, [*learned, *dense], subject.seed)


def _reported(
    options: StdlibRun,
    run: Run,
    measured: Artifact | None,
    compared: Compared,
    interpreted: Artifact | None,
    patching: Artifact | None,
) -> list[str]:
    """Write the page and results.jsonl into the run's folder; the summary."""
    report = options.out / "report"
    page = report / "index.html"
    model = "the embedded model" if options.model == EMBEDDED_LM else options.model
    files = DictionaryRunFiles(
        evaluations=[evaluation.path for evaluation in compared.evaluations],
        comparison=compared.comparison.path,
        fragments={name: fragments.path for name, fragments in compared.fragments.items()},
        made=how_it_was_made(run) | {"not_measured": NOT_MEASURED, "language_model": model},
        language_model_page="language-model.html" if measured is not None else None,
        interpretation=interpreted.path if interpreted is not None else None,
        patching=patching.path if patching is not None else None,
    )
    write_dictionary_page(page, files)
    shutil.copyfile(compared.comparison.file("per_document.npz"), options.out / "per_document.npz")
    results = list(read_results(compared.comparison.file(RESULTS_FILE)))
    summary = [] if measured is None else _ground_summary(measured)
    summary += dictionary_summary(compared.comparison)
    if interpreted is not None:
        results += read_results(interpreted.file(RESULTS_FILE))
        shutil.copyfile(interpreted.file(LATENTS_FILE), options.out / LATENTS_FILE)
        summary += interpretation_lines(read_results(interpreted.file(RESULTS_FILE)))
    if patching is not None:
        results += read_results(patching.file(RESULTS_FILE))
        write_patching_page(report / "patching.html", patching.path, how_it_was_made(run))
        summary += patching_lines(patching)
    write_results(options.out / RESULTS_FILE, results)
    return [*summary, f"report: {page}"]


def _ground(options: StdlibRun, run: Run, workers: Workers, source: ModelSource, corpus: StdlibCorpus) -> Artifact:
    """What the embedded model can do, on a page of its own."""
    references = run.stage(_text_models_stage(options, corpus, workers))
    measured = run.stage(_language_model_stage(options, source, corpus, references, workers))
    description = run.stage(describe_stage(_describe_config(options, source.load(), corpus), source.load(), corpus))
    page = options.out / "report" / "language-model.html"
    write_ground_page(page, measured.path, description.path, how_it_was_made(run) | {"not_measured": ()})
    return measured


def subject_of(options: StdlibRun, source: ModelSource, lm: LanguageModel, corpus: Corpus) -> Subject:
    """What the options say is recorded, trained and compared. Raises UserError for layers that the model has not."""
    layers = parse_layers(options.layers, lm.n_layers)
    residual = [_place(lm, layer, "resid_post") for layer in layers]
    middle = residual[(len(residual) - 1) // 2]
    training = options.training
    mlp: list[Place] = []
    if options.sweep == "full":
        mlp = [_place(lm, layer, "mlp_out") for layer in layers]
        sweep = full_sweep(training, middle, residual, mlp)
    else:
        sweep = default_sweep(training, middle, [place for place in residual if place != middle])
    return Subject(
        source=source,
        corpus=corpus,
        context_length=min(options.context_length, lm.context_length),
        places=(*residual, *mlp),
        middle=middle,
        members=sweep.members,
        control=sweep.control,
        training=training,
        measuring=options.measuring,
        seed=options.seed,
    )


def _place(lm: LanguageModel, layer: int, location: Location) -> Place:
    site = Site(layer, location)
    return Place(site=str(site), d_site=lm.d_site(site))


def parse_layers(text: str, n_layers: int) -> list[int]:
    """The layers that "all", "0-2" or "1,3" name, ascending. Raises UserError for any other text and other layers."""
    if text == "all":
        return list(range(n_layers))
    layers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else not last)):
            raise UserError(f"--layers {text!r} cannot be read; write all, a range as 0-2, or a list as 1,3")
        low, high = int(first), int(last if dash else first)
        if not low <= high < n_layers:
            raise UserError(f"--layers {text!r}: the model has layers 0 to {n_layers - 1}; a range goes upwards")
        layers |= set(range(low, high + 1))
    return sorted(layers)


def _text_models_stage(options: StdlibRun, corpus: StdlibCorpus, workers: Workers) -> Stage:
    config = TextModelsConfig(
        corpus=corpus.fingerprint(), max_documents=options.ground.max_documents, seed=options.seed
    )

    def body(workspace: Workspace) -> None:
        measure_text_models(workspace.folder, config, corpus, workers, workspace.progress)

    return Stage(name="text-models", config=config, body=body)


def _language_model_stage(
    options: StdlibRun, source: ModelSource, corpus: StdlibCorpus, references: Artifact, workers: Workers
) -> Stage:
    ground = options.ground
    config = GroundConfig(
        corpus=corpus.fingerprint(),
        labels=frozen_labels().fingerprint,
        lm=source.load().fingerprint(),
        n_train_documents=ground.n_train_documents,
        n_task_pairs=ground.n_task_pairs,
        n_induction_sequences=ground.n_induction_sequences,
        max_documents=ground.max_documents,
        seed=options.seed,
    )

    def body(workspace: Workspace) -> None:
        reference_results = read_results(references.file(RESULTS_FILE))
        measure_language_model(workspace.folder, config, source, corpus, reference_results, workers, workspace.progress)

    return Stage(name="language-model", config=config, body=body, parents={"text-models": references})


def _describe_config(options: StdlibRun, lm: LanguageModel, corpus: StdlibCorpus) -> DescribeConfig:
    return DescribeConfig(
        lm=lm.fingerprint(),
        corpus=corpus.fingerprint(),
        split="train",
        sites=tuple(str(site) for site in lm.sites("resid_post")),
        context_length=lm.context_length,
        n_documents=options.ground.max_documents or len(corpus.frozen_documents),
        n_sequences=options.ground.n_describe_sequences,
        seed=options.seed,
    )


def _ground_summary(measured: Artifact) -> list[str]:
    """The model in a few lines: bits a byte beside the references, tasks beside the gate."""
    results = {(r.metric, r.variant, r.split): r for r in read_results(measured.file(RESULTS_FILE))}
    own = results["lm_bits_per_byte", None, "test"]
    xz = results["lm_bits_per_byte", "xz_given_train", "test"]
    tasks = {r.metric.partition("/")[2]: r for r in results.values() if r.metric.startswith("task_accuracy/")}
    passed = [name for name, result in tasks.items() if _value(result) >= TASK_GATE]
    return [
        f"language model: {_value(own):.3f} bits a byte on test [{own.ci_low:.3f}, {own.ci_high:.3f}],"
        f" xz -9 given the train text {_value(xz):.3f}; at least {TASK_GATE:.0%} of pairs right in the tasks"
        f" {', '.join(passed) or 'none'}"
    ]


def _value(result: Result) -> float:
    """The value of a result that has one."""
    if result.value is None:
        raise ValueError(f"{result.metric} was not measured: {result.reason}")
    return result.value
