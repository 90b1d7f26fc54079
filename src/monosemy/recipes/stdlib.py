"""The default run: the embedded model on the embedded corpus, from nothing to a page, without a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from monosemy.core import Artifact, Progress, Result, Workers, read_results, set_threads
from monosemy.corpus import StdlibCorpus, frozen_labels
from monosemy.experiments import GroundConfig, TextModelsConfig, measure_language_model, measure_text_models
from monosemy.lm import LanguageModel, ModelSource
from monosemy.pipeline import Run, Stage, Workspace
from monosemy.recipes.harvest import DescribeConfig, describe_stage, how_it_was_made
from monosemy.report import write_ground_page

TASK_GATE = 0.9
"""A causal experiment needs a task of which the model gets at least this share of pairs right."""


NOT_MEASURED = (
    "Dictionaries, their baselines and the random-weights control: this run measures the ground they will stand on.",
    "Other seeds of the language model: every figure is of the one shipped model.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StdlibRun:
    """Options of `monosemy run stdlib`."""

    out: Path = Path("runs/stdlib")  # folder of everything that is made
    n_describe_sequences: int = 400  # rows of 256 tokens whose activations are described
    n_train_documents: int = 40  # of the train split, on which bits a byte are measured too
    n_task_pairs: int = 400
    n_induction_sequences: int = 128
    max_documents: int | None = None  # of each split: a quick look instead of the figures to cite
    seed: int = 0
    threads: int | None = None  # none: every core
    device: Literal["auto", "cpu", "cuda"] = "auto"
    refresh: bool = False  # measure again what is there already


def stdlib() -> StdlibRun:
    """The default recipe."""
    return StdlibRun()


def run_stdlib(options: StdlibRun, *, command: Sequence[str], progress: Progress) -> list[str]:
    """Load, measure, describe, write the page; the lines to print at the end."""
    n_workers = set_threads(options.threads)
    source = ModelSource(device=options.device)
    lm, corpus = source.load(), StdlibCorpus()
    with (
        Workers(n_workers) as workers,
        Run(
            options.out,
            command=tuple(command),
            seed=options.seed,
            n_threads=n_workers,
            progress=progress,
            refresh=options.refresh,
        ) as run,
    ):
        references = run.stage(_text_models_stage(options, corpus, workers))
        measured = run.stage(_language_model_stage(options, source, corpus, references, workers))
        description = run.stage(describe_stage(_describe_config(options, lm, corpus), lm, corpus))
        page = options.out / "report" / "index.html"
        write_ground_page(page, measured.path, description.path, how_it_was_made(run) | {"not_measured": NOT_MEASURED})
    return [*_summary(measured), f"report: {page}"]


def _text_models_stage(options: StdlibRun, corpus: StdlibCorpus, workers: Workers) -> Stage:
    config = TextModelsConfig(corpus=corpus.fingerprint(), max_documents=options.max_documents, seed=options.seed)

    def body(workspace: Workspace) -> None:
        measure_text_models(workspace.folder, config, corpus, workers, workspace.progress)

    return Stage(name="text-models", config=config, body=body)


def _language_model_stage(
    options: StdlibRun, source: ModelSource, corpus: StdlibCorpus, references: Artifact, workers: Workers
) -> Stage:
    config = GroundConfig(
        corpus=corpus.fingerprint(),
        labels=frozen_labels().fingerprint,
        lm=source.load().fingerprint(),
        n_train_documents=options.n_train_documents,
        n_task_pairs=options.n_task_pairs,
        n_induction_sequences=options.n_induction_sequences,
        max_documents=options.max_documents,
        seed=options.seed,
    )

    def body(workspace: Workspace) -> None:
        reference_results = read_results(references.file("results.jsonl"))
        measure_language_model(workspace.folder, config, source, corpus, reference_results, workers, workspace.progress)

    return Stage(name="language-model", config=config, body=body, parents={"text-models": references})


def _describe_config(options: StdlibRun, lm: LanguageModel, corpus: StdlibCorpus) -> DescribeConfig:
    return DescribeConfig(
        lm=lm.fingerprint(),
        corpus=corpus.fingerprint(),
        split="train",
        sites=tuple(str(site) for site in lm.sites("resid_post")),
        context_length=lm.context_length,
        n_documents=options.max_documents or len(corpus.frozen_documents),
        n_sequences=options.n_describe_sequences,
        seed=options.seed,
    )


def _summary(measured: Artifact) -> list[str]:
    """The run in a few lines: bits a byte beside the references, tasks beside the gate."""
    results = {(r.metric, r.variant, r.split): r for r in read_results(measured.file("results.jsonl"))}
    own = results["lm_bits_per_byte", None, "test"]
    xz = results["lm_bits_per_byte", "xz_given_train", "test"]
    trigram = results["lm_bits_per_byte", "trigram", "test"]
    tasks = {r.metric.partition("/")[2]: r for r in results.values() if r.metric.startswith("task_accuracy/")}
    passed = [name for name, result in tasks.items() if _value(result) >= TASK_GATE]
    return [
        f"embedded language model on the test split of {own.n} packages, bits a byte:",
        f"  model {_value(own):.3f} [{own.ci_low:.3f}, {own.ci_high:.3f}]   trigram {_value(trigram):.3f}"
        f"   xz -9 given the train text {_value(xz):.3f}   model / xz {_value(own) / _value(xz):.3f}",
        f"tasks with at least {TASK_GATE:.0%} of pairs right: {', '.join(passed) or 'none'}",
        "  " + "   ".join(f"{name} {_value(result):.1%}" for name, result in tasks.items()),
    ]


def _value(result: Result) -> float:
    """The value of a result that has one."""
    if result.value is None:
        raise ValueError(f"{result.metric} was not measured: {result.reason}")
    return result.value
