"""`monosemy harvest`: a language model's activations on a text; with `--describe`, what they look like."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from monosemy.activations import describe, write_description
from monosemy.core import Progress, UserError, set_threads
from monosemy.corpus import Corpus, Split
from monosemy.experiments import EMBEDDED_CORPUS, corpus_named, documents_for
from monosemy.lm import EMBEDDED_LM, LanguageModel, ModelSource, Site
from monosemy.pipeline import Run, Stage, StageRecord, Workspace
from monosemy.report import write_describe_page


@dataclass(frozen=True, kw_only=True, slots=True)
class Harvest:
    """Options of `monosemy harvest`."""

    describe: bool = False  # look at lengths, norms, outliers, kurtosis and spectrum, and write a page
    model: str = EMBEDDED_LM  # "embedded", a folder, or a Hugging Face id
    corpus: str = EMBEDDED_CORPUS  # "stdlib", a folder, a .jsonl or .parquet file, or a Hugging Face data set
    field: str = "text"  # the column or key that holds the text
    split: Split = "train"
    sites: tuple[str, ...] = ()  # such as resid_post.2; none: resid_post of every layer
    context_length: int = 256
    n_documents: int = 20_000  # the first ones of the split
    n_sequences: int = 400  # rows of the context's length whose activations are measured
    seed: int = 0
    out: Path = Path("runs/harvest")
    threads: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    refresh: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class DescribeConfig:
    """What a description is made from; model and corpus by their fingerprints."""

    lm: str
    corpus: str
    split: Split
    sites: tuple[str, ...]
    context_length: int
    n_documents: int
    n_sequences: int
    seed: int


def run_harvest(options: Harvest, *, command: Sequence[str], progress: Progress) -> list[str]:
    """Do what the options say; the lines to print at the end. Raises UserError before anything is written."""
    if not options.describe:
        raise UserError("harvest can describe activations so far, not store them; add --describe")
    threads = set_threads(options.threads)
    lm = ModelSource(name=options.model, device=options.device).load()
    corpus = corpus_named(options.corpus, options.field)
    sites = tuple(Site.parse(site) for site in options.sites) or lm.sites("resid_post")
    for site in sites:
        lm.check(site)
    with Run(options.out, command=tuple(command), seed=options.seed, n_threads=threads, progress=progress) as run:
        config = DescribeConfig(
            lm=lm.fingerprint(),
            corpus=corpus.fingerprint(),
            split=options.split,
            sites=tuple(str(site) for site in sites),
            context_length=min(options.context_length, lm.context_length),
            n_documents=options.n_documents,
            n_sequences=options.n_sequences,
            seed=options.seed,
        )
        description = run.stage(describe_stage(config, lm, corpus))
        page = options.out / "index.html"
        write_describe_page(page, description.path, how_it_was_made(run))
    return [f"described {lm.name} on the {options.split} split of {corpus.name} at {len(sites)} sites", f"page: {page}"]


def describe_stage(config: DescribeConfig, lm: LanguageModel, corpus: Corpus) -> Stage:
    """The stage that writes a description."""

    def body(workspace: Workspace) -> None:
        description = describe(
            lm,
            list(islice(documents_for(lm, corpus, config.split), config.n_documents)),
            [Site.parse(site) for site in config.sites],
            context_length=config.context_length,
            n_sequences=config.n_sequences,
            seed=config.seed,
            bos_id=lm.bos_id,
            progress=workspace.progress,
        )
        write_description(workspace.folder, description)

    return Stage(name="describe", config=config, body=body)


def how_it_was_made(run: Run) -> dict[str, str]:
    """What a page says of the run behind it, a line each."""
    record = run.record
    stages = [f"{stage.name} {_seconds(stage)}" for stage in record.stages]
    return {
        "command": shlex.join(record.command),
        "stages": ", ".join(stages),
        "seed": str(record.seed),
        "threads": str(record.n_threads),
        "versions": f"monosemy {record.monosemy}, Python {record.python}, torch {record.torch}",
    }


def _seconds(stage: StageRecord) -> str:
    seconds = "" if stage.computed_seconds is None else f"{stage.computed_seconds:.0f} s"
    return f"{seconds} (cached)".strip() if stage.status == "cached" else seconds
