"""`monosemy evaluate DICTIONARY`: any dictionary, of a run or in SAELens' files, through every metric on any model."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from monosemy.core import (
    Artifact,
    Progress,
    Result,
    Workers,
    read_results,
    set_threads,
)
from monosemy.corpus import Split, frozen_labels
from monosemy.dictionaries import DictionaryCard, load_dictionary
from monosemy.experiments import (
    EMBEDDED_CORPUS,
    RESULTS_FILE,
    HeldOut,
    Recording,
    ReferenceConfig,
    corpus_named,
    evaluation_job,
    has_labels,
    reference_job,
    store_stage,
)
from monosemy.lm import EMBEDDED_LM, LanguageModel, ModelSource
from monosemy.pipeline import Job, Run
from monosemy.recipes.given_dictionary import check_readable, given_dictionary, wanted_site

COPIED = (RESULTS_FILE, "per_document.npz", "evaluation.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluate:
    """Measure a dictionary on held-out text: reconstruction, sparsity, what the model loses, and exact labels."""

    dictionary: tyro.conf.Positional[Path]  # a folder: a dictionary of a run, or what SAELens wrote
    model: str = EMBEDDED_LM  # "embedded", a folder, or a Hugging Face id
    corpus: str = EMBEDDED_CORPUS  # "stdlib", a folder, a .jsonl or .parquet file, or a Hugging Face data set
    text_field: str = "text"  # the column or key that holds the text
    site: str | None = None  # such as resid_post.2, where the folder does not say it
    layer: int | None = None  # for short: resid_post of this layer
    scaling_factor: float | None = None  # by which SAELens multiplied the activations, where it says only that it did
    out: Path | None = None  # folder of what is made; none: runs/evaluate/ and the folder's name
    context_length: int = 256
    n_score_sequences: int = 300  # of validation and of test, on which it is measured
    n_mean_sequences: int = 300  # of train, whose mean activation stands in for the site in mean ablation
    n_splice_sequences: int = 64  # of those of test, on which the model's loss is measured
    dtype: Literal["bfloat16", "float16"] = "bfloat16"  # of the stored activations
    seed: int = 0
    threads: int | None = None  # processes of one thread each; none: every core
    device: Literal["auto", "cpu", "cuda"] = "auto"
    refresh: bool = False  # make again what is there already


def evaluate_dictionary(options: Evaluate, *, command: Sequence[str], progress: Progress) -> list[str]:
    """Do what the options say; the table to print at the end.

    Raises UserError, before anything is recorded, when the folder holds no dictionary, its weights are not finite, its
    site is not known or not the model's, or its width is another.
    """
    n_workers = set_threads(options.threads)
    source = ModelSource(name=options.model, device=options.device)
    site = wanted_site(options.site, options.layer)
    check_readable(options.dictionary)
    lm, corpus = source.load(), corpus_named(options.corpus, options.text_field)
    out = options.out or Path("runs/evaluate") / options.dictionary.resolve().name
    artifact = given_dictionary(options.dictionary, site, options.scaling_factor, options.seed, lm, out)
    card = load_dictionary(artifact.path)[1]
    with (
        Workers(n_workers) as workers,
        Run(
            out,
            command=tuple(command),
            seed=options.seed,
            n_threads=n_workers,
            progress=progress,
            refresh=options.refresh,
        ) as run,
    ):
        stores = {
            split: run.stage(store_stage(_recording(options, card, lm, split), source, corpus, workers))
            for split in _SPLITS
        }
        config = ReferenceConfig(
            lm=lm.fingerprint(), sites=(card.site,), n_sequences=options.n_splice_sequences, seed=options.seed
        )
        held_out = HeldOut(
            validation=stores["validation"],
            test=stores["test"],
            labels=frozen_labels().fingerprint if has_labels(lm, corpus) else None,
        )
        reference = _done(run, workers, reference_job(config, source, stores["train"], stores["test"]), "reference")
        job = evaluation_job(
            artifact, held_out, labels=True, of_latents=True, reference=reference, source=source, seed=options.seed
        )
        measured = _done(run, workers, job, "measure")
    for name in COPIED:
        shutil.copyfile(measured.file(name), out / name)
    return [*_table(card, read_results(out / RESULTS_FILE), lm.name, corpus.name), f"results: {out / RESULTS_FILE}"]


def _recording(options: Evaluate, card: DictionaryCard, lm: LanguageModel, split: Split) -> Recording:
    return Recording(
        split=split,
        sites=(card.site,),
        context_length=min(options.context_length, lm.context_length),
        max_sequences=options.n_mean_sequences if split == "train" else options.n_score_sequences,
        dtype=options.dtype,
        seed=options.seed,
    )


def _done(run: Run, workers: Workers, job: Job, name: str) -> Artifact:
    return run.stages(list(job.stages), lambda _: [job], workers, name=name, unit="units")[0]


def _table(card: DictionaryCard, results: Sequence[Result], lm: str, corpus: str) -> list[str]:
    """A line for each result on test, and on validation those that have one: value, unit, interval."""
    head = f"{card.name}: {card.method}, {card.n_latents:,} latents at {card.site} of {lm}, on {corpus}"
    lines = [f"  {'metric':<26} {'split':<11} {'value':>10}  95 % interval"]
    left_out: dict[str, list[str]] = {}
    for result in sorted(results, key=lambda r: (r.split != "test", 0)):
        if result.value is None:
            left_out.setdefault(result.reason or result.status, []).append(result.metric)
            continue
        ends = "" if result.ci_low is None else f"[{result.ci_low:.4g}, {result.ci_high:.4g}]"
        variant = "" if result.variant in (None, card.variant) else f" ({result.variant})"
        name = result.metric + variant
        lines.append(f"  {name:<26} {result.split or '':<11} {result.value:>10.4g}  {ends} {result.unit}".rstrip())
    lines += [f"  not measured: {', '.join(dict.fromkeys(names))} ({why})" for why, names in left_out.items()]
    return [head, *lines]


_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
