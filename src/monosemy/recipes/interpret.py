"""`monosemy interpret`: explain latents of a run's dictionaries, or of one dictionary, by any judge, and score it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from monosemy.core import Artifact, Progress, UserError, Workers, read_results, set_threads
from monosemy.dictionaries import load_dictionary
from monosemy.evaluation import FRAGMENT_LENGTH, read_fragments
from monosemy.experiments import EMBEDDED_CORPUS, RESULTS_FILE, Recording, corpus_named, explain_config, store_stage
from monosemy.interpretation import LATENTS_FILE
from monosemy.lm import EMBEDDED_LM, LanguageModel, ModelSource
from monosemy.pipeline import Run
from monosemy.recipes.given_dictionary import check_readable, given_dictionary, wanted_site
from monosemy.recipes.harvest import how_it_was_made
from monosemy.recipes.interpreting import (
    Interpreting,
    Wanted,
    calls_lines,
    interpret,
    interpretation_config,
    sampled_fragments,
)
from monosemy.recipes.judging import Judging
from monosemy.recipes.summary import interpretation_lines
from monosemy.report import write_interpretation_page


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpret:
    """Say what latents respond to, and score it on text that the explanations were not made from.

    Of a run's folder: its dictionaries, as `monosemy run` does, with these options; its report is written anew. Of a
    dictionary's folder: that one; the options from --lm on are for it alone.
    """

    target: tyro.conf.Positional[Path]  # a run's folder, or a dictionary's (of a run, or what SAELens wrote)
    judging: tyro.conf.OmitArgPrefixes[Judging] = field(default_factory=Judging)
    interpreting: tyro.conf.OmitArgPrefixes[Interpreting] = field(default_factory=Interpreting)
    threads: int | None = None  # processes of one thread each; none: every core
    lm: str = EMBEDDED_LM  # of a dictionary: "embedded", a folder, or a Hugging Face id
    corpus: str = EMBEDDED_CORPUS  # "stdlib", a folder, a .jsonl or .parquet file, or a Hugging Face data set
    text_field: str = "text"  # the column or key that holds the text
    site: str | None = None  # such as resid_post.2, where the folder does not say it
    layer: int | None = None  # for short: resid_post of this layer
    scaling_factor: float | None = None  # by which SAELens multiplied the activations, where it says only that it did
    out: Path | None = None  # folder of what is made; none: runs/interpret/ and the folder's name
    context_length: int = 256
    max_sequences: int | None = None  # of validation and of test; none: all
    dtype: Literal["bfloat16", "float16"] = "bfloat16"  # of the stored activations
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    refresh: bool = False  # make again what is there already


def interpret_dictionary(options: Interpret, *, command: Sequence[str], progress: Progress) -> list[str]:
    """Do what the options say of one dictionary; the lines to print at the end.

    Raises UserError, before anything is recorded, when the folder holds no dictionary, or it does not fit the
    model, and when rows are shorter than a fragment.
    """
    judge = options.judging.config()
    n_workers = set_threads(options.threads)
    source = ModelSource(name=options.lm, device=options.device)
    site = wanted_site(options.site, options.layer)
    check_readable(options.target)
    lm, corpus = source.load(), corpus_named(options.corpus, options.text_field)
    out = options.out or Path("runs/interpret") / options.target.resolve().name
    artifact = given_dictionary(options.target, site, options.scaling_factor, options.seed, lm, out)
    length = min(options.context_length, lm.context_length)
    if length < FRAGMENT_LENGTH:
        raise UserError(
            f"rows of {length} positions are shorter than a fragment; give a --context-length of at least "
            f"{FRAGMENT_LENGTH}, and a model that reads as much"
        )
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
        validation, test = (
            run.stage(store_stage(_recording(options, card.site, lm, split), source, corpus, workers))
            for split in ("validation", "test")
        )
        wanted = Wanted(name=card.name, dictionary=artifact, source=source, held_out=(validation, test))
        config = interpretation_config(options.interpreting, judge, 0.5, options.seed)
        fragments = sampled_fragments(run, workers, [wanted], {}, config)
        density = own_density(fragments[card.name])
        config = interpretation_config(options.interpreting, judge, density, options.seed)
        if options.judging.dry_run:
            return calls_lines(judge, config, list(fragments.values()))
        found = interpret(run, workers, [wanted], fragments, explain_config(judge, config), (card.name,))
        page = out / "report" / "index.html"
        paths = {name: each.path for name, each in found.fragments.items()}
        write_interpretation_page(page, found.summary.path, paths, how_it_was_made(run))
    for name in (RESULTS_FILE, LATENTS_FILE):
        shutil.copyfile(found.summary.file(name), out / name)
    return [*interpretation_lines(read_results(out / RESULTS_FILE)), f"report: {page}"]


def own_density(fragments: Artifact) -> float:
    """The mean, over latents that fire at all, of the share of validation tokens on which one fires; within (0, .5]."""
    statistics = read_fragments(fragments.path).fit.statistics
    firing = statistics.n_firing_tokens[statistics.n_firing_tokens > 0] / max(1, statistics.n_tokens)
    return float(min(0.5, firing.mean())) if len(firing) else 0.5


def _recording(options: Interpret, site: str, lm: LanguageModel, split: Literal["validation", "test"]) -> Recording:
    return Recording(
        split=split,
        sites=(site,),
        context_length=min(options.context_length, lm.context_length),
        max_sequences=options.max_sequences,
        dtype=options.dtype,
        seed=options.seed,
    )
